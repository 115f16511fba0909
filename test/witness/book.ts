/** What the witness knows: the records of the ledger, applied in order. Judges nothing. */
import type { Entry } from './records.ts';
import type { Settings } from './options.ts';
import type { Violation } from './violation.ts';

/** A letter, as far as one recipient is concerned. */
export interface Copy {
  /** Attempts whose end of data was sent: so many copies there may be, and no more. */
  tries: number;
  /** How many of them were neither acknowledged nor are under way. */
  open: number;
  ackedAt: number | undefined;
  /** When the end of the data of the acknowledged attempt was sent: its copy was seen later. */
  promisedFrom: number | undefined;
  /** Acknowledged while the farm might park: it may be missing until it was seen. */
  parking: boolean;
  /** Unique ids under which it was seen. */
  readonly uidls: string[];
}

export interface Letter {
  readonly id: string;
  readonly octets: number;
  readonly hash: string;
  readonly body: string;
  readonly copies: ReadonlyMap<string, Copy>;
}

/** A message that was seen. */
export interface Message {
  readonly uidl: string;
  readonly letter: string;
  readonly octets: number;
  /** End of the listing that showed it first. */
  readonly seenAt: number;
  /** Beginning of the latest session that showed it. */
  shownFrom: number;
  /** When its deletion was asked for first. */
  askedAt: number | undefined;
  /** When that was confirmed. */
  deletedAt: number | undefined;
  /** End of the first listing that did not show it any more, after it was asked for. */
  goneAt: number | undefined;
}

export interface Box {
  readonly login: string;
  /** Of others, here before the first letter. */
  readonly before: Set<string>;
  readonly messages: Map<string, Message>;
  /** Acknowledged letters whose promised copy no session has fetched yet. */
  readonly unseen: Set<string>;
}

/** Of several copies, may this one be the one that was acknowledged? */
export const mayBePromised = (copy: Copy, message: Message | undefined): boolean =>
  message !== undefined && copy.promisedFrom !== undefined && message.seenAt >= copy.promisedFrom;

export class Book {
  series = '';
  starts = 0;
  settings: Settings | undefined;
  phase = 'start';
  readonly letters = new Map<string, Letter>();
  readonly boxes = new Map<string, Box>();
  readonly violations: Violation[] = [];
  readonly counts = { acked: 0, temporary: 0, unclear: 0, permanent: 0, retried: 0, deleted: 0 };
  /** Attempts without an end, by letter and number. */
  readonly #open = new Map<string, Entry & { kind: 'try' }>();

  box(login: string): Box {
    let box = this.boxes.get(login);
    if (!box) {
      box = { login, before: new Set(), messages: new Map(), unseen: new Set() };
      this.boxes.set(login, box);
    }
    return box;
  }

  apply(entry: Entry): void {
    switch (entry.kind) {
      case 'begin':
        this.series = entry.series;
        this.starts = entry.start;
        this.settings = entry.settings;
        this.forsake();
        for (const { login } of entry.settings.users) this.box(login);
        return;
      case 'phase':
        this.phase = entry.name;
        return;
      case 'before':
        for (const uidl of entry.uidls) this.box(entry.box).before.add(uidl);
        return;
      case 'letter':
        return this.#letter(entry);
      case 'try':
        return this.#try(entry);
      case 'end':
        return this.#end(entry);
      case 'seen':
        return this.#seen(entry);
      case 'ask':
        for (const uidl of entry.uidls) {
          const message = this.box(entry.box).messages.get(uidl);
          if (message) message.askedAt ??= entry.at;
        }
        return;
      case 'deleted':
        for (const uidl of entry.uidls) {
          const message = this.box(entry.box).messages.get(uidl);
          if (message && message.deletedAt === undefined) {
            message.deletedAt = entry.at;
            this.counts.deleted++;
          }
        }
        return;
      case 'violation':
        this.violations.push(entry.violation);
    }
  }

  copy(id: string, login: string): Copy | undefined {
    return this.letters.get(id)?.copies.get(login);
  }

  /** The witness was killed: nobody will tell how the attempts under way ended. */
  forsake(): void {
    for (const { id, to } of this.#open.values()) {
      for (const login of to) {
        const copy = this.copy(id, login);
        if (copy) copy.open++;
        this.counts.unclear++;
      }
    }
    this.#open.clear();
  }

  #letter(entry: Entry & { kind: 'letter' }): void {
    const fresh = (): Copy => ({
      tries: 0,
      open: 0,
      ackedAt: undefined,
      promisedFrom: undefined,
      parking: false,
      uidls: [],
    });
    const { id, octets, hash, body } = entry;
    const copies = new Map(entry.to.map((login) => [login, fresh()]));
    this.letters.set(id, { id, octets, hash, body, copies });
  }

  #try(entry: Entry & { kind: 'try' }): void {
    this.#open.set(`${entry.id} ${entry.n}`, entry);
    for (const login of entry.to) {
      const copy = this.copy(entry.id, login);
      if (!copy) continue;
      copy.tries++;
      if (copy.tries > 1) this.counts.retried++;
    }
  }

  #end(entry: Entry & { kind: 'end' }): void {
    const key = `${entry.id} ${entry.n}`;
    const open = this.#open.get(key);
    const left = open?.to.filter((login) => !entry.to.includes(login)) ?? [];
    if (open && left.length > 0) this.#open.set(key, { ...open, to: left });
    else this.#open.delete(key);
    for (const login of entry.to) {
      const copy = this.copy(entry.id, login);
      if (!copy) continue;
      this.counts[entry.end]++;
      if (entry.end !== 'acked') {
        copy.open++;
        continue;
      }
      copy.ackedAt ??= entry.at;
      copy.promisedFrom ??= open?.at ?? 0;
      copy.parking = entry.parking === true;
      const box = this.box(login);
      const isSeen = copy.uidls.some((uidl) => mayBePromised(copy, box.messages.get(uidl)));
      if (!isSeen) box.unseen.add(entry.id);
    }
  }

  #seen(entry: Entry & { kind: 'seen' }): void {
    const box = this.box(entry.box);
    if (box.messages.has(entry.uidl)) return;
    const message: Message = {
      uidl: entry.uidl,
      letter: entry.id,
      octets: entry.octets,
      seenAt: entry.at,
      shownFrom: 0,
      askedAt: undefined,
      deletedAt: undefined,
      goneAt: undefined,
    };
    box.messages.set(entry.uidl, message);
    const copy = this.copy(entry.id, entry.box);
    copy?.uidls.push(entry.uidl);
    if (copy && mayBePromised(copy, message)) box.unseen.delete(entry.id);
  }
}
