/**
 * What an administrator has on the own machine before the first playbook: the inventory with the
 * passwords of this farm, and a release. The inventory is the example's, file by file; for the
 * short run some of its hosts are struck out.
 */
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Document, isMap, parseDocument, visit } from 'yaml';
import { runOrThrow, saidBy, run } from '../../harness/process.ts';
import { labVariables, PASSWORDS } from './inside.ts';

export const TREE = join(import.meta.dirname, '../../..');
export const ANSIBLE = join(TREE, 'ansible');
export const EXAMPLE = join(ANSIBLE, 'inventories/example');

/** Struck out for the short run: what is left has each role, and two of what must be many. */
export const NOT_IN_SHORT: readonly string[] = ['ldap2', 'vol2', 'mx2', 'pop2', 'web1'];
/** Given to hosts that stay, so that every service is there. */
const SERVICES_IN_SHORT = { mx: ['mx1', 'pop1'], access: ['mx1', 'pop1'], web: ['mx1', 'pop1'] };

export interface Wanted {
  /** Folder of an inventory. */
  readonly from: string;
  readonly to: string;
  readonly short: boolean;
}

/** Copies the playbooks: somebody may be changing them while they run. */
export const copyPlaybooks = (to: string): void => cpSync(ANSIBLE, to, { recursive: true });

/** Copies the inventory and adds what only this farm has. */
export function copyInventory({ from, to, short }: Wanted): void {
  cpSync(from, to, { recursive: true });
  if (short) editHosts(join(to, 'hosts.yml'), shorten);
  const variables = join(to, 'group_vars', 'all', 'farm.yml');
  if (short && existsSync(variables)) editHosts(variables, shortenVolumes);
}

/** Writes what differs from the example: keys, passwords, and what this kernel cannot do. */
export function writeLabVariables(inventory: string, folder: string): void {
  const lines = [
    'farm_secret_admin: ' + PASSWORDS.admin,
    'farm_secret_frontend: ' + PASSWORDS.frontend,
    'farm_tls_directory: ' + join(folder, 'tls'),
    '# The hosts have no network beyond the farm: what is installed is in their image.',
    'farm_apt_update: false',
    "# User-mode Linux is built without nf_tables' IPv4 and IPv6.",
    'farm_firewall: false',
    '# The witness speaks POP3 without TLS, and sends more than a stranger may.',
    '# Sessions of the witness are short.',
    'farm_drain_wait: 20',
    'farm_settings:',
    '  pop3.plaintext-auth: always',
    '  mx.rate.exempt: 192.0.2.0/24',
  ];
  writeFileSync(labVariables(inventory), `${lines.join('\n')}\n`);
}

/** Makes a release of the commit that is checked out. @returns the path of the archive */
export async function makeRelease(folder: string, version: string): Promise<string> {
  const argv = [process.execPath, 'scripts/release.ts', '--out', folder, '--version', version];
  const made = await run(argv, { cwd: TREE, ms: 900_000 });
  if (made.code !== 0) throw new Error(`no release could be made:\n${saidBy(made)}`);
  return made.stdout.toString('utf8').trim().split('\n').at(-1) ?? '';
}

/** @returns the name of the commit that a release is made from */
export const commit = async (): Promise<string> =>
  (await runOrThrow(['git', 'rev-parse', '--short', 'HEAD'], { cwd: TREE }))
    .toString('utf8')
    .trim();

export function editHosts(path: string, change: (document: Document) => void): void {
  const document = parseDocument(readFileSync(path, 'utf8'));
  change(document);
  writeFileSync(path, document.toString({ lineWidth: 0 }));
}

function shorten(document: Document): void {
  const known = new Map<string, unknown>();
  visit(document, {
    Pair: (_, { key, value }) => {
      const name = String(key);
      if (NOT_IN_SHORT.includes(name)) return visit.REMOVE;
      if (isMap(value) && value.has('ansible_host')) known.set(name, value);
      return undefined;
    },
  });
  for (const [group, names] of Object.entries(SERVICES_IN_SHORT)) {
    const path = ['frontends', 'children', group, 'hosts'];
    const hosts = document.getIn(path);
    for (const name of names) {
      if (isMap(hosts) && hosts.has(name)) continue;
      if (isMap(hosts)) hosts.set(name, null);
      else document.setIn(path, document.createNode({ [name]: null }));
    }
  }
  if (known.size < 4) throw new Error('too little of the inventory is left');
}

function shortenVolumes(document: Document): void {
  const volumes = document.get('farm_volumes');
  if (!isMap(volumes)) return;
  volumes.items = volumes.items.filter(
    ({ value }) => !(isMap(value) && NOT_IN_SHORT.includes(String(value.get('host')))),
  );
}
