/**
 * What `mailfarm apply` reads: settings, nodes, volumes and domains as they shall be, in YAML or
 * JSON. It is checked whole before anything is changed, so that a typing mistake in the last line
 * does not leave half a farm behind. What the text does not name stays as it is.
 */
import { parseDocument } from 'yaml';
import { quote, parseSettings } from '../../config/settings.ts';
import { AdminError } from '../../directory/admin/admin.ts';
import * as names from '../../directory/admin/names.ts';
import { VOLUME_STATES, VOLUME_USES } from '../../directory/types.ts';
import { checkListeners } from '../../roles/plan.ts';
import { TABLES } from '../../roles/tables.ts';

export interface WantedNode {
  readonly listen?: readonly string[];
  readonly server?: string;
  readonly sends?: boolean;
}
export interface WantedVolume {
  readonly path?: string;
  readonly use?: string;
  readonly state?: string;
  readonly weight?: number;
}
/** Kinds of which entries can be wanted away. */
export const REMOVABLE = ['node', 'volume', 'domain'] as const;
export type Removable = (typeof REMOVABLE)[number];

export interface Wanted {
  /** An empty text is the default. */
  readonly settings: ReadonlyMap<string, string>;
  /** Whether the farm shall have a cookie; one that is there stays. */
  readonly cookie: boolean;
  readonly nodes: ReadonlyMap<string, WantedNode>;
  readonly volumes: ReadonlyMap<string, WantedVolume>;
  readonly domains: readonly string[];
  readonly absent: readonly { readonly kind: Removable; readonly name: string }[];
}

const BYTES_MAX = 4 * 1024 * 1024;
const SECTIONS = ['settings', 'cookie', 'nodes', 'volumes', 'domains', 'absent'];

/** @throws AdminError invalid, with everything that is wrong, a line for each */
export function readWanted(text: string): Wanted {
  if (Buffer.byteLength(text) > BYTES_MAX) {
    throw new AdminError('invalid', `What is wanted has more than ${BYTES_MAX} octets`);
  }
  const document = parseDocument(text);
  const [broken] = document.errors;
  if (broken) throw new AdminError('invalid', `It is no YAML: ${broken.message.split('\n')[0]}`);
  const reader = new Reader();
  const wanted = reader.read(document.toJS());
  if (reader.problems.length === 0) return wanted;
  throw new AdminError('invalid', reader.problems.join('\n'));
}

type Fields = Readonly<Record<string, unknown>>;

class Reader {
  readonly problems: string[] = [];

  read(given: unknown): Wanted {
    const all = this.#fields('what is wanted', given, SECTIONS);
    const cookie = all['cookie'] ?? false;
    if (typeof cookie !== 'boolean') {
      this.problems.push(`cookie: ${quote(cookie)} is neither true nor false`);
    }
    const wanted = {
      settings: this.#settings(all['settings']),
      cookie: cookie === true,
      nodes: this.#each('nodes', all['nodes'], (name, one) => this.#node(name, one)),
      volumes: this.#each('volumes', all['volumes'], (name, one) => this.#volume(name, one)),
      domains: this.#list('domains', all['domains']).flatMap(
        (name) => this.#try('domains', () => names.checkedDomain(name)) ?? [],
      ),
      absent: this.#absent(all['absent']),
    };
    const named = {
      node: [...wanted.nodes.keys()],
      volume: [...wanted.volumes.keys()],
      domain: wanted.domains,
    };
    for (const { kind, name } of wanted.absent) {
      if (!named[kind].includes(name)) continue;
      this.problems.push(`absent: the ${kind} ${quote(name)} is wanted and not wanted`);
    }
    return wanted;
  }

  #settings(given: unknown): ReadonlyMap<string, string> {
    const texts = Object.entries(this.#fields('settings', given)).map(
      ([name, value]) => [name, this.#setting(name, value)] as const,
    );
    // The default needs no check: so a setting that only another release knows is taken away.
    const { problems } = parseSettings(
      TABLES,
      texts.filter(([, text]) => text !== ''),
    );
    this.problems.push(...problems.map(({ message }) => `settings: ${message}`));
    return new Map(texts);
  }

  /** As the directory has it: YAML has true and lists, options have words. */
  #setting(name: string, value: unknown): string {
    if (value === null || value === undefined) return '';
    if (typeof value === 'boolean') return value ? 'on' : 'off';
    const texts = Array.isArray(value) ? (value as readonly unknown[]) : [value];
    return texts.map((one) => this.#text(`settings: ${name}`, one)).join(', ');
  }

  #node(name: string, given: Fields): WantedNode {
    const at = `nodes: ${name}`;
    const { listen, server, sends } = this.#only(at, given, ['listen', 'server', 'sends']);
    this.#try('nodes', () => names.checkedName(name, 'node'));
    const texts = listen === undefined ? undefined : this.#list(`${at}: listen`, listen);
    if (texts) {
      const { problems, unknown } = checkListeners(name, texts);
      const wrong = [...problems, ...unknown.map(({ message }) => message)];
      this.problems.push(...wrong.map((problem) => `${at}: ${problem}`));
    }
    const host = server === undefined ? undefined : this.#text(at, server);
    if (host !== undefined) this.#try(at, () => names.checkedDomainName(host));
    if (sends !== undefined && typeof sends !== 'boolean') {
      this.problems.push(`${at}: sends: ${quote(sends)} is neither true nor false`);
    }
    return {
      ...(texts && { listen: texts }),
      ...(host !== undefined && { server: host }),
      ...(typeof sends === 'boolean' && { sends }),
    };
  }

  #volume(name: string, given: Fields): WantedVolume {
    const at = `volumes: ${name}`;
    const { path, weight, ...words } = this.#only(at, given, ['path', 'use', 'state', 'weight']);
    this.#try('volumes', () => names.checkedName(name, 'volume'));
    const known = { use: VOLUME_USES, state: VOLUME_STATES } as const;
    const chosen: { use?: string; state?: string } = {};
    for (const field of ['use', 'state'] as const) {
      const value = words[field];
      if (value === undefined) continue;
      const choices: readonly unknown[] = known[field];
      if (choices.includes(value)) chosen[field] = value as string;
      else
        this.problems.push(`${at}: ${field}: ${quote(value)} is not one of ${choices.join(', ')}`);
    }
    const where =
      path === undefined ? undefined : this.#try(at, () => names.checkedPath(this.#text(at, path)));
    const count =
      weight === undefined
        ? undefined
        : this.#try(at, () => names.checkedCount(Number(weight), 'A weight'));
    return {
      ...(where !== undefined && { path: where }),
      ...chosen,
      ...(count !== undefined && { weight: count }),
    };
  }

  #absent(given: unknown): Wanted['absent'] {
    const kinds = this.#fields('absent', given, REMOVABLE);
    return REMOVABLE.flatMap((kind) => {
      const value = kinds[kind];
      if (value === undefined) return [];
      const all = Array.isArray(value)
        ? this.#list(`absent: ${kind}`, value)
        : [this.#text(`absent: ${kind}`, value)];
      return all.map((name) => ({ kind, name }));
    });
  }

  #each<T>(
    section: string,
    given: unknown,
    read: (name: string, one: Fields) => T,
  ): ReadonlyMap<string, T> {
    const entries = Object.entries(this.#fields(section, given));
    return new Map(
      entries.map(([name, one]) => [name, read(name, this.#fields(`${section}: ${name}`, one))]),
    );
  }

  /** @param known the names it may have; any, where they are not given */
  #fields(what: string, given: unknown, known?: readonly string[]): Fields {
    if (given === undefined || given === null) return {};
    if (typeof given !== 'object' || Array.isArray(given)) {
      this.problems.push(`${what}: ${quote(given)} is not names with values`);
      return {};
    }
    return known ? this.#only(what, given as Fields, known) : (given as Fields);
  }

  /** What is `null` is not given. */
  #only(what: string, given: Fields, known: readonly string[]): Fields {
    const present = Object.entries(given).filter(([, value]) => value !== null);
    for (const [name] of present) {
      if (known.includes(name)) continue;
      this.problems.push(`${what}: ${quote(name)} is not one of ${known.join(', ')}`);
    }
    return Object.fromEntries(present);
  }

  /** YAML takes what looks like a number for one. */
  #text(what: string, given: unknown): string {
    if (typeof given === 'string') return given;
    if (typeof given === 'number') return String(given);
    this.problems.push(`${what}: ${quote(given)} is not a text`);
    return '';
  }

  #list(what: string, given: unknown): readonly string[] {
    if (given === undefined || given === null) return [];
    if (Array.isArray(given) && given.every((one) => typeof one === 'string')) return given;
    this.problems.push(`${what}: ${quote(given)} is not a list of texts`);
    return [];
  }

  #try<T>(what: string, check: () => T): T | undefined {
    try {
      return check();
    } catch (error) {
      if (!(error instanceof AdminError)) throw error;
      this.problems.push(`${what}: ${error.message}`);
      return undefined;
    }
  }
}
