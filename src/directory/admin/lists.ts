import type { Entry } from 'ldapts';
import { addressKey, addressSpellings } from '../address.ts';
import { valuesOf } from '../client/entries.ts';
import { POSTING_POLICIES } from '../types.ts';
import type { ListRecord, ListValues, Lists } from './api.ts';
import { Entries, type Farm, type Kind, type Proposed } from './collection.ts';
import { AdminError, isKind } from './error.ts';
import type { Loops } from './loops.ts';
import * as names from './names.ts';
import { checkedFilter } from './query.ts';
import { recorded } from './record.ts';
import * as values from './values.ts';

/** Lists: addresses that stand for many (S0-38, S3-14). */
export class ListEntries extends Entries<ListRecord, ListValues> implements Lists {
  readonly #loops: Loops;

  constructor(farm: Farm, loops: Loops) {
    super(farm, new ListKind(farm, loops));
    this.#loops = loops;
  }

  override async add(address: string, given: ListValues = {}): Promise<ListRecord> {
    return await super.add(address, given);
  }

  /** @throws AdminError not-found, invalid; exists when it is a member already */
  async addMember(list: string, address: string): Promise<ListRecord> {
    const before = await this.get(list);
    const member = names.checkedAddress(address).text;
    const target = { addresses: [before.address] };
    await this.#loops.refuse([member], target, `The list ${before.address} with ${member}`);
    try {
      return await this.changeValue(before, 'add', { attribute: 'mwMember', text: member });
    } catch (error) {
      if (!isKind(error, 'exists')) throw error;
      const text = `${member} is a member of ${before.address} already`;
      throw new AdminError('exists', text, { cause: error });
    }
  }

  /** @throws AdminError not-found, of the list or the member */
  async removeMember(list: string, address: string): Promise<ListRecord> {
    const before = await this.get(list);
    const member = names.checkedAddress(address).text;
    // As the entry has it: somebody may have written a domain in letters of a country.
    const spellings = new Set(addressSpellings(names.checkedAddress(member).key));
    const stored = before.members.find((value) => spellings.has(value.toLowerCase()));
    if (stored === undefined) {
      throw new AdminError('not-found', `${member} is not a member of ${before.address}`);
    }
    return await this.changeValue(before, 'remove', { attribute: 'mwMember', text: stored });
  }
}

class ListKind implements Kind<ListRecord, ListValues> {
  readonly what = 'list';
  readonly objectClass = 'mwList';
  readonly place = 'lists';
  readonly fields = {
    name: ['cn'],
    address: ['cn'],
    member: ['mwMember'],
    members: ['mwMember'],
    filter: ['mwMemberFilter'],
    posting: ['mwPosting'],
    moderator: ['mwModerator'],
    moderators: ['mwModerator'],
    owner: ['mwOwner'],
  };
  readonly #farm: Farm;
  readonly #loops: Loops;

  constructor(farm: Farm, loops: Loops) {
    this.#farm = farm;
    this.#loops = loops;
  }

  newName(given: string): string {
    return names.checkedLogin(given).text;
  }

  spellings(given: string): readonly string[] {
    const key = addressKey(given.trim());
    return key ? addressSpellings(key) : [];
  }

  toRecord(entry: Entry): ListRecord {
    const posting = values.lower(entry, 'mwPosting');
    return {
      ...recorded(entry),
      address: values.lower(entry, 'cn') ?? '',
      members: valuesOf(entry, 'mwMember'),
      filter: valuesOf(entry, 'mwMemberFilter')[0],
      // A word that we do not know opens a list to nobody.
      posting:
        posting === undefined
          ? 'anyone'
          : (POSTING_POLICIES.find((policy) => policy === posting) ?? 'moderated'),
      moderators: valuesOf(entry, 'mwModerator'),
      owner: valuesOf(entry, 'mwOwner')[0],
      description: valuesOf(entry, 'description')[0],
    };
  }

  toValues(list: Partial<ListValues>) {
    const filter = (text: string): string => {
      checkedFilter(text);
      return text;
    };
    return {
      mwMember: values.given(list.members, values.addresses),
      mwMemberFilter: values.given(list.filter, filter),
      mwPosting: values.given(list.posting, values.oneOf('Posting', POSTING_POLICIES)),
      mwModerator: values.given(list.moderators, values.addresses),
      mwOwner: values.given(list.owner, values.address),
      description: values.given(list.description, values.text('A description')),
    };
  }

  async check({ name, values: list, before }: Proposed<ListRecord, ListValues>): Promise<void> {
    const { addresses } = this.#farm;
    if (!before) {
      await addresses.requireLocal(name);
      await addresses.requireFree(name);
    }
    const posting = list.posting === undefined ? before?.posting : list.posting;
    const moderators = list.moderators === undefined ? before?.moderators : list.moderators;
    if (posting === 'moderated' && (moderators ?? []).length === 0) {
      throw new AdminError('invalid', `The list ${name} is moderated and so needs a moderator`);
    }
    const starts = [...(list.members ?? []), ...(list.moderators ?? [])];
    const filter = typeof list.filter === 'string' ? list.filter : undefined;
    if (starts.length === 0 && filter === undefined) return;
    const what = `The list ${name}`;
    await this.#loops.refuse(starts, { addresses: [name] }, what, filter);
  }

  addressesOf({ address }: ListRecord): readonly string[] {
    return [address];
  }
}
