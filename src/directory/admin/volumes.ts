import { OrFilter, EqualityFilter, SubstringFilter, type Entry } from 'ldapts';
import { toVolume } from '../client/entries.ts';
import { VOLUME_STATES, VOLUME_USES } from '../types.ts';
import type { VolumeRecord } from './api.ts';
import { Entries, type Farm, type Kind, type Proposed } from './collection.ts';
import { AdminError } from './error.ts';
import * as names from './names.ts';
import { recorded } from './record.ts';
import * as values from './values.ts';

/** What may be given for a volume; what is undefined stays. `add` needs path and identity. */
export interface VolumeValues {
  readonly path?: string | undefined;
  readonly identity?: string | undefined;
  readonly weight?: number | undefined;
  readonly state?: string | undefined;
  /** `mail` or `spool`. */
  readonly use?: string | undefined;
}

/** Volumes that hold mailboxes. */
export class Volumes extends Entries<VolumeRecord, VolumeValues> {
  constructor(farm: Farm) {
    super(farm, new VolumeKind(farm));
  }

  /** @throws AdminError not-found */
  async show(name: string): Promise<VolumeRecord> {
    return await this.get(name);
  }

  async list(): Promise<readonly VolumeRecord[]> {
    return (await this.find()).items;
  }
}

/** @throws AdminError invalid for a spool volume: nobody's mailbox is put there */
export function requireMailboxes(entry: Entry | undefined): void {
  if (entry === undefined || toVolume(entry).use !== 'spool') return;
  const name = names.printable(toVolume(entry).name);
  throw new AdminError('invalid', `Volume ${name} is a spool volume and holds no mailboxes`);
}

class VolumeKind implements Kind<VolumeRecord, VolumeValues> {
  readonly what = 'volume';
  readonly objectClass = 'mwVolume';
  readonly place = 'volumes';
  readonly fields = {
    name: ['cn'],
    path: ['mwMountPath'],
    identity: ['mwIdentity'],
    weight: ['mwWeight'],
    state: ['mwState'],
    use: ['mwUse'],
  };
  readonly #farm: Farm;

  constructor(farm: Farm) {
    this.#farm = farm;
  }

  newName(given: string): string {
    return names.checkedName(given, 'volume');
  }

  spellings(given: string): readonly string[] {
    return [names.checkedName(given, 'volume')];
  }

  toRecord(entry: Entry): VolumeRecord {
    return { ...recorded(entry), ...toVolume(entry) };
  }

  toValues({ path, identity, weight, state, use }: Partial<VolumeValues>) {
    return {
      mwMountPath: values.given(path, names.checkedPath),
      mwIdentity: values.given(identity, values.text('An identity')),
      mwWeight: values.given(weight, (value) => names.checkedCount(value, 'A weight')),
      mwState: values.given(state, values.oneOf('The state of a volume', VOLUME_STATES)),
      mwUse: values.given(use, values.oneOf('The use of a volume', VOLUME_USES)),
    };
  }

  /** Two volumes with one mount point would be one disk counted twice, and no path unequivocal. */
  async check({
    name,
    values: volume,
    before,
  }: Proposed<VolumeRecord, VolumeValues>): Promise<void> {
    const { path, identity } = volume;
    if (!before && (path === undefined || identity === undefined)) {
      throw new AdminError('invalid', `The volume ${name} needs a path and an identity`);
    }
    if (before && volume.use === 'spool' && before.use !== 'spool') {
      const user = await this.usedBy(before);
      if (user !== undefined) {
        throw new AdminError('invalid', `${name} is no spool volume while it holds ${user}`);
      }
    }
    if (path === undefined) return;
    const wanted = names.checkedPath(path);
    const { session } = this.#farm;
    const all = await session.search({ base: session.names.volumes, objectClass: 'mwVolume' });
    const holder = all.find(
      (entry) => entry.dn !== before?.dn && values.exact(entry, 'mwMountPath') === wanted,
    );
    if (!holder) return;
    throw new AdminError('exists', `${wanted} is volume ${values.exact(holder, 'cn')} already`);
  }

  /** As its entry has it: a volume is found in any case, users name it in this one. */
  async usedBy({ name, path }: VolumeRecord): Promise<string | undefined> {
    const { session } = this.#farm;
    const { users, removed, rules } = session.names;
    const filters = [
      new EqualityFilter({ attribute: 'mwVolume', value: name }),
      new SubstringFilter({ attribute: 'mwPath', initial: `${path}/` }),
      new EqualityFilter({ attribute: 'mwPath', value: path }),
    ];
    const mailbox = new OrFilter({ filters });
    for (const base of [users, removed]) {
      const where = { base, objectClass: 'mwUser', filter: mailbox, limit: 1, attributes: ['cn'] };
      const [user] = await session.search(where);
      if (user) return `the mailbox of ${user.dn}`;
    }
    const all = await session.search({ base: rules, objectClass: 'mwRule' });
    const rule = all.find((entry) => values.exact(entry, 'mwTarget') === `volume:${name}`);
    return rule && `the rule ${values.exact(rule, 'cn')}`;
  }
}
