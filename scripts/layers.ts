/**
 * Imports go down, never sideways and never up; packages and system calls with a home stay in it.
 * The tables below are the architecture. A new folder needs a row before the check passes, and a
 * run that sees no import at all fails, because such a checker proves nothing.
 */
import path from 'node:path';

import { parse, type Import, type Source } from './parse.ts';
import { read, walk, type Finding } from './tree.ts';

/** Lowest first. A module imports itself and what lies in rows above its own. */
export const LAYERS: readonly (readonly string[])[] = [
  ['base'],
  ['config', 'log', 'metrics'],
  ['net', 'dns', 'message'],
  ['http', 'smtp', 'directory', 'volumes'],
  ['auth', 'mailbox', 'spool'],
  ['delivery'],
  ['mx', 'submission', 'relay', 'pop3', 'imap', 'managesieve', 'jmap'],
  ['webmail', 'admin'],
  ['roles'],
  ['cli'],
];

/** The storage engine: it imports nothing of ours, and these alone import it. */
const MAILDIR_IMPORTERS = ['volumes', 'mailbox', 'spool'];

/** Packages from npm and who may import them: an import that no row allows is an error. */
export const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  'fs-extra': ['cli', 'roles'], // Never in the mail path.
  'csv-parse': ['cli'],
  'dns-packet': ['dns'],
  dompurify: ['webmail'], // In the browser.
  fastify: ['http', 'jmap', 'webmail'],
  jose: ['auth'],
  ldapjs: ['directory'],
  ldapts: ['directory'],
  mailauth: ['spool'], // Policies of MTA-STS are parsed.
  'mx-connect': ['spool'], // Certificates are held against TLSA.
  pino: ['log'],
  preact: ['webmail'], // In the browser.
  'prom-client': ['metrics'],
  'proper-lockfile': ['pop3'], // Only where a double holder is harmless.
  re2js: ['directory'],
  'smtp-server': ['smtp'],
  yaml: ['config', 'cli'],
  zod: ['config'],
};

/** Modules that open sockets. Types may be imported anywhere. */
const SOCKET_OPENERS = ['net', 'http', 'dns', 'directory', 'spool'];
const SOCKET_MODULES = /^node:(net|tls|http|https|http2|dgram)$/;
const SOCKET_NAMES =
  /^(createServer|createSecureServer|createConnection|connect|createSocket|request|get|Server|\*)$/;

/** Calls that make or move names on storage: each lies on NFS in its own way. */
const NAME_CALLS = /^(rename|link|mkdir|fsync|fdatasync|datasync|symlink|cp|copyFile)(Sync)?$/;
const FILE_MODULES = /^node:fs(\/promises)?$/;

/** The storage engine's one door to the operating system; everything else there is given an Fs. */
const MAILDIR_DOOR = 'maildir/src/node-fs.ts';

/**
 * Files that may use them, and why. Shared storage is reached through `maildir` only; these write
 * to a local disk. A row that nothing needs any more is an error.
 */
export const NAME_CALL_FILES: Readonly<Record<string, string>> = {
  'src/cli/demo/files.ts': 'the folders of the demo, made before there is a volume',
  'src/cli/command/snapshot.ts': 'the LDIF that an administrator exports, beside itself first',
  'src/config/last-good.ts': 'the last good settings, a cache on the local disk of the node',
  'src/directory/embedded/server.ts': 'the folder of the embedded directory, on a local disk',
  'src/directory/embedded/store.ts': 'the data of the embedded directory, on a local disk',
  'src/directory/registration.ts': 'the key of a node, on the local disk of the node',
  'src/directory/snapshot/build.ts': 'a snapshot of the directory, on a local disk',
  'src/relay/known-nodes.ts': 'who was in the farm, a cache on the local disk of the node',
  'src/roles/days.ts': 'what the node counted by day, on the local disk of the node',
  'src/roles/worker.ts': 'the state folder of the node, on a local disk',
  'src/volumes/many-files-thread.ts': 'renames that maildir asks for and judges, many in one go',
};

/** Tests and what only tests use (`testing/`, conformance suites) may look up and sideways. */
export const isTest = (file: string): boolean =>
  file.endsWith('.test.ts') ||
  /^(maildir\/)?test\/|(^|\/)(testing(\.ts$|\/)|conformance\.ts$)/.test(file);

/** `src/pop3/session.ts` is of `pop3`; what is not in src/ is of its top folder. */
export function moduleOf(file: string): string {
  const [top = '', second = ''] = file.split('/');
  return top === 'src' ? second : top;
}

const layerOf = (module: string): number => LAYERS.findIndex((row) => row.includes(module));

/** Everything wrong with the imports of the tree at `root`. */
export function checkLayers(
  root: string,
  exceptions: Readonly<Record<string, string>> = NAME_CALL_FILES,
): Finding[] {
  const files = ['src', 'maildir', 'scripts', 'test'].flatMap((top) => walk(root, top));
  const sources = files.filter((f) => /\.tsx?$/.test(f)).map((f) => parse(f, read(root, f)));
  const known = new Set(files);
  const findings = sources.flatMap((source) => checkSource(source, known));
  const callers = new Set(sources.filter((s) => nameCalls(s).length > 0).map((s) => s.file));
  for (const source of sources) findings.push(...checkNameCalls(source, exceptions));
  for (const file of Object.keys(exceptions).filter((f) => !callers.has(f))) {
    findings.push({ file, line: 1, text: 'is excepted in scripts/layers.ts and need not be' });
  }
  const product = sources.filter((s) => /^(src|maildir)\//.test(s.file));
  if (!product.some((source) => source.imports.length > 0)) {
    findings.push({ file: 'src', line: 1, text: 'no import was seen at all: the check is blind' });
  }
  return [...findings, ...unlistedFolders(files), ...cycles(sources)];
}

function unlistedFolders(files: readonly string[]): Finding[] {
  const modules = new Set(
    files.filter((f) => /^src\/[^/]+\/.*\.tsx?$/.test(f)).map((f) => moduleOf(f)),
  );
  return [...modules]
    .filter((module) => layerOf(module) < 0)
    .map((module) => ({
      file: `src/${module}`,
      line: 1,
      text: 'is in no row of LAYERS in scripts/layers.ts',
    }));
}

function checkSource(source: Source, known: ReadonlySet<string>): Finding[] {
  const inProduct = /^(src|maildir)\//.test(source.file);
  return source.imports.flatMap((one) => {
    const text = inProduct
      ? (checkRelative(source.file, one, known) ?? checkPackage(source.file, one))
      : checkTarget(source.file, one, known);
    return text === undefined ? [] : [{ file: source.file, line: one.line, text }];
  });
}

/** File that a relative import means; undefined for packages and for what is computed. */
export function targetOf(file: string, one: Import): string | undefined {
  if (one.specifier === '#maildir') return 'maildir/src/index.ts';
  if (!one.specifier?.startsWith('.')) return undefined;
  return path.posix.normalize(`${path.posix.dirname(file)}/${one.specifier}`);
}

function checkTarget(file: string, one: Import, known: ReadonlySet<string>): string | undefined {
  const target = targetOf(file, one);
  if (target === undefined || known.has(target) || !/^(src|maildir)\//.test(target))
    return undefined;
  return `imports ${target}, which does not exist`;
}

function checkRelative(file: string, one: Import, known: ReadonlySet<string>): string | undefined {
  const target = targetOf(file, one);
  if (target === undefined) return undefined;
  if (!known.has(target)) return `imports ${target}, which does not exist`;
  const [from, to] = [moduleOf(file), moduleOf(target)];
  if (isTest(file) && (from === to || to === 'test')) return undefined;
  if (to === 'test' || to === 'scripts') return `the product may not import ${target}`;
  if (isTest(target) && !isTest(file)) return `the product may not import ${target}`;
  if (from === 'maildir') {
    return to === 'maildir' ? undefined : `maildir imports nothing outside itself, not ${target}`;
  }
  if (to === 'maildir') return checkMaildir(file, one);
  if (isTest(file) || from === to) return undefined;
  const [a, b] = [layerOf(from), layerOf(to)];
  if (a < 0 || b < 0) return undefined; // Reported once, by folder.
  if (b < a) return undefined;
  return `${from} may not import ${to} (${b === a ? 'sideways' : 'upwards'}): ${target}`;
}

function checkMaildir(file: string, one: Import): string | undefined {
  if (one.specifier !== '#maildir') return `use '#maildir', the front of the storage engine`;
  if (isTest(file) || MAILDIR_IMPORTERS.includes(moduleOf(file))) return undefined;
  return `only ${MAILDIR_IMPORTERS.join(', ')} import the storage engine`;
}

function checkPackage(file: string, one: Import): string | undefined {
  const { specifier } = one;
  const module = moduleOf(file);
  if (specifier === undefined) {
    return isTest(file) ? undefined : 'a computed import() hides what is imported';
  }
  if (specifier.startsWith('.') || specifier === '#maildir') return undefined;
  if (specifier.startsWith('node:')) return checkDoor(file, one) ?? checkSockets(file, one);
  if (isTest(file)) return undefined;
  if (module === 'maildir') return `maildir has no dependency: ${specifier}`;
  const name = /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;
  const allowed = Object.hasOwn(PACKAGES, name) ? PACKAGES[name] : undefined;
  if (!allowed) return `${name} is in no row of PACKAGES in scripts/layers.ts`;
  return allowed.includes(module) ? undefined : `only ${allowed.join(', ')} import ${name}`;
}

function checkDoor(file: string, one: Import): string | undefined {
  if (moduleOf(file) !== 'maildir' || isTest(file) || one.typeOnly) return undefined;
  if (file === MAILDIR_DOOR || !FILE_MODULES.test(one.specifier ?? '')) return undefined;
  return `only ${MAILDIR_DOOR} reaches the file system; take an Fs as a parameter`;
}

function checkSockets(file: string, one: Import): string | undefined {
  if (one.typeOnly || isTest(file) || !SOCKET_MODULES.test(one.specifier ?? '')) return undefined;
  if (moduleOf(file) !== 'maildir' && SOCKET_OPENERS.includes(moduleOf(file))) return undefined;
  const opened = one.names.filter((name) => SOCKET_NAMES.test(name));
  if (opened.length === 0) return undefined;
  return `sockets are opened in ${SOCKET_OPENERS.join(', ')}, not here: ${opened.join(', ')}`;
}

/** Where a file makes or moves names through node:fs. */
function nameCalls(source: Source): readonly { name: string; line: number }[] {
  const imports = source.imports.filter((i) => FILE_MODULES.test(i.specifier ?? '') && !i.typeOnly);
  const named = imports.flatMap((i) =>
    i.names.filter((name) => NAME_CALLS.test(name)).map((name) => ({ name, line: i.line })),
  );
  if (imports.length === 0) return named;
  const members = source.calls.filter(({ name }) => {
    const parts = name.split('.');
    return parts.length > 1 && (NAME_CALLS.test(parts.at(-1) ?? '') || parts.at(-1) === 'sync');
  });
  return [...named, ...members];
}

function checkNameCalls(source: Source, exceptions: Readonly<Record<string, string>>): Finding[] {
  if (!source.file.startsWith('src/') || isTest(source.file)) return [];
  if (Object.hasOwn(exceptions, source.file)) return [];
  return nameCalls(source).map(({ name, line }) => ({
    file: source.file,
    line,
    text: `use the storage engine (#maildir) for ${name}: its wrappers know how NFS lies`,
  }));
}

/**
 * Files that run each other in a circle, in an order that nobody chose. Types alone may form one: a
 * session holds the command table and a command is given the session.
 */
function cycles(sources: readonly Source[]): Finding[] {
  const edges = new Map(
    sources.map((s) => [
      s.file,
      s.imports.filter((one) => !one.typeOnly).flatMap((one) => targetOf(s.file, one) ?? []),
    ]),
  );
  const done = new Set<string>();
  const found: Finding[] = [];
  const follow = (file: string, trail: readonly string[]): void => {
    const at = trail.indexOf(file);
    if (at >= 0) {
      const circle = [...trail.slice(at), file].join(' → ');
      found.push({ file, line: 1, text: `imports itself in a circle: ${circle}` });
      return;
    }
    if (done.has(file)) return;
    for (const next of edges.get(file) ?? []) follow(next, [...trail, file]);
    done.add(file);
  };
  for (const file of edges.keys()) follow(file, []);
  return found;
}
