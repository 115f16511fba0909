/**
 * The node's own file: its name, where its state lies, how to reach the directory, its TLS files.
 * Everything else is in the directory (S0-17), so that all nodes are alike.
 *
 *     name: front1
 *     data: /var/lib/mailfarm
 *     workers: 4                      # default: one for each core
 *     directory:
 *       urls: [ldaps://ldap1.example.test, ldaps://ldap2.example.test]
 *       base: dc=example,dc=test
 *       bind-dn: cn=front1,ou=nodes,dc=example,dc=test
 *       password-file: /etc/mailfarm/ldap.password
 *       ca: /etc/mailfarm/ca.pem
 *       snapshot: /var/lib/mailfarm/directory.snapshot   # without urls: all the directory there is
 *       users:                        # where users are in a directory of the site's own
 *         urls: [ldaps://ldap.example.test]
 *         base: ou=people,dc=example,dc=test
 *         map: posix                  # or { preset: posix, login: uid, … }
 *     tls:
 *       default: { cert: /etc/mailfarm/tls/default.pem, key: /etc/mailfarm/tls/default.key }
 *       domains:
 *         - { name: '*.example.org', cert: tls/example.org.pem, key: tls/example.org.key }
 *     sending:                          # how other servers see this machine when it sends
 *       helo: front1.example.org        # default: the name, where it has a dot
 *       from: [192.0.2.1, '2001:db8::1']  # default: what the system chooses
 *     log: { level: info, time: iso }
 */
import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { readDirectory, type DirectoryFile } from './directory-file.ts';
import { ITEM, YamlMap, type FileContext, type FileProblem, type Yaml } from './yaml-map.ts';

export type { FileProblem } from './yaml-map.ts';

export interface KeyPairFiles {
  /** PEM: the certificate, then its chain. */
  readonly cert: string;
  readonly key: string;
}

export interface NodeFile {
  readonly name: string;
  /** Absolute path of the directory for state that may be lost (last good settings). */
  readonly data: string;
  readonly workers: number;
  readonly directory: DirectoryFile;
  readonly tls: {
    readonly default: KeyPairFiles | undefined;
    /** By server name: `mail.example.org`, or `*.example.org` for one label in front. */
    readonly domains: readonly (KeyPairFiles & { readonly name: string })[];
  };
  readonly sending: SendingFile;
  readonly log: { readonly level: LogLevelName; readonly time: 'iso' | 'epoch' };
}

/** Name and addresses of this machine towards hosts that it sends to (S4-04, S4-11). */
export interface SendingFile {
  /** Argument of EHLO; the PTR record of the addresses should have the same name. */
  readonly helo: string | undefined;
  /** Own addresses that connections go out from, at most one of each family. */
  readonly v4: string | undefined;
  readonly v6: string | undefined;
}

const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
type LogLevelName = (typeof LOG_LEVELS)[number];

export type NodeFileResult =
  | { readonly ok: true; readonly value: NodeFile }
  | { readonly ok: false; readonly problems: readonly FileProblem[] };

const FILE_BYTES_MAX = 256 * 1024;
const WORKERS_MAX = 256;
const HOST_LABELS =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
const FULL_NAME = /^(?=.{1,253}$)[a-z0-9-]+(?:\.[a-z0-9-]+)+$/;
const SERVER_NAME = /^(?:\*\.)?(?=.{1,253}$)[a-z0-9-]+(?:\.[a-z0-9-]+)*$/i;

/**
 * Reads and checks the whole file: unknown names, wrong values and missing files are all reported,
 * each with its line. Never throws for what stands in the file or for a file that is not there.
 */
export async function readNodeFile(path: string): Promise<NodeFileResult> {
  let text: string;
  try {
    const stats = statSync(path);
    const { size } = stats;
    // A device has no end; a pipe is what a shell makes of <(…).
    if (!stats.isFile() && !stats.isFIFO()) return failed(1, 'This is not a file');
    if (size > FILE_BYTES_MAX) return failed(1, `The file has more than ${FILE_BYTES_MAX} octets`);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return failed(1, `The file cannot be read: ${(error as Error).message}`);
  }
  return parseNodeFile(text, resolve(path), await import('yaml'));
}

const failed = (line: number, message: string): NodeFileResult => ({
  ok: false,
  problems: [{ line, message }],
});

function parseNodeFile(text: string, path: string, yaml: Yaml): NodeFileResult {
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const problems: FileProblem[] = document.errors.map((error) => ({
    line: lines.linePos(error.pos[0]).line,
    message: error.message,
  }));
  // After a broken bracket the rest of the tree is guesswork; a double key disturbs nothing else.
  if (document.errors.some((error) => error.code !== 'DUPLICATE_KEY')) {
    return { ok: false, problems };
  }
  const context: FileContext = { path, yaml, lines, problems };
  const value = readRoot(new YamlMap(context, '', document.contents, 1));
  if (value && problems.length === 0) return { ok: true, value };
  return { ok: false, problems: problems.toSorted((a, b) => a.line - b.line) };
}

function readRoot(root: YamlMap): NodeFile | undefined {
  if (!root.present) return undefined;
  const name = root.text('name', 'required', 'a host name in lower case', HOST_LABELS);
  const data = root.path('data', 'required', 'directory');
  const workers = root.value('workers', 'optional', `a whole number, 1 to ${WORKERS_MAX}`, (v) =>
    typeof v === 'number' && Number.isInteger(v) && v >= 1 && v <= WORKERS_MAX ? v : undefined,
  );
  const directory = readDirectory(root.map('directory', 'required'));
  const tls = readTls(root.map('tls'));
  const sending = readSending(root.map('sending'));
  const log = readLog(root.map('log'));
  root.finish();
  if (name === undefined || data === undefined || !directory || !tls) return undefined;
  const count = workers ?? availableParallelism();
  return { name, data, workers: count, directory, tls, sending, log };
}

function readTls(map: YamlMap): NodeFile['tls'] | undefined {
  const preset = map.has('default') ? readKeyPair(map.map('default')) : undefined;
  const domains = map.list('domains', 'optional', 'mappings').map((item) => {
    const expected = 'a server name such as mail.example.org or *.example.org';
    const name = item.text('name', 'required', expected, SERVER_NAME)?.toLowerCase();
    const pair = readKeyPair(item);
    return { line: item.line('name'), name, pair };
  });
  if (domains.length > 0 && !map.has('default')) {
    map.complain(map.line('domains'), 'tls.domains needs tls.default for all other names');
  }
  const seen = new Set<string>();
  for (const { name, line } of domains) {
    if (name !== undefined && seen.has(name)) {
      map.complain(line, `tls.domains: ${name} stands there twice`);
    }
    if (name !== undefined) seen.add(name);
  }
  map.finish();
  return {
    default: preset,
    domains: domains.flatMap(({ name, pair }) => (name && pair ? [{ name, ...pair }] : [])),
  };
}

function readKeyPair(map: YamlMap): KeyPairFiles | undefined {
  const cert = map.path('cert', 'required', 'file');
  const key = map.path('key', 'required', 'file');
  map.finish();
  return cert !== undefined && key !== undefined ? { cert, key } : undefined;
}

function readSending(map: YamlMap): SendingFile {
  const expected = 'a host name with a dot, in lower case';
  const helo = map.text('helo', 'optional', expected, FULL_NAME);
  const found: { v4?: string; v6?: string } = {};
  for (const item of map.list('from', 'optional', 'texts')) {
    const address = item.text(ITEM, 'required', 'an address of this machine', /^[0-9a-fA-F:.]+$/);
    if (address === undefined) continue;
    const family = isIP(address) === 4 ? 'v4' : 'v6';
    if (isIP(address) === 0) item.complain(item.line(ITEM), `sending.from: ${address} is none`);
    else if (found[family]) item.complain(item.line(ITEM), 'sending.from: two of one family');
    else found[family] = address;
  }
  map.finish();
  return { helo, v4: found.v4, v6: found.v6 };
}

function readLog(map: YamlMap): NodeFile['log'] {
  const level = map.value('level', 'optional', `one of ${LOG_LEVELS.join(', ')}`, (v) =>
    LOG_LEVELS.find((name) => name === v),
  );
  const time = map.value('time', 'optional', 'one of iso, epoch', (v) =>
    v === 'iso' || v === 'epoch' ? v : undefined,
  );
  map.finish();
  return { level: level ?? 'info', time: time ?? 'iso' };
}
