/** Flags: who set and removed them, what was seen of them and at which MODSEQ. */
import { copiesOf } from './messages.ts';
import type { Exchange, ViolationKind } from './records.ts';
import type { Told } from './view.ts';

type Complain = (kind: ViolationKind, client: string, text: string, at: number) => void;

interface Touch {
  readonly exchange: Exchange;
  readonly sets: boolean;
  /** MODSEQ at which its own answer showed what came of it. */
  modseq: number | undefined;
}

interface Sighting {
  readonly client: string;
  readonly flags: readonly string[];
  readonly modseq: number;
  readonly at: number;
  readonly sentAt: number;
  readonly final: boolean;
}

const ALL = ['\\Seen', '\\Flagged', '\\Answered', '\\Draft', '\\Deleted', '$One', 'Two'];

export class Changes {
  readonly #complain: Complain;
  /** By UID and flag. */
  readonly #touches = new Map<string, Touch[]>();
  readonly #sightings = new Map<number, Sighting[]>();
  readonly #copies: Exchange[] = [];

  constructor(complain: Complain) {
    this.#complain = complain;
  }

  asked(exchange: Exchange): void {
    const { op, answer } = exchange;
    if (op.kind === 'copy') this.#copies.push(exchange);
    if (op.kind === 'store') {
      for (const uid of op.uids) {
        for (const flag of ALL) {
          const named = op.flags.includes(flag);
          if (!named && op.how !== 'replace') continue;
          const sets = named && op.how !== 'remove';
          this.#touch(uid, flag, { exchange, sets, modseq: undefined });
        }
      }
    }
    const code = /^\[APPENDUID \d+ (\d+)\]/.exec(answer.text)?.[1];
    if (op.kind !== 'append' || code === undefined) return;
    for (const flag of op.flags) {
      this.#touch(Number(code), flag, { exchange, sets: true, modseq: undefined });
    }
  }

  #touch(uid: number, flag: string, touch: Touch): void {
    const key = `${uid} ${flag}`;
    const touches = this.#touches.get(key) ?? [];
    touches.push(touch);
    this.#touches.set(key, touches);
  }

  saw(exchange: Exchange, told: Told, at: number): void {
    const { uid, flags, modseq } = told;
    if (uid === undefined || flags === undefined || modseq === undefined) return;
    const { client, final, answer, op } = exchange;
    const sightings = this.#sightings.get(uid) ?? [];
    const other = sightings.find((one) => one.modseq === modseq && differ(one.flags, flags));
    if (other !== undefined) {
      const text =
        `UID ${uid} at MODSEQ ${modseq}: (${flags.join(' ')}), ` +
        `to ${other.client} (${other.flags.join(' ')})`;
      this.#complain('two-truths', client, text, at);
    }
    sightings.push({ client, flags, modseq, at, sentAt: answer.sentAt, final });
    this.#sightings.set(uid, sightings);
    if (op.kind !== 'store' || !op.uids.includes(uid)) return;
    // What others changed before may be told first, or alone when the message has gone: only a row
    // with a UID is caused by a UID command (RFC 9051 §6.4.9). Of several the last one is its own.
    if (op.by === 'uid' && !told.named) return;
    for (const flag of ALL) {
      const own = this.#touches.get(`${uid} ${flag}`)?.find((touch) => touch.exchange === exchange);
      if (own !== undefined) own.modseq = modseq;
    }
  }

  /** A change of this message between two numbers, told to somebody before a moment. */
  between(uid: number, above: number, upTo: number, before: number): number | undefined {
    const found = this.#sightings
      .get(uid)
      ?.find((one) => one.modseq > above && one.modseq <= upTo && one.at < before);
    return found?.modseq;
  }

  /** `isRemoved`: what is not there any more takes no flags, and UID STORE says OK all the same. */
  judge(isRemoved: (uid: number, before: number) => boolean): void {
    this.#copied();
    for (const [uid, sightings] of this.#sightings) {
      const isOver = ({ exchange }: Touch): boolean => isRemoved(uid, exchange.answer.doneAt);
      for (const flag of ALL) this.#flag(uid, flag, { sightings, isOver });
    }
  }

  /**
   * A copy has what the original had, and may get it after others have seen and changed it: who
   * lists the folder meanwhile shows it, and keywords come with the COPY's own change.
   */
  #copied(): void {
    const pairs = this.#copies.flatMap((exchange) =>
      copiesOf(exchange).map((pair) => ({ exchange, ...pair })),
    );
    for (const { exchange, from, to } of pairs.toSorted((a, b) => a.to - b.to)) {
      const [first] = (this.#sightings.get(from) ?? []).toSorted((a, b) => a.modseq - b.modseq);
      for (const flag of ALL) {
        const set = this.#touches.get(`${from} ${flag}`) ?? [];
        const could = set.some(
          (one) => one.sets && one.exchange.answer.sentAt < exchange.answer.doneAt,
        );
        if (!could && first?.flags.includes(flag) !== true) continue;
        this.#touch(to, flag, { exchange, sets: true, modseq: undefined });
      }
    }
  }

  #flag(
    uid: number,
    flag: string,
    {
      sightings,
      isOver,
    }: { readonly sightings: readonly Sighting[]; readonly isOver: (touch: Touch) => boolean },
  ): void {
    const touches = this.#touches.get(`${uid} ${flag}`) ?? [];
    const first = Math.min(...sightings.map(({ modseq }) => modseq));
    const begins = sightings.some(({ modseq, flags }) => modseq === first && flags.includes(flag));
    for (const seen of sightings) {
      const there = seen.flags.includes(flag);
      const before = touches.filter(({ exchange }) => exchange.answer.sentAt < seen.at);
      if (there && !begins && !before.some(({ sets }) => sets)) {
        const text = `UID ${uid}: ${flag} at MODSEQ ${seen.modseq}, and nobody had set it`;
        return this.#complain('flag-invented', seen.client, text, seen.at);
      }
      const ignored = before.find(
        (touch) => !isOver(touch) && this.#isIgnored(touch, seen, there, before),
      );
      if (ignored === undefined) continue;
      const { client, answer } = ignored.exchange;
      const what = ignored.sets ? 'set' : 'taken away';
      const ago = Math.round(seen.at - answer.doneAt);
      const text =
        `UID ${uid}: ${flag} was ${what} by ${client}, answered OK ${ago} ms before ` +
        `at MODSEQ ${ignored.modseq}; at ${seen.modseq} it is ${there ? 'there' : 'gone'}`;
      return this.#complain(ignored.sets ? 'flag-lost' : 'flag-stuck', seen.client, text, seen.at);
    }
  }

  /** Done with success, seen later, and nobody did the contrary since it began. */
  #isIgnored(touch: Touch, seen: Sighting, there: boolean, all: readonly Touch[]): boolean {
    const { answer } = touch.exchange;
    if (answer.status !== 'OK' || touch.sets === there) return false;
    const later = touch.modseq !== undefined && seen.modseq >= touch.modseq;
    if (!later && !(seen.final && touch.modseq !== undefined)) return false;
    return !all.some(
      (other) => other.sets === there && other.exchange.answer.doneAt > answer.sentAt,
    );
  }
}

const differ = (a: readonly string[], b: readonly string[]): boolean => a.join() !== b.join();
