/**
 * Those whom a user wrote to, to be suggested next time: a fact each in the user's own mailbox
 * (`mailbox/user-facts.ts`), named after the address. Two nodes that count the same address at once
 * may count it once: it is a hint of the order, and no more.
 *
 *     GET    /self/contacts        { contacts: [{ id, name, email, at, count }] }
 *     POST   /self/contacts        { people: [{ name, email }] }: a letter went to them
 *     DELETE /self/contacts/:id
 */
import { hash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { WebAuthenticator } from '../auth/web-types.ts';
import type { Clock } from '../base/clock.ts';
import type { Account } from '../directory/types.ts';
import { WebProblem } from '../http/web-types.ts';
import { requireUser } from '../jmap/who.ts';
import type { Mail } from '../mailbox/mail.ts';
import type { MailStore } from '../mailbox/types.ts';
import { objectOf } from './body.ts';

export interface ContactsParts {
  readonly web: WebAuthenticator;
  readonly store: Pick<MailStore, 'openMail'>;
  readonly clock: Clock;
}

const DRAWER = 'contacts';
/** The one written to the longest ago goes. */
const CONTACTS_MAX = 500;
const PEOPLE_MAX = 100;
const PARALLEL = 16;
const ADDRESS_LENGTH_MAX = 320;
const NAME_LENGTH_MAX = 200;

interface Contact {
  readonly id: string;
  readonly name: string | null;
  readonly email: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly count: number;
}

export function contactRoutes(app: FastifyInstance, { web, store, clock }: ContactsParts): void {
  const within = async <T>(account: Account, run: (mail: Mail) => Promise<T>): Promise<T> => {
    const mail = await store.openMail(account);
    try {
      return await run(mail);
    } finally {
      mail.close();
    }
  };

  app.get('/self/contacts', async (request, reply) => {
    const { account } = await requireUser(web, request, reply);
    return { contacts: await within(account, contactsOf) };
  });

  app.post('/self/contacts', async (request, reply) => {
    const { account } = await requireUser(web, request, reply);
    const people = peopleIn(request.body);
    const now = clock.now();
    await within(account, async (mail) => {
      const known = new Map((await contactsOf(mail)).map((one) => [one.id, one]));
      for (const { name, email } of people) {
        const id = hash('sha256', email.toLowerCase(), 'base64url').slice(0, 22);
        const before = known.get(id);
        const count = (before?.count ?? 0) + 1;
        const contact = { id, name: name ?? before?.name ?? null, email, at: now, count };
        known.set(id, contact);
        await mail.facts.put(DRAWER, id, Buffer.from(JSON.stringify(contact)));
      }
      const beyond = [...known.values()].toSorted((a, b) => b.at - a.at).slice(CONTACTS_MAX);
      for (const { id } of beyond) await mail.facts.remove(DRAWER, id);
    });
    return { remembered: people.length };
  });

  app.delete<{ Params: { id: string } }>('/self/contacts/:id', async (request, reply) => {
    const { account } = await requireUser(web, request, reply);
    const { id } = request.params;
    await within(account, async ({ facts }) => {
      // Only a name that is there: what a path holds is never made a file's name.
      if ((await facts.list(DRAWER)).includes(id)) await facts.remove(DRAWER, id);
    });
    return { removed: id };
  });
}

/** @throws StoreError */
async function contactsOf({ facts }: Mail): Promise<readonly Contact[]> {
  const names = await facts.list(DRAWER);
  const found: Contact[] = [];
  for (let at = 0; at < names.length; at += PARALLEL) {
    const some = names.slice(at, at + PARALLEL);
    const read = await Promise.all(some.map((name) => facts.read(DRAWER, name)));
    some.forEach((id, index) => found.push(...contactIn(id, read[index])));
  }
  return found;
}

/** None where somebody has written something else. */
function contactIn(id: string, bytes: Buffer | undefined): readonly Contact[] {
  try {
    const { name, email, at, count } = objectOf(JSON.parse(bytes?.toString() ?? 'null'));
    if (typeof email !== 'string' || typeof at !== 'number' || typeof count !== 'number') return [];
    return [{ id, name: typeof name === 'string' ? name : null, email, at, count }];
  } catch {
    return [];
  }
}

/** @throws WebProblem 400 */
function peopleIn(body: unknown): readonly { name: string | null; email: string }[] {
  const { people } = objectOf(body);
  if (!Array.isArray(people) || people.length > PEOPLE_MAX) throw wrong();
  return people.map((one) => {
    const { name = null, email } = objectOf(one);
    const isName = name === null || (typeof name === 'string' && name.length <= NAME_LENGTH_MAX);
    const isEmail = typeof email === 'string' && email.length <= ADDRESS_LENGTH_MAX;
    if (!isName || !isEmail || !email.includes('@')) throw wrong();
    return { name, email };
  });
}

const wrong = (): WebProblem =>
  new WebProblem({
    status: 400,
    title: 'The request is not valid',
    detail: `"people" is a list of at most ${PEOPLE_MAX} of { name, email }`,
  });
