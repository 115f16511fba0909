/**
 * The difference between what is wanted and what is there, row by row: what would be written, in
 * words, and how. Nothing is written here but by `make`.
 */
import { systemRandom } from '../../base/random.ts';
import { AdminError, type Admin } from '../../directory/admin/admin.ts';
import { FARM_COOKIE } from '../../directory/farm-cookie.ts';
import { freeNumber } from '../../directory/registration.ts';
import { sentinelAt } from '../command/volume.ts';
import type { There } from './farm.ts';
import type { Wanted, WantedNode, WantedVolume } from './wanted.ts';

type Kind = 'setting' | 'node' | 'volume' | 'domain';

/** One entry or setting that is not as it is wanted. */
export interface Change {
  readonly did: 'add' | 'set' | 'remove';
  /** What is changed, for people: `weight 1 → 2`. */
  readonly text: string;
  /**
   * @returns false where there was nothing to do any more
   * @throws AdminError, SentinelError, a system error
   */
  readonly make: (admin: Admin) => Promise<unknown>;
}

/** One thing that is wanted. */
export interface Row {
  readonly kind: Kind;
  readonly name: string;
  /** @returns undefined where it is so already. @throws AdminError invalid: it cannot become so */
  readonly compare: (there: There) => Change | undefined;
}

/** In the order in which they are made: nodes find their settings, users their volumes. */
export function rowsOf(wanted: Wanted): readonly Row[] {
  const { settings, nodes, volumes, domains, absent } = wanted;
  return [
    ...[...settings].map(([name, value]) => setting(name, value)),
    ...(wanted.cookie ? [cookie] : []),
    ...[...nodes].flatMap(([name, one]) => [node(name, one), sends(name, one)]),
    ...[...volumes].map(([name, one]) => volume(name, one)),
    ...domains.map((name) => domain(name)),
    ...absent.map((one) => away(one)),
  ];
}

const setting = (name: string, value: string): Row => ({
  kind: 'setting',
  name,
  compare: ({ settings }) => {
    const before = settings.get(name);
    if (value === (before ?? '') && (value !== '' || before === undefined)) return undefined;
    const now = value === '' ? 'its default' : value;
    return {
      did: value === '' ? 'remove' : before === undefined ? 'add' : 'set',
      text: before === undefined ? now : `${before} → ${now}`,
      make: (admin) => admin.settings.set(name, value === '' ? undefined : value),
    };
  },
});

/** Its value is not shown: nodes know their own farm by it. */
const cookie: Row = {
  kind: 'setting',
  name: FARM_COOKIE,
  compare: ({ settings }) =>
    (settings.get(FARM_COOKIE) ?? '') !== ''
      ? undefined
      : { did: 'add', text: '', make: (admin) => admin.settings.ensureCookie(systemRandom) },
};

/** Host names have no case, and listeners no order. */
const node = (name: string, { listen, server }: WantedNode): Row => ({
  kind: 'node',
  name,
  compare: ({ nodes }) => {
    const before = nodes.get(name.toLowerCase());
    const text = difference([
      ['listen', before && sorted(before.listen), listen && sorted(listen)],
      ['server', before?.server.toLowerCase(), server?.toLowerCase()],
    ]);
    // Of a node that enters itself it may only be said that it sends: it is not added then.
    if (text === undefined) return undefined;
    const values = { ...(listen && { listen }), ...(server !== undefined && { server }) };
    if (before) return { did: 'set', text, make: (admin) => admin.nodes.set(name, values) };
    const make = async (admin: Admin): Promise<unknown> => {
      const nid = freeNumber((await admin.nodes.list()).map((known) => known.nid));
      return await admin.nodes.add(name, { nid, server: name, status: 'spm', ...values });
    };
    return { did: 'add', text, make };
  },
});

/** A row of its own: it needs the key that a node gives itself at its first start. */
const sends = (name: string, { sends: wanted }: WantedNode): Row => ({
  kind: 'node',
  name,
  compare: ({ senders }) => {
    if (wanted === undefined || senders.has(name.toLowerCase()) === wanted) return undefined;
    const make = (admin: Admin): Promise<unknown> => admin.nodes.set(name, { sends: wanted });
    return { did: 'set', text: wanted ? 'sends' : 'does not send', make };
  },
});

const volume = (name: string, wanted: WantedVolume): Row => ({
  kind: 'volume',
  name,
  compare: ({ volumes }) => {
    const before = volumes.get(name.toLowerCase());
    const keys = ['path', 'use', 'state', 'weight'] as const;
    const text = difference(keys.map((key) => [key, before?.[key], wanted[key]] as const));
    if (before) {
      if (text === undefined) return undefined;
      return { did: 'set', text, make: (admin) => admin.volumes.set(name, wanted) };
    }
    const { path } = wanted;
    if (path === undefined) {
      throw new AdminError('invalid', `There is no volume ${name}; to add it, give it a path`);
    }
    const make = async (admin: Admin): Promise<unknown> =>
      await admin.volumes.add(name, { ...wanted, identity: await sentinelAt(path, name) });
    return { did: 'add', text: text ?? '', make };
  },
});

const domain = (name: string): Row => ({
  kind: 'domain',
  name,
  compare: ({ domains }) =>
    domains.has(name)
      ? undefined
      : { did: 'add', text: '', make: (admin) => admin.domains.add(name) },
});

const away = ({ kind, name }: Wanted['absent'][number]): Row => ({
  kind,
  name,
  compare: (there) => {
    if (!there[`${kind}s`].has(name.toLowerCase())) return undefined;
    return { did: 'remove', text: '', make: (admin) => admin[`${kind}s`].remove(name) };
  },
});

type Field = readonly [
  name: string,
  before: string | number | undefined,
  wanted: string | number | undefined,
];

/** What is wanted and is not so; undefined where nothing is. */
function difference(fields: readonly Field[]): string | undefined {
  const differing = fields.filter(([, before, now]) => now !== undefined && now !== before);
  if (differing.length === 0) return undefined;
  return differing
    .map(([name, before, now]) =>
      before === undefined ? `${name} ${now}` : `${name} ${before} → ${now}`,
    )
    .join('; ');
}

const sorted = (texts: readonly string[]): string => [...new Set(texts)].toSorted().join(', ');
