/**
 * Reading a YAML mapping strictly: every problem is collected with its line, nothing is thrown.
 * A wrong value reads as undefined, so that the walk goes on and finds the next mistake.
 *
 * Why not zod: it knows no lines, so each issue would have to be mapped back to a node anyway,
 * and importing it costs every start more (some 80 ms) than this file has lines.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { LineCounter, Node } from 'yaml';
import { didYouMean } from './suggest.ts';
import { quote } from './settings.ts';

export interface FileProblem {
  /** 1 is the first line. */
  readonly line: number;
  readonly message: string;
}

/** What the YAML package brings: passed in, because it is loaded only when a file is read. */
export type Yaml = typeof import('yaml');

/** What all maps of one file share. */
export interface FileContext {
  readonly path: string;
  readonly yaml: Yaml;
  readonly lines: LineCounter;
  readonly problems: FileProblem[];
}

/** What a name of ours or a mistyped one looks like. */
const NAME = /^[A-Za-z][A-Za-z0-9._-]{0,39}$/;

/** One mapping of the file. Asking for a key declares it known; `finish` complains of the rest. */
export class YamlMap {
  readonly #context: FileContext;
  readonly #name: string;
  readonly #line: number;
  readonly #entries = new Map<string, { readonly line: number; readonly node: Node | null }>();
  readonly #known = new Set<string>();
  /** Whether there is such a mapping in the file at all, be it empty. */
  readonly present: boolean;

  constructor(context: FileContext, name: string, node: unknown, line: number) {
    this.#context = context;
    this.#name = name;
    this.#line = line;
    this.present = context.yaml.isMap(node);
    if (node === undefined) return;
    if (!context.yaml.isMap(node)) {
      const what = name === '' ? 'The file' : name;
      this.complain(this.#lineOf(node, line), `${what} is not a mapping of names to values`);
      return;
    }
    for (const { key, value } of node.items) {
      const text = context.yaml.isScalar(key) ? String(key.value) : String(key);
      const at = this.#lineOf(key, line);
      if (!this.#entries.has(text)) this.#entries.set(text, { line: at, node: value as Node });
    }
  }

  /** The line of a key, or of the mapping when the key is missing. */
  line(key: string): number {
    return this.#entries.get(key)?.line ?? this.#line;
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** Whether the value of a key is a mapping. */
  isMap(key: string): boolean {
    return this.#context.yaml.isMap(this.#entries.get(key)?.node);
  }

  complain(line: number, message: string): undefined {
    this.#context.problems.push({ line, message });
    return undefined;
  }

  /** A scalar that passes `check`; `expected` finishes "VALUE is not …". */
  value<T>(
    key: string,
    need: 'required' | 'optional',
    expected: string,
    check: (value: unknown) => T | undefined,
  ): T | undefined {
    this.#known.add(key);
    const entry = this.#entries.get(key);
    if (!entry || entry.node === null) {
      return need === 'required' || entry
        ? this.complain(this.line(key), `${this.#path(key)} is missing: ${expected}`)
        : undefined;
    }
    const line = this.#lineOf(entry.node, entry.line);
    if (!this.#context.yaml.isScalar(entry.node)) {
      return this.complain(line, `${this.#path(key)} is not ${expected}`);
    }
    const raw: unknown = entry.node.value;
    const value = check(raw);
    if (value !== undefined) return value;
    return this.complain(line, `${this.#path(key)}: ${quote(raw)} is not ${expected}`);
  }

  text(key: string, need: 'required' | 'optional', expected: string, pattern: RegExp) {
    return this.value(key, need, expected, (value) =>
      typeof value === 'string' && pattern.test(value) ? value : undefined,
    );
  }

  /** A path, absolute or relative to the file's own folder, of something that is there. */
  path(key: string, need: 'required' | 'optional', kind: 'file' | 'directory') {
    const text = this.text(key, need, `the path of a ${kind}`, /^[^\0]+$/);
    if (text === undefined) return undefined;
    const path = resolve(dirname(this.#context.path), text);
    const fault = accessFault(path, kind);
    if (fault === undefined) return path;
    return this.complain(this.line(key), `${this.#path(key)}: ${quote(path)} ${fault}`);
  }

  /** As `path`, for a file that may come later: the folder it lies in is there. */
  place(key: string): string | undefined {
    const text = this.text(key, 'optional', 'the path of a file', /^[^\0]+$/);
    if (text === undefined) return undefined;
    const path = resolve(dirname(this.#context.path), text);
    const fault = folderFault(path);
    if (fault === undefined) return path;
    return this.complain(this.line(key), `${this.#path(key)}: ${quote(path)} ${fault}`);
  }

  /** A mapping inside this one; an empty one where the key is missing. */
  map(key: string, need: 'required' | 'optional' = 'optional'): YamlMap {
    this.#known.add(key);
    const entry = this.#entries.get(key);
    if (!entry && need === 'required') {
      this.complain(this.#line, `${this.#path(key)} is missing`);
    }
    return new YamlMap(this.#context, this.#path(key), entry?.node, entry?.line ?? this.#line);
  }

  /** The items of a list, each as a mapping with the one key `item` or as the mapping it is. */
  list(key: string, need: 'required' | 'optional', of: 'texts' | 'mappings'): YamlMap[] {
    this.#known.add(key);
    const entry = this.#entries.get(key);
    const { yaml } = this.#context;
    if (entry && yaml.isSeq(entry.node) && (entry.node.items.length > 0 || need === 'optional')) {
      return entry.node.items.map((item, i) => {
        const name = `${this.#path(key)}[${i + 1}]`;
        const line = this.#lineOf(item, entry.line);
        if (of === 'mappings') return new YamlMap(this.#context, name, item, line);
        const single = new YamlMap(this.#context, name, undefined, line);
        single.#entries.set(ITEM, { line, node: item as Node });
        return single;
      });
    }
    if (entry || need === 'required') {
      const fault = entry ? 'is not a list with at least one item' : 'is missing';
      this.complain(this.line(key), `${this.#path(key)} ${fault}`);
    }
    return [];
  }

  /** Complains of every key that nobody asked for. */
  finish(): void {
    for (const [key, { line }] of this.#entries) {
      if (this.#known.has(key)) continue;
      // What looks like no name may be a line of a file of secrets, given by mistake.
      const what = NAME.test(key) ? quote(this.#path(key)) : 'what stands here';
      const hint = didYouMean(key, this.#known);
      this.complain(line, `${what} is not a known name${hint}`);
    }
  }

  #path(key: string): string {
    if (key === ITEM) return this.#name;
    return this.#name === '' ? key : `${this.#name}.${key}`;
  }

  #lineOf(node: unknown, fallback: number): number {
    const at = this.#context.yaml.isNode(node) ? node.range?.[0] : undefined;
    return at === undefined ? fallback : this.#context.lines.linePos(at).line;
  }
}

/** Key under which an item of a list of texts is asked for. */
export const ITEM = 'item';

function folderFault(path: string): string | undefined {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there) return there.isFile() ? accessFault(path, 'file') : 'is not a file';
  const folder = statSync(dirname(path), { throwIfNoEntry: false });
  return folder?.isDirectory() ? undefined : 'lies in a folder that does not exist';
}

function accessFault(path: string, kind: 'file' | 'directory'): string | undefined {
  try {
    const stat = statSync(path);
    if (kind === 'directory') {
      if (!stat.isDirectory()) return 'is not a directory';
      accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    } else {
      if (!stat.isFile()) return 'is not a file';
      accessSync(path, constants.R_OK);
    }
    return undefined;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    if (code === 'ENOENT') return 'does not exist';
    return code === 'EACCES' ? 'may not be used by this user' : `cannot be used (${code})`;
  }
}
