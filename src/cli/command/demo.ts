import { availableParallelism } from 'node:os';
import { parseSettings } from '../../config/settings.ts';
import { TABLES } from '../../roles/tables.ts';
import { flagList, flagText, quoted, UsageError, type Call, type Command } from '../command.ts';
import { keepRunning, type Child } from '../demo/children.ts';
import { makeDemoSender, writeDemoEntries } from '../demo/entries.ts';
import { writeDemoFiles } from '../demo/files.ts';
import {
  DEMO_DOMAIN,
  DEMO_HOST,
  DEMO_PASSWORD,
  DEMO_PORTS,
  DEMO_USERS,
  demoLayout,
  demoPort,
  PORT_BASE_DEFAULT,
  PORT_BASE_MAX,
  type DemoLayout,
} from '../demo/layout.ts';

const WORKERS_MAX = 64;

type Settings = readonly (readonly [name: string, value: string])[];

async function run(call: Call): Promise<void> {
  const base = Number(flagText(call, 'port-base') ?? PORT_BASE_DEFAULT);
  if (!Number.isInteger(base) || base < 1024 || base > PORT_BASE_MAX) {
    throw new UsageError(`--port-base is a whole number, 1024 to ${PORT_BASE_MAX}`);
  }
  const workers = Number(flagText(call, 'workers') ?? Math.min(2, availableParallelism()));
  if (!Number.isInteger(workers) || workers < 1 || workers > WORKERS_MAX) {
    throw new UsageError(`--workers is a whole number, 1 to ${WORKERS_MAX}`);
  }
  const settings = settingsOf(call);
  const demo = demoLayout({ data: flagText(call, 'data'), base, workers, env: call.env });
  const ending = new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  const children: Child[] = [];
  try {
    const started = start(call, { demo, settings }, (child) => children.push(child));
    started.catch(() => {}); // When the end comes first, nobody waits for the start any more.
    await Promise.race([started.then(() => ending), ending]);
  } finally {
    for (const child of children.toReversed()) await child.stop();
  }
}

/** @throws UsageError for what no node would start with */
function settingsOf(call: Call): Settings {
  const settings = flagList(call, 'set').map((text) => {
    const [, name, value] = /^([^=]+)=(.*)$/.exec(text) ?? [];
    if (name === undefined || value === undefined) {
      throw new UsageError(`--set: ${quoted(text)} is not OPTION=VALUE`);
    }
    return [name, value] as const;
  });
  const { problems } = parseSettings(TABLES, settings);
  if (problems.length > 0) throw new UsageError(problems.map((p) => p.message).join('; '));
  return settings;
}

async function start(
  call: Call,
  { demo, settings }: { readonly demo: DemoLayout; readonly settings: Settings },
  onStarted: (child: Child) => void,
): Promise<void> {
  const onNote = (text: string): void => call.out.note(text);
  await writeDemoFiles(demo);
  const listen = `${DEMO_HOST}:${demoPort(demo, 'ldap')}`;
  const admin = ['--admin-password-file', demo.adminSecret];
  const frontend = ['--frontend-password-file', demo.frontendSecret];
  const place = ['--data', demo.directoryData, '--listen', listen];
  const directory = ['directory', 'serve', ...place, ...admin, ...frontend];
  await keepRunning({ args: directory, onNote, onStarted });
  await writeDemoEntries(demo, settings);
  await keepRunning({ args: ['serve', '--config', demo.nodeFile], onNote, onStarted });
  await makeDemoSender(demo);
  call.out.line(banner(demo));
}

/** As a shell reads it back. */
const inShell = (path: string): string =>
  /^[\w/.,:@+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;

function banner(demo: DemoLayout): string {
  const at = (service: keyof typeof DEMO_PORTS): string =>
    `${DEMO_HOST}:${demoPort(demo, service)}`;
  const users = DEMO_USERS.map((user) => `${user}@${DEMO_DOMAIN}`).join(', ');
  return `
The farm is running, on loopback only.

  submission  ${at('submission')} (STARTTLS)    POP3             ${at('pop3')} (STLS)
  over TLS    ${at('submissions')}               POP3 over TLS    ${at('pop3s')}
  IMAP        ${at('imap')} (STARTTLS)    IMAP over TLS    ${at('imaps')}
  webmail     http://${at('http')}/            over TLS         https://${at('https')}/
  SMTP (MX)   ${at('mx')}               LMTP             ${at('lmtp')}
  smarthost   ${at('relay')}               LDAP             ${at('ldap')}
  health, metrics                        http://${at('health')}

  users      ${users}, password ${DEMO_PASSWORD}
  list       team@${DEMO_DOMAIN}, which is alice and bob
  volumes    ${demo.volumes.map(({ path }) => path).join(', ')}
  commands   export MAILFARM_CONFIG=${inShell(demo.adminFile)}

Send and fetch a first letter, in another terminal:

  printf 'From: bob@${DEMO_DOMAIN}\\r\\nSubject: Hello\\r\\n\\r\\nFirst letter.\\r\\n' |
    curl --ssl-reqd --cacert ${inShell(demo.cert)} smtp://localhost:${demoPort(demo, 'submission')} \\
      --user bob@${DEMO_DOMAIN}:${DEMO_PASSWORD} --mail-from bob@${DEMO_DOMAIN} \\
      --mail-rcpt alice@${DEMO_DOMAIN} --upload-file -
  curl pop3://${at('pop3')}/1 --user alice@${DEMO_DOMAIN}:${DEMO_PASSWORD}
  curl 'imap://${at('imap')}/INBOX;MAILINDEX=1' --user alice@${DEMO_DOMAIN}:${DEMO_PASSWORD}
  npx mailfarm resolve team@${DEMO_DOMAIN}

Ctrl-C ends it; the next start finds everything again.`;
}

export const demo: Command = {
  usage: '[--data DIR] [--port-base N] [--workers N] [--set OPTION=VALUE]...',
  summary: 'Runs a whole farm on this machine, with users, two volumes and a spool',
  examples: ['mailfarm demo', 'mailfarm demo --data /tmp/farm --port-base 20000'],
  options: {
    data: { type: 'string' },
    'port-base': { type: 'string' },
    workers: { type: 'string' },
    set: {
      type: 'string',
      multiple: true,
      value: 'OPTION=VALUE',
      doc: 'As config set does, before it starts',
    },
  },
  args: [0, 0],
  run,
};
