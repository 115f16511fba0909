import { exitCode } from '../../config/exit.ts';
import type { Admin } from '../../directory/admin/admin.ts';
import { AdminError } from '../../directory/admin/admin.ts';
import type { DomainRecord } from '../../directory/admin/api.ts';
import { openLookup } from '../../dns/lookup.ts';
import { parseListen } from '../../net/address.ts';
import { listenersOf, valuesOf } from '../../roles/plan.ts';
import { setUpOf } from '../../webmail/set-up/endpoints.ts';
import { stsPolicy } from '../../webmail/set-up/mta-sts.ts';
import { withAdmin } from '../administration.ts';
import { flagOn, UsageError, type Call, type Command } from '../command.ts';
import { checkPart, checkReverse, type Finding } from '../zone/check.ts';
import {
  domainPart,
  farmPart,
  nodeAddresses,
  sendingAddresses,
  type DkimRecord,
  type Farm,
  type Part,
} from '../zone/records.ts';
import { partLines } from '../zone/text.ts';
import { selectorsOf } from './dkim.ts';

interface Asked {
  readonly farm: Farm;
  readonly values: ReturnType<typeof valuesOf>;
  readonly domains: readonly {
    readonly entry: DomainRecord;
    readonly keys: readonly DkimRecord[];
  }[];
}

/** All of it from the directory. */
async function askFor(admin: Admin, name: string | undefined): Promise<Asked> {
  const settings = [...(await admin.settings.all())];
  const values = valuesOf({ settings });
  const nodes = await admin.nodes.list();
  const hostName = values['farm.host-name'].toLowerCase();
  if (!hostName.includes('.')) {
    const set = 'mailfarm config set farm.host-name mail.example.org';
    throw new UsageError(`farm.host-name is not set: the name by which the world knows it; ${set}`);
  }
  const listening = nodes
    .flatMap((node) => listenersOf(node, settings))
    .map(parseListen)
    .filter((at) => typeof at !== 'string');
  const entries =
    name === undefined ? (await admin.domains.find()).items : [await admin.domains.get(name)];
  const farm: Farm = {
    hostName,
    domains: entries.map((entry) => entry.name),
    nodes: nodes.toSorted((a, b) => a.nid - b.nid),
    listen: (node) => listenersOf(node, settings),
    addresses: values['farm.addresses'],
    send: values['relay.send'],
    next: values['relay.next'],
    setUp: setUpOf({ values, listen: listening, hostName }),
    policy: stsPolicy(values['webmail.mta-sts'], hostName),
  };
  const domains = [];
  for (const entry of entries) domains.push({ entry, keys: await keysOf(admin, entry) });
  return { farm, values, domains };
}

/** Keys of a domain; whoever may not see secrets is told of none of their records. */
async function keysOf(admin: Admin, entry: DomainRecord): Promise<readonly DkimRecord[]> {
  try {
    return (await selectorsOf(admin, entry)).filter(({ signs }) => signs);
  } catch (error) {
    if (!(error instanceof AdminError) || error.kind !== 'denied') throw error;
    return entry.dkim.map((selector) => ({
      name: `${selector}._domainkey.${entry.name}`,
      record: undefined,
    }));
  }
}

/** For firewalls of those who talk to us (S4-10). */
function printAddresses(call: Call, farm: Farm): void {
  const sending = new Set(sendingAddresses(farm));
  const rows = [
    ...farm.nodes.flatMap((node) =>
      nodeAddresses(farm, node).map((address) => ({ address, of: node.name })),
    ),
    ...farm.addresses.map((address) => ({ address, of: 'the farm' })),
  ].map((row) => ({ ...row, sends: sending.has(row.address) }));
  if (call.json) return call.out.json(rows);
  call.out.table(
    ['address', 'of', 'sends'],
    rows.map(({ address, of, sends }) => [address, of, sends ? 'yes' : 'no']),
  );
}

function printParts(call: Call, farm: Farm, parts: readonly [Part, ...Part[]]): void {
  const [own, ...domains] = parts;
  const policy = farm.policy;
  if (call.json) return call.out.json({ farm: own, domains, ...(policy && { mtaSts: policy }) });
  const lines = [
    ...partLines(own, 'the farm’s own names'),
    ...domains.flatMap((part) => ['', ...partLines(part, 'a domain of this farm')]),
  ];
  for (const line of lines) call.out.line(line);
  if (policy === undefined) return;
  const text = policy
    .trimEnd()
    .split('\r\n')
    .map((line) => `;   ${line}`);
  const where = '; https://mta-sts.DOMAIN/.well-known/mta-sts.txt, which nodes of the web serve:';
  for (const line of ['', where, ...text]) call.out.line(line);
}

async function check(call: Call, asked: Asked, parts: readonly Part[]): Promise<number> {
  const { farm, values } = asked;
  const lookup = openLookup(values);
  const findings: Finding[] = [];
  try {
    for (const part of parts) findings.push(...(await checkPart(part, farm, lookup)));
    findings.push(...(await checkReverse(farm, lookup)));
  } finally {
    lookup.close();
  }
  const wrong = findings.some(({ severity }) => severity === 'wrong');
  if (call.json) call.out.json(findings);
  else if (findings.length === 0) call.out.line('the DNS is as it should be');
  else {
    for (const { severity, name, type, text } of findings) {
      call.out.line(`${severity.padEnd(8)}${type.padEnd(6)}${name} ${text}`);
    }
  }
  return exitCode(wrong ? 'config' : 'ok');
}

async function run(call: Call): Promise<number> {
  const asked = await withAdmin(call, (admin) => askFor(admin, call.args[0]));
  const { farm, domains } = asked;
  if (flagOn(call, 'addresses')) {
    printAddresses(call, farm);
    return exitCode('ok');
  }
  const parts: [Part, ...Part[]] = [
    farmPart(farm),
    ...domains.map(({ entry, keys }) => domainPart(farm, entry, keys)),
  ];
  if (flagOn(call, 'check')) return await check(call, asked, parts);
  printParts(call, farm, parts);
  return exitCode('ok');
}

export const dns: Command = {
  usage: '[DOMAIN] [--check | --addresses]',
  summary:
    'Prints the records that the DNS should have for the farm and its domains, or checks them',
  examples: ['mailfarm dns example.org', 'mailfarm dns --check', 'mailfarm dns --addresses'],
  options: {
    check: { type: 'boolean', doc: 'Asks the DNS and says what differs; dns.servers are asked' },
    addresses: { type: 'boolean', doc: 'All addresses of all nodes, for firewalls of others' },
  },
  args: [0, 1],
  run,
};
