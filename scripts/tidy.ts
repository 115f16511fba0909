/**
 * Style that a person would have to remember is a rule that a script enforces. Each message says
 * what to use instead. A bug class that was fixed twice becomes a row here.
 */
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import { isTest, targetOf } from './layers.ts';
import { parse, type Source } from './parse.ts';
import { read, tracked, walk, type Finding } from './tree.ts';

const COLUMNS_MAX = 100;
// The formatter cannot break a string, and one put together from pieces reads worse.
const COLUMNS_WITH_STRINGS_MAX = 120;
const FUNCTION_LINES_MAX = 70;
const FILE_LINES_MAX = 500;
const README_LINES_MAX = 60;

interface Rule {
  readonly pattern: RegExp;
  readonly instead: string;
  /** Files it applies to. */
  readonly files: RegExp;
  /** The one place where it is right. */
  readonly home?: RegExp;
  /** Look at comments and strings too. */
  readonly everywhere?: boolean;
}

const PRODUCT = /^(src|maildir)\/.*\.tsx?$/;
const CODE = /\.(tsx?|mjs)$/;
const ANY = /^/;

// Spelled in pieces where the rule would otherwise find itself.
const RULES: readonly Rule[] = [
  {
    pattern: /\bDate\.now\b|\bnew Date\(\s*\)/,
    instead: 'an injected Clock',
    files: PRODUCT,
    home: /^(src\/base\/clock|maildir\/src\/(clock|system))\.ts$/,
  },
  {
    pattern: /\bMath\.random\b/,
    instead: 'an injected Random',
    files: PRODUCT,
  },
  {
    pattern: /\bconsole\./,
    instead: 'the session logger, or the output of the command line',
    files: PRODUCT,
    home: /^src\/cli\/output\.ts$/,
  },
  {
    pattern: /\bdns\.(promises\.)?lookup\b|\bdnsPromises\.lookup\b/,
    instead: 'dns.resolve*: lookup waits in the thread pool behind a stuck volume',
    files: PRODUCT,
  },
  {
    pattern: /\bimport\.meta\.url\)\.pathname\b/,
    instead: 'import.meta.dirname or fileURLToPath: a pathname has %20 for a blank',
    files: CODE,
  },
  {
    pattern: /\b(it|test|describe|suite)\.(only|skip|todo)\b/,
    instead: 'a test that runs (a missing peer skips through the harness, and says so)',
    files: CODE,
  },
  {
    pattern: new RegExp(`\\b(TO${'DO'}|FIX${'ME'}|XX${'X'})\\b`),
    instead: 'an issue, or the fix',
    files: ANY,
    everywhere: true,
  },
  {
    pattern: new RegExp(`\\.\\./${'shared'}\\b`),
    instead: 'our own words: readers do not have that folder',
    files: ANY,
    everywhere: true,
  },
  {
    pattern: /"resolved": "(https?|file):/,
    instead: 'a lock file without hosts (omit-lockfile-registry-resolved in .npmrc)',
    files: /(^|\/)package-lock\.json$/,
    everywhere: true,
  },
  {
    pattern: /[ \t]+$/,
    instead: 'no trailing blanks',
    files: /\.(tsx?|mjs|md|ya?ml)$/,
    everywhere: true,
  },
];

/** Names that say nothing about what is inside. */
const EMPTY_NAMES = /(^|\/)(utils?|helpers?|misc|common|stuff)(\/|\.[a-z]+$)/;

const TOP_LEVEL = [
  /^(src|maildir|scripts|ansible|test|\.ci)$/,
  /^(package(-lock)?\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
  /^(\.(gitignore|gitattributes|editorconfig|npmrc)|tsconfig[^/]*\.json)$/,
  /^(\.ox(lint|fmt)rc\.json|vitest[^/]*\.ts)$/,
];

const BUILD_OUTPUT = /(^|\/)(node_modules|dist|coverage|\.cache)\/|\.(tgz|log|tsbuildinfo)$/;

/** Plain JavaScript is for what runs before anything is installed. */
const PLAIN_JAVASCRIPT = /^scripts\/bootstrap\.mjs$/;

/** Text that people write; what is not (mail, generated lists) is not judged by line. */
const TEXT = /\.(tsx?|mjs|md|json|tsv|ya?ml|sh|py|html|css|ldif|schema|conf)$|(^|\/)[^./]+$/;

/** Everything untidy in the tree at `root`. */
export function checkTidy(root: string): Finding[] {
  const files = walk(root);
  const index = tracked(root);
  const sources = files.filter((f) => /\.tsx?$/.test(f)).map((f) => parse(f, read(root, f)));
  const byFile = new Map(sources.map((s) => [s.file, s]));
  return [
    ...files.filter((f) => TEXT.test(f)).flatMap((f) => lines(root, f, byFile.get(f))),
    ...sources.flatMap(functions),
    ...names([...files, ...(index ?? [])]),
    ...files.filter((f) => f.endsWith('.md')).flatMap((f) => markdown(f, read(root, f))),
    ...missingReadmes(files),
    ...lockFile(root, files),
    ...(index ? untracked(sources, index) : []),
    ...unused(sources, files, root),
  ];
}

function lines(root: string, file: string, source: Source | undefined): Finding[] {
  const text = read(root, file);
  const raw = text.split('\n');
  const code = (source?.code ?? text).split('\n');
  const rules = [...RULES, ...machinePaths(root)].filter(
    (rule) =>
      rule.files.test(file) && !rule.home?.test(file) && !(rule.files === PRODUCT && isTest(file)),
  );
  const found = raw.flatMap((line, at) =>
    rules
      .filter((rule) => rule.pattern.test(rule.everywhere ? line : (code[at] ?? '')))
      .map((rule) => ({ file, line: at + 1, text: `use ${rule.instead}` })),
  );
  if (!CODE.test(file)) return found;
  raw.forEach((line, at) => {
    const columns = Array.from(line).length;
    if (columns <= COLUMNS_MAX || /https?:\/\/\S{60}/.test(line)) return;
    const strings = source?.strings.filter((s) => s.line === at + 1).map((s) => s.value) ?? [];
    const quoted = Array.from(strings.join('')).length;
    if (columns <= COLUMNS_WITH_STRINGS_MAX && columns - quoted <= COLUMNS_MAX) return;
    found.push({ file, line: at + 1, text: `${columns} columns, at most ${COLUMNS_MAX}` });
  });
  if (raw.length - 1 > FILE_LINES_MAX) {
    found.push({ file, line: 1, text: `${raw.length - 1} lines, at most ${FILE_LINES_MAX}` });
  }
  return found;
}

/** A path of the machine that something was written on helps nobody else. */
function machinePaths(root: string): Rule[] {
  const home = path.dirname(root);
  const usual = /^\/$|^\/(tmp|home|opt|srv|root|usr|var|mnt|media|builds?)(\/|$)/;
  const places = usual.test(home) ? [root] : [root, home];
  return places.map((place) => ({
    pattern: new RegExp(`${place.replaceAll(/[^\w/]/g, '\\$&')}(/|$)`),
    instead: 'a path relative to the tree',
    files: ANY,
    everywhere: true,
  }));
}

function functions(source: Source): Finding[] {
  return source.functions
    .filter((f) => f.lines > FUNCTION_LINES_MAX && !/^in (describe|suite)\b/.test(f.name))
    .map((f) => ({
      file: source.file,
      line: f.line,
      text: `${f.name} has ${f.lines} lines, at most ${FUNCTION_LINES_MAX}`,
    }));
}

function names(files: readonly string[]): Finding[] {
  const found: Finding[] = [];
  for (const file of new Set(files)) {
    const say = (text: string): unknown => found.push({ file, line: 1, text });
    const [top = ''] = file.split('/');
    if (!TOP_LEVEL.some((place) => place.test(top)))
      say(`'${top}' is not one of the places at the top level`);
    if (EMPTY_NAMES.test(file)) say('name it after what it does');
    if (BUILD_OUTPUT.test(file)) say('build output does not belong in the tree');
    if (/\.(js|mjs|cjs)$/.test(file) && !PLAIN_JAVASCRIPT.test(file)) say('write TypeScript');
    if (CODE.test(file) && /[A-Z_]/.test(path.basename(file))) say('write the name in kebab-case');
  }
  return found;
}

function markdown(file: string, text: string): Finding[] {
  const all = text.replace(/^(```|~~~)[\s\S]*?^\1/gm, '');
  const titles = all.split('\n').filter((line) => line.startsWith('# ')).length;
  const found: Finding[] = [];
  if (titles !== 1 || !text.startsWith('# ')) {
    found.push({ file, line: 1, text: `one '# Title' in the first line, not ${titles}` });
  }
  const count = text.split('\n').length - 1;
  if (/^(src|test)\/[^/]+\/README\.md$/.test(file) && count > README_LINES_MAX) {
    found.push({
      file,
      line: 1,
      text: `${count} lines, a module's README has ${README_LINES_MAX}`,
    });
  }
  return found;
}

function missingReadmes(files: readonly string[]): Finding[] {
  const folders = files
    .filter((f) => /\.tsx?$/.test(f))
    .map((f) => /^(src\/[^/]+|maildir|scripts|test)\//.exec(f)?.[1])
    .filter((folder) => folder !== undefined);
  return [...new Set(folders)]
    .filter((folder) => !files.includes(`${folder}/README.md`))
    .map((folder) => ({ file: folder, line: 1, text: 'has no README.md' }));
}

/** What npm copies from a package.json into the lock file. */
const LOCKED = [
  'name',
  'version',
  'bin',
  'engines',
  'dependencies',
  'devDependencies',
  'optionalDependencies',
  'peerDependencies',
];

/** A lock file that lags behind changes under the first person who installs by it. */
function lockFile(root: string, files: readonly string[]): Finding[] {
  const file = 'package-lock.json';
  if (!files.includes(file)) return [];
  type Package = Readonly<Record<string, unknown>>;
  const { packages = {} } = JSON.parse(read(root, file)) as { packages?: Record<string, Package> };
  return ['', 'maildir']
    .filter((where) => files.includes(path.posix.join(where, 'package.json')) && packages[where])
    .filter((where) => {
      const own = JSON.parse(read(root, path.posix.join(where, 'package.json'))) as Package;
      return LOCKED.some((key) => !isDeepStrictEqual(own[key], packages[where]?.[key]));
    })
    .map((where) => ({
      file,
      line: 1,
      text: `lags behind ${path.posix.join(where, 'package.json')}: run npm install`,
    }));
}

/** What is committed must not need what is not. */
function untracked(sources: readonly Source[], index: ReadonlySet<string>): Finding[] {
  return sources
    .filter((source) => index.has(source.file))
    .flatMap((source) =>
      source.imports.flatMap((one) => {
        const target = targetOf(source.file, one);
        if (target === undefined || index.has(target)) return [];
        return [{ file: source.file, line: one.line, text: `imports ${target}: not in git` }];
      }),
    );
}

/** Found by name or by a person: tests, types of packages, what scripts collect and npm starts. */
function isEntry(file: string, started: string): boolean {
  if (!/^(src|maildir|scripts|test)\//.test(file)) return true;
  // The page of the browser starts it: index.html beside it.
  if (file === 'src/webmail/client/main.tsx') return true;
  if (/\.(test|lab|machines|farm|d)\.ts$|^src\/([^/]+\/)?(options|errors)\.ts$/.test(file))
    return true;
  return started.includes(file) || file === 'maildir/src/index.ts';
}

function unused(sources: readonly Source[], files: readonly string[], root: string): Finding[] {
  const imported = new Set(
    sources.flatMap((s) => s.imports.flatMap((one) => targetOf(s.file, one) ?? [])),
  );
  // Started as a process of its own: its name stands in a string, `fork(…, 'worker.ts')`.
  const mentioned = new Set(
    sources.flatMap((s) => s.strings.map((x) => path.posix.basename(x.value))),
  );
  const starters = files.filter((f) => /(^|\/)package\.json$|^scripts\/bootstrap\.mjs$/.test(f));
  const started = starters.map((f) => read(root, f)).join('\n');
  return sources
    .filter(({ file }) => !imported.has(file) && !isEntry(file, started))
    .filter(({ file }) => !mentioned.has(path.posix.basename(file)))
    .map(({ file }) => ({ file, line: 1, text: 'nothing imports or starts it' }));
}
