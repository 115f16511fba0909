import { addressKey, keyText, type AddressKey } from './address.ts';
import type { Lookups, Selection } from './lookups.ts';
import { meaningOf, type Meaning } from './resolve-meaning.ts';
import { DirectoryUnavailable } from './types.ts';
import type { Account, ListEntry } from './types.ts';

/** Look-ups on their way at once. */
export const ASKED_AT_ONCE = 32;
/** How often an address may be named, on average: lists may share members. */
export const LINKS_FOR_EACH_VISIT = 8;

/** Whom a letter of this sender goes to. */
export type Passage = 'all' | 'moderators' | 'none';

/**
 * The envelope sender, as lists see one. For members it is what the client says; who wants more
 * asks for a moderator, who is one only where somebody vouches for the sender (a login). A user
 * counts at each address that is his: aliases, site address, with a detail.
 */
export class SenderView {
  readonly #ask: Lookups;
  readonly #key: AddressKey | undefined;
  readonly #unproven: boolean;
  readonly #selectMax: number;
  readonly #visitsMax: number;
  #account: Promise<Account | undefined> | undefined;

  constructor(
    ask: Lookups,
    given: {
      readonly address: string | undefined;
      readonly unproven: boolean;
      /** Users that a filter may select, addresses that may be looked at. */
      readonly selectMax: number;
      readonly visitsMax: number;
    },
  ) {
    this.#ask = ask;
    this.#unproven = given.unproven;
    this.#selectMax = given.selectMax;
    this.#visitsMax = given.visitsMax;
    this.#key = given.address === undefined ? undefined : addressKey(given.address);
  }

  /** The user of ours who writes, if it is one. */
  async account(): Promise<Account | undefined> {
    this.#account ??= this.#user(this.#key);
    return await this.#account;
  }

  /** @throws DirectoryUnavailable */
  async mayWrite(list: ListEntry): Promise<Passage> {
    switch (list.posting) {
      case 'anyone':
        return 'all';
      case 'members':
        return (await this.#isMember(list)) ? 'all' : 'none';
      case 'moderated':
        if (this.#unproven) return 'moderators';
        return (await this.#isAmong(list.moderators, list)) ? 'all' : 'moderators';
    }
  }

  async #isMember(list: ListEntry): Promise<boolean> {
    if (await this.#isSelected(list)) return true;
    return await this.#isAmong([...list.moderators, ...list.members], list);
  }

  async #isSelected(list: ListEntry): Promise<boolean> {
    return list.filter !== undefined && (await this.#isIn({ kind: 'list', list }));
  }

  async #isIn(selection: Selection): Promise<boolean> {
    const account = await this.account();
    if (!account) return false;
    const users = await this.#ask.select(selection, this.#selectMax);
    return users.some(({ id }) => id === account.id);
  }

  /** Whether the sender is one of these, or of the lists among them. */
  async #isAmong(addresses: readonly string[], list: ListEntry): Promise<boolean> {
    if (!this.#key) return false;
    const own = keyText(this.#key);
    const account = await this.account();
    const seen = new Set<string>();
    let level = newOnes(addresses, seen);
    while (level.length > 0) {
      if (seen.has(own)) return true;
      if (seen.size > this.#visitsMax) throw tooLarge(list);
      const below: string[] = [];
      for (let at = 0; at < level.length; at += ASKED_AT_ONCE) {
        const some = level.slice(at, at + ASKED_AT_ONCE);
        for (const meaning of await Promise.all(some.map((key) => this.#meaning(key)))) {
          if (meaning?.kind === 'user' && meaning.account.id === account?.id) return true;
          if (meaning?.kind === 'all' && (await this.#isIn(meaning.selection))) return true;
          if (meaning?.kind !== 'list') continue;
          if (await this.#isSelected(meaning.list)) return true;
          below.push(...meaning.list.members);
        }
        if (below.length > LINKS_FOR_EACH_VISIT * this.#visitsMax) throw tooLarge(list);
      }
      level = newOnes(below, seen);
    }
    return false;
  }

  async #user(key: AddressKey | undefined): Promise<Account | undefined> {
    const meaning = key && (await this.#meaning(key));
    return meaning?.kind === 'user' ? meaning.account : undefined;
  }

  async #meaning(key: AddressKey): Promise<Meaning | undefined> {
    const { domain } = key;
    return domain === undefined ? undefined : await meaningOf({ ...key, domain }, this.#ask);
  }
}

const tooLarge = ({ address }: ListEntry): DirectoryUnavailable =>
  new DirectoryUnavailable(`${address} has too many members (MF-DIR-020)`);

/** Keys that were not seen yet; `seen` has them from now on. */
function newOnes(addresses: readonly string[], seen: Set<string>): readonly AddressKey[] {
  return addresses.flatMap((address) => {
    const key = addressKey(address.trim());
    if (!key || seen.has(keyText(key))) return [];
    seen.add(keyText(key));
    return [key];
  });
}
