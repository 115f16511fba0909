/**
 * A farm on the machines: `mailfarm serve` on front ends, volumes on the filers, the directory in
 * the hub, as a third party's. One at a time: each begins with empty volumes.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { demoAdministrator, demoEntries } from '../../../src/directory/demo.ts';
import { nameDn } from '../../../src/directory/dn.ts';
import {
  serveEmbeddedDirectory,
  type EmbeddedServer,
} from '../../../src/directory/embedded/server.ts';
import type { SeedEntry } from '../../../src/directory/frame.ts';
import { DEFAULT_SUFFIX, layout } from '../../../src/directory/schema.ts';
import type { NodeEntry, VolumeEntry } from '../../../src/directory/types.ts';
import { userSeed } from '../../harness/nodes.ts';
import { Pop3Chat } from '../../harness/pop3-chat.ts';
import { SmtpChat } from '../../harness/smtp-chat.ts';
import { EXPORTS, type ExportName, FRONTENDS, type Frontend, HOSTS } from './inside.ts';
import { atFiler, type HostProcess, mountOf, run, startOn } from './inside.ts';

export const PORTS = { mx: 2525, pop3: 1110, health: 8090 } as const;
/** Services that a test may want beside those, with TLS from a pair of the front end's own. */
export const MORE_PORTS = { submissions: 4650, relay: 2587 } as const;
export const PASSWORD = 'demo';
export const ADMIN_PASSWORD = 'admin-secret';
const FRONTEND_PASSWORD = 'frontend-secret';
const DIRECTORY_PORT = 3890;
const READY_MS = 300_000;
const NAMES = layout(DEFAULT_SUFFIX);
/** On a front end, in its memory. */
const STATE = '/tmp/mailfarm';
/** What Node compiled once, for every front end and each of its boots: see warm.ts. */
const COMPILED = '/mnt/host/compiled';
const TAKE_COMPILED = `if [ ! -e /tmp/compiled/whole ]; then
  cp -r ${COMPILED}/. /tmp/compiled && touch /tmp/compiled/whole; fi`;

export interface FarmOptions {
  /** Half of them on mail1 (even numbers), half on mail2. */
  readonly users: number;
  readonly frontends?: readonly Frontend[];
  /** Of the farm, beside those of every test's farm. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly workers?: number;
  /** Of `MORE_PORTS`, on each of these front ends. */
  readonly services?: Readonly<Partial<Record<Frontend, readonly MoreService[]>>>;
}

type MoreService = keyof typeof MORE_PORTS;

export interface NodeOptions {
  /** Modules of the tree that each of its processes loads first: planted faults. */
  readonly imports?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface MachinesFarm {
  /** user0@example.test, …; password `PASSWORD`. */
  readonly users: readonly string[];
  readonly directory: EmbeddedServer;
  readonly nodes: ReadonlyMap<Frontend, HostProcess>;
  /** Starts the node of a front end again: after a power cut, after `signal('KILL')`. */
  startNode(host: Frontend, options?: NodeOptions): Promise<HostProcess>;
  /** The `mailfarm` command on a front end, as administrator. @returns what it printed */
  command(host: Frontend, ...words: readonly string[]): Promise<string>;
  /** @returns the reply's code; undefined when the connection broke before there was one */
  send(host: Frontend, to: string, wire: Uint8Array): Promise<number | undefined>;
  /** The mailbox by POP3: UIDL to the letter. @throws Error when it is refused */
  mailbox(host: Frontend, user: string): Promise<Map<string, Buffer>>;
  /** Ends the nodes on machines that live, and the directory. */
  close(): Promise<void>;
}

/** Which volume the rules give to a user of the farm. */
export const volumeOf = (user: string): 'mail1' | 'mail2' =>
  Number(/\d+/.exec(user)?.[0]) % 2 === 0 ? 'mail1' : 'mail2';

const nodeEntry = (host: Frontend, more: readonly MoreService[]): NodeEntry => ({
  name: host,
  nid: 11 + FRONTENDS.indexOf(host),
  server: HOSTS[host].address,
  status: 'spm',
  listen: [
    ...Object.entries(PORTS),
    ...more.map((name): [string, number] => [name, MORE_PORTS[name]]),
  ].map(([name, port]) => `${name} ${HOSTS[host].address}:${port}`),
  addresses: [],
  beatAt: undefined,
  version: undefined,
});

const ruleSeed = (volume: ExportName, order: number, digits: string): SeedEntry => ({
  dn: nameDn('cn', `to-${volume}`, NAMES.rules),
  attributes: {
    objectClass: ['top', 'mwRule'],
    cn: `to-${volume}`,
    mwOrder: String(order),
    mwPattern: String.raw`user\d*[${digits}]@example\.test`,
    mwTarget: `volume:${volume}`,
  },
});

/** Empties all volumes and gives each its sentinel. */
async function makeVolumes(): Promise<readonly VolumeEntry[]> {
  const program = `
    const { makeVolume } = await import('/mnt/tree/src/volumes/make.ts');
    const { systemRandom: random } = await import('/mnt/tree/src/base/random.ts');
    const made = {};
    for (const name of ${JSON.stringify(EXPORTS)}) {
      made[name] = await makeVolume({ path: '/mnt/' + name, name, random });
    }
    console.log(JSON.stringify(made));`;
  // The service user removes it through NFS, so that no client believes in what is gone.
  await Promise.all(EXPORTS.map((name) => atFiler(name, 'chown -R mail:mail .')));
  const paths = EXPORTS.map(mountOf);
  await run('fe1', ['find', ...paths, '-mindepth', '1', '-delete']);
  const said = await run('fe1', [process.execPath, '--input-type=module', '-e', program]);
  const identities = JSON.parse(said) as Record<ExportName, string>;
  return EXPORTS.map((name) => ({
    name,
    path: mountOf(name),
    identity: identities[name],
    weight: 1,
    state: 'active',
    use: name === 'spool1' ? 'spool' : 'mail',
  }));
}

function seeds(
  volumes: readonly VolumeEntry[],
  users: readonly string[],
  services: FarmOptions['services'] = {},
): readonly SeedEntry[] {
  const of = (host: Frontend): readonly SeedEntry[] =>
    demoEntries({
      suffix: DEFAULT_SUFFIX,
      volumes,
      node: nodeEntry(host, services[host] ?? []),
    });
  const others = FRONTENDS.slice(1).flatMap((host) =>
    of(host).filter(({ dn }) => dn.startsWith(`cn=${host},`)),
  );
  return [
    ...of(FRONTENDS[0]),
    ...others,
    ruleSeed('mail1', 1, '02468'),
    ruleSeed('mail2', 2, '13579'),
    ...users.map((login, i) => userSeed(login, 4000 + i)),
  ];
}

/** Node's file and secret on a front end. @returns the path of the file */
async function configure(
  host: Frontend,
  who: 'frontend' | 'admin',
  workers: number,
  tls: boolean,
): Promise<string> {
  const secret = who === 'admin' ? ADMIN_PASSWORD : FRONTEND_PASSWORD;
  const file = `${STATE}/${who}.yaml`;
  const text = stringify({
    name: host,
    data: `${STATE}/state-${who}`,
    workers,
    directory: {
      urls: [`ldap://${HOSTS.hub.address}:${DIRECTORY_PORT}`],
      base: DEFAULT_SUFFIX,
      'bind-dn': NAMES[who],
      'password-file': `${STATE}/${who}.secret`,
    },
    ...(tls && { tls: { default: { cert: `${STATE}/cert.pem`, key: `${STATE}/key.pem` } } }),
  });
  const pair = tls ? `cd ${STATE}; [ -e cert.pem ] || ${SELF_SIGNED}` : '';
  const script = `${TAKE_COMPILED}; umask 077; mkdir -p ${STATE}/state-${who}
    echo '${secret}' > ${STATE}/${who}.secret; cat > ${file}
    ${pair}`;
  await run(host, ['bash', '-ec', script], { input: text });
  return file;
}

const SELF_SIGNED =
  'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=farm ' +
  '-keyout key.pem -out cert.pem -days 2 2> /dev/null';

async function compileOnce(): Promise<void> {
  if (existsSync(COMPILED)) return;
  await run('fe1', [process.execPath, 'test/lab/warm.ts']);
  const keep = `cp -r /tmp/compiled ${COMPILED}.making; chmod -R a+rX ${COMPILED}.making
    mv ${COMPILED}.making ${COMPILED}`;
  await run('fe1', ['bash', '-ec', keep], { as: 'root' });
}

/** Starts all: the directory in the hub, volumes, a node on each front end. */
export async function startFarm(options: FarmOptions): Promise<MachinesFarm> {
  const { users: count, frontends = FRONTENDS, workers = 1, settings = {} } = options;
  const hasTls = (host: Frontend): boolean => options.services?.[host] !== undefined;
  const users = Array.from({ length: count }, (_, i) => `user${i}@example.test`);
  await compileOnce();
  const directory = await openDirectory({ ...options, settings }, await makeVolumes(), users);
  const nodes = new Map<Frontend, HostProcess>();
  const startNode: MachinesFarm['startNode'] = async (host, { imports = [], env = {} } = {}) => {
    const file = await configure(host, 'frontend', workers, hasTls(host));
    const first = imports.flatMap((path) => ['--import', path]);
    const argv = [process.execPath, ...first, 'src/cli/main.ts', 'serve', '--config', file];
    // A test that is tried again finds the node of its first try, which has the ports.
    await nodes
      .get(host)
      ?.signal('KILL')
      .catch(() => undefined);
    const started = await startOn(host, 'node', argv, { env });
    nodes.set(host, started);
    await started.waitFor(/^mailfarm is ready/m, READY_MS);
    return started;
  };
  const close = async (): Promise<void> => {
    const end = (node: HostProcess): Promise<void> => node.signal('KILL').catch(() => undefined);
    await Promise.all([...nodes.values()].map(end));
    await directory.close();
  };
  try {
    await Promise.all(frontends.map((host) => startNode(host)));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    users,
    directory,
    nodes,
    startNode,
    command: async (host, ...words) => {
      const file = await configure(host, 'admin', workers, false);
      const env = { MAILFARM_CONFIG: file };
      return run(host, [process.execPath, 'src/cli/main.ts', ...words], { env });
    },
    send,
    mailbox,
    close,
  };
}

function openDirectory(
  { settings, services }: Pick<FarmOptions, 'settings' | 'services'>,
  volumes: readonly VolumeEntry[],
  users: readonly string[],
): Promise<EmbeddedServer> {
  const data = join('/tmp', 'directory');
  rmSync(data, { recursive: true, force: true });
  mkdirSync(data, { recursive: true });
  return serveEmbeddedDirectory({
    host: HOSTS.hub.address,
    port: DIRECTORY_PORT,
    data,
    options: { 'directory.embedded.password.scheme': 'SSHA512' },
    firstStart: {
      adminPassword: ADMIN_PASSWORD,
      frontendPassword: FRONTEND_PASSWORD,
      administrators: [demoAdministrator(DEFAULT_SUFFIX)],
      settings: {
        postmaster: 'admin@example.test',
        'auth.throttle.exempt': '10.99.0.0/24',
        'mx.rate.exempt': '10.99.0.0/24',
        'pop3.plaintext-auth': 'always',
        ...settings,
      },
      entries: seeds(volumes, users, services),
    },
  });
}

async function send(host: Frontend, to: string, wire: Uint8Array): Promise<number | undefined> {
  let chat: SmtpChat | undefined;
  try {
    ({ chat } = await SmtpChat.open({ host: HOSTS[host].address, port: PORTS.mx }));
    await chat.hello();
    return (await chat.send('sender@world.example', [to], wire)).code;
  } catch {
    return undefined;
  } finally {
    chat?.stream.destroy();
  }
}

async function mailbox(host: Frontend, user: string): Promise<Map<string, Buffer>> {
  const at = { host: HOSTS[host].address, port: PORTS.pop3 };
  const chat = await Pop3Chat.login(at, user, PASSWORD);
  try {
    const found = new Map<string, Buffer>();
    for (const [number, uidl] of await chat.listing('UIDL')) {
      found.set(uidl, await chat.retrieve(number));
    }
    await chat.expect('QUIT');
    return found;
  } finally {
    chat.stream.destroy();
  }
}
