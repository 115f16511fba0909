/**
 * What a release has in it: which of the tree's files, which packages, whose licences; and the
 * proof that nothing which is left out is wanted at run time.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';

import { parse } from './parse.ts';
import { read } from './tree.ts';

/** Folders and files of the tree that a release carries, where they exist. */
export const CARRIED = [
  'CHANGELOG.md',
  'LICENSE',
  'README.md',
  'ansible',
  'maildir/LICENSE',
  'maildir/README.md',
  'maildir/package.json',
  'maildir/src',
  'src',
] as const;

/** Tests, what only tests use, and the sources of what is carried as built. */
const LEFT_OUT = new RegExp(
  [
    String.raw`\.test\.tsx?$`,
    String.raw`(?:^|/)(?:testing(?:/|\.ts$)|conformance\.ts$|\.git)`,
    String.raw`^src/(?:webmail/client/|rfc\.tsv$)`,
  ].join('|'),
);

/** Of a package: its tests, types and maps; nothing reads them at run time. */
const IDLE =
  /\.(?:d\.[cm]?ts|map|tsbuildinfo)$|(?:^|\/)\.github$|^(?:tests?|benchmarks?|examples)$/;

/** Packages whose code is built into the webmail, so that their licences go with it. */
const BUILT_IN = ['preact', 'dompurify'];

export const isCarried = (file: string): boolean => !LEFT_OUT.test(file);

interface Locked {
  readonly version?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly link?: boolean;
}

export interface Package {
  /** Its folder, relative to the tree: `node_modules/fastify`. */
  readonly folder: string;
  readonly name: string;
  readonly version: string;
  readonly license: string;
}

const nameOf = (folder: string): string => folder.replace(/^.*node_modules\//, '');

function locked(root: string): readonly (Package & Locked)[] {
  const { packages } = JSON.parse(read(root, 'package-lock.json')) as {
    packages: Record<string, Locked>;
  };
  return Object.entries(packages)
    .filter(([folder, { link }]) => folder.startsWith('node_modules/') && link !== true)
    .map(([folder, row]) => ({
      ...row,
      folder,
      name: nameOf(folder),
      version: row.version ?? '',
      license: row.license ?? 'unknown',
    }));
}

/** Packages that run in production on this kind of machine, as package-lock.json pins them. */
export function productionPackages(root: string, arch: string): readonly Package[] {
  return locked(root).filter(
    ({ name, dev, devOptional }) =>
      dev !== true &&
      devOptional !== true &&
      (!name.startsWith('node-linux-') || name === `node-linux-${arch}`),
  );
}

/** Files of a package that a release carries, relative to its folder; its own packages apart. */
export function packageFiles(root: string, { folder, name }: Package): readonly string[] {
  if (name.startsWith('node-linux-')) return ['LICENSE', 'bin/node', 'package.json'];
  const found: string[] = [];
  const descend = (below: string): void => {
    for (const entry of readdirSync(path.join(root, folder, below), { withFileTypes: true })) {
      const relative = path.posix.join(below, entry.name);
      if (entry.name === 'node_modules' || IDLE.test(relative)) continue;
      if (entry.isDirectory()) descend(relative);
      else if (entry.isFile()) found.push(relative);
    }
  };
  descend('');
  return found.toSorted();
}

/** One text with every licence: of the packages that are carried, and of what the webmail holds. */
export function licences(root: string, packages: readonly Package[]): string {
  const builtIn = locked(root).filter(({ name, folder }) => {
    return BUILT_IN.includes(name) && folder === `node_modules/${name}`;
  });
  const all = [...packages, ...builtIn].toSorted((a, b) => (a.folder < b.folder ? -1 : 1));
  const parts = all.map(({ folder, name, version, license }) => {
    const own = readdirSync(path.join(root, folder))
      .filter((file) => /^(?:licen[cs]e|copying|notice)/i.test(file))
      .toSorted();
    const text = own.map((file) => readFileSync(path.join(root, folder, file), 'utf8').trim());
    const told = name.startsWith('node-linux-') ? [`See ${folder}/LICENSE.`] : text;
    const said = told.length > 0 ? told : [`Its package states: ${license}`];
    return `## ${name} ${version} (${license})\n\n${said.join('\n\n')}\n`;
  });
  return `# Licences of what this release carries\n\n${parts.join('\n')}`;
}

/**
 * What the carried code imports and the release has not: a file left out, a development package.
 */
export function missingImports(
  top: string,
  files: readonly string[],
  packages: readonly Package[],
): readonly string[] {
  const names = new Set(packages.map(({ name }) => name));
  const missing: string[] = [];
  for (const file of files.filter((name) => name.endsWith('.ts'))) {
    for (const { specifier, typeOnly } of parse(file, read(top, file)).imports) {
      if (specifier === undefined || typeOnly || isBuiltin(specifier)) continue;
      if (specifier.startsWith('#')) continue; // package.json says where; carried as it is.
      const own = specifier.startsWith('.');
      const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;
      const target = path.join(top, path.dirname(file), specifier);
      if (own ? !existsSync(target) : !names.has(name)) missing.push(`${file}: ${specifier}`);
    }
  }
  return missing;
}
