import type { Facts } from '#maildir';
import { StoreError } from '../volumes/error.ts';
import type { Mailbox } from '../volumes/mailboxes.ts';

/**
 * What is known of a user beside the mail: sign-ins, identities, contacts. One small file each, in
 * drawers of the INBOX, so that two nodes that write two of them disturb nobody, and it goes
 * wherever the mailbox goes. Whoever puts and then lists sees all that was put before: of two who
 * do so at once at least one sees both.
 *
 * All methods throw StoreError.
 */
export interface UserFacts {
  /** Names in a drawer, sorted; [] where there is none, or no mailbox yet. */
  list(drawer: string): Promise<readonly string[]>;
  /** Undefined: there is none of this name. */
  read(drawer: string, name: string): Promise<Buffer | undefined>;
  /** Replaces what has the name; fsynced when it resolves. Makes the mailbox of a new user. */
  put(drawer: string, name: string, bytes: Uint8Array): Promise<void>;
  /** Absent is fine. */
  remove(drawer: string, name: string): Promise<void>;
}

/** Where a user's mailbox is: undefined while no mail ever came; made when something is written. */
export interface FactsPlace {
  readonly open: () => Promise<Mailbox | undefined>;
  readonly ensure: () => Promise<Mailbox>;
}

export class MaildirFacts implements UserFacts {
  readonly #place: FactsPlace;

  constructor(place: FactsPlace) {
    this.#place = place;
  }

  async list(drawer: string): Promise<readonly string[]> {
    const mailbox = await this.#place.open();
    return (await mailbox?.volume.facts.facts(refOf(mailbox), drawer)) ?? [];
  }

  async read(drawer: string, name: string): Promise<Buffer | undefined> {
    const mailbox = await this.#place.open();
    if (mailbox === undefined) return undefined;
    try {
      return Buffer.from(await mailbox.volume.facts.readFact(refOf(mailbox), drawer, name));
    } catch (error) {
      if (error instanceof StoreError && error.kind === 'message-gone') return undefined;
      throw error;
    }
  }

  async put(drawer: string, name: string, bytes: Uint8Array): Promise<void> {
    const mailbox = await this.#place.ensure();
    const ref = refOf(mailbox);
    await mailbox.volume.facts.putFact({ ref, drawer, name, bytes, durable: true });
  }

  async remove(drawer: string, name: string): Promise<void> {
    const mailbox = await this.#place.open();
    await mailbox?.volume.facts.removeFact(refOf(mailbox), drawer, name);
  }
}

const refOf = ({ maildir }: Mailbox): Parameters<Facts['facts']>[0] => ({ maildir, folder: '' });

/** The same in memory. */
export class MemoryFacts implements UserFacts {
  readonly #drawers = new Map<string, Map<string, Buffer>>();

  async list(drawer: string): Promise<readonly string[]> {
    return [...(this.#drawers.get(drawer)?.keys() ?? [])].toSorted();
  }

  async read(drawer: string, name: string): Promise<Buffer | undefined> {
    return this.#drawers.get(drawer)?.get(name);
  }

  async put(drawer: string, name: string, bytes: Uint8Array): Promise<void> {
    const facts = this.#drawers.get(drawer) ?? new Map<string, Buffer>();
    this.#drawers.set(drawer, facts.set(name, Buffer.from(bytes)));
  }

  async remove(drawer: string, name: string): Promise<void> {
    this.#drawers.get(drawer)?.delete(name);
  }
}
