/**
 * Sign-ins of browsers and used codes of second factors, as facts in the user's own mailbox: every
 * node that serves the user reaches them, and no other place has to exist.
 *
 *     signins/s-<id>              a sign-in: JSON of when, from where, with what browser
 *     signins/c-<step>.<random>   a code of this step of 30 s was used
 *
 * That a code opens the door once, although several nodes may be asked for it at the same time,
 * with no lock and no name that only one can make: whoever wants to use it puts a fact of its own,
 * then lists. Who sees another fact of the same step has lost. A wins only if its listing was
 * without B's fact; so B's fact came after that listing, and B's listing, later still, shows A's.
 * Of two at the very same moment both may lose, and the user waits for the next code.
 *
 * Facts of codes go when nobody could use such a code any more; of sign-ins, when there are more
 * than anybody looks through, the oldest first (a session in use that lost its fact so ends).
 */
import type { SignInBook, SignInRecord } from '../auth/sign-in-book.ts';
import { stepAt } from '../auth/totp.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Account } from '../directory/types.ts';
import type { Mail } from '../mailbox/mail.ts';
import type { MailStore } from '../mailbox/types.ts';

const DRAWER = 'signins';
const SIGN_IN = 's-';
const CODE = 'c-';
/** Far beyond the steps aside in which a code counts. */
const STEPS_KEPT = 20;
const SIGN_INS_MAX = 60;
/** What a fact of ours takes at most; more is nobody's. */
const FACT_BYTES_MAX = 4_096;
const PARALLEL = 8;
const ID = /^[A-Za-z0-9_-]{1,64}$/;

export interface SignInFactsParts {
  readonly store: Pick<MailStore, 'openMail'>;
  readonly clock: Clock;
  readonly random: Random;
}

export class SignInFacts implements SignInBook {
  readonly #parts: SignInFactsParts;

  constructor(parts: SignInFactsParts) {
    this.#parts = parts;
  }

  async begin(account: Account, record: SignInRecord): Promise<void> {
    const { id, at, address, agent } = record;
    await this.#with(account, async ({ facts }) => {
      const bytes = Buffer.from(JSON.stringify({ at, address, agent }));
      await facts.put(DRAWER, `${SIGN_IN}${id}`, bytes);
      const names = (await facts.list(DRAWER)).filter((name) => name.startsWith(SIGN_IN));
      if (names.length <= SIGN_INS_MAX) return;
      const all = await readAll(facts, names);
      const beyond = all.toSorted((a, b) => b.at - a.at).slice(SIGN_INS_MAX);
      for (const old of beyond) await facts.remove(DRAWER, `${SIGN_IN}${old.id}`);
    });
  }

  async state(account: Account, id: string): Promise<'open' | 'ended'> {
    return await this.#with(account, async ({ facts }) => {
      const fact = await facts.read(DRAWER, `${SIGN_IN}${id}`);
      return fact === undefined ? 'ended' : 'open';
    });
  }

  async list(account: Account): Promise<readonly SignInRecord[]> {
    return await this.#with(account, async ({ facts }) => {
      const names = (await facts.list(DRAWER)).filter((name) => name.startsWith(SIGN_IN));
      return (await readAll(facts, names)).toSorted((a, b) => b.at - a.at);
    });
  }

  async end(account: Account, id: string): Promise<void> {
    // What nobody has; a name that no file can have is no trouble of the volume.
    if (!ID.test(id)) return;
    await this.#with(account, ({ facts }) => facts.remove(DRAWER, `${SIGN_IN}${id}`));
  }

  async firstUse(account: Account, step: number): Promise<boolean> {
    const { random, clock } = this.#parts;
    const mark = Buffer.from(random.bytes(9)).toString('base64url');
    const mine = `${CODE}${step}.${mark}`;
    return await this.#with(account, async ({ facts }) => {
      await facts.put(DRAWER, mine, new Uint8Array());
      const codes = (await facts.list(DRAWER)).filter((name) => name.startsWith(CODE));
      const first = codes.every((name) => name === mine || stepOf(name) !== step);
      const before = stepAt(clock.now()) - STEPS_KEPT;
      const over = codes.filter((name) => stepOf(name) < before);
      for (const name of over) await facts.remove(DRAWER, name);
      return first;
    });
  }

  async #with<T>(account: Account, work: (mail: Mail) => Promise<T>): Promise<T> {
    const mail = await this.#parts.store.openMail(account);
    try {
      return await work(mail);
    } finally {
      mail.close();
    }
  }
}

const stepOf = (name: string): number => Number(name.slice(CODE.length).split('.', 1)[0]);

async function readAll(facts: Mail['facts'], names: readonly string[]): Promise<SignInRecord[]> {
  const found: (SignInRecord | undefined)[] = [];
  for (let from = 0; from < names.length; from += PARALLEL) {
    const some = names.slice(from, from + PARALLEL);
    const read = some.map(async (name) => {
      const fact = await facts.read(DRAWER, name);
      return fact && recordOf(name.slice(SIGN_IN.length), fact);
    });
    found.push(...(await Promise.all(read)));
  }
  return found.filter((record) => record !== undefined);
}

/** A fact that cannot be read still ends its session when it is removed. */
function recordOf(id: string, fact: Buffer): SignInRecord {
  const said = fact.length > FACT_BYTES_MAX ? {} : parsed(fact.toString());
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  const at = typeof said['at'] === 'number' ? said['at'] : 0;
  return { id, at, address: text(said['address']), agent: text(said['agent']) };
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
