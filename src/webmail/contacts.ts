/**
 * Those whom a user wrote to, to be suggested next time, and those whom the user wrote down: a fact
 * each in the user's own mailbox (`mailbox/user-facts.ts`), named after the address. Two nodes that
 * count the same address at once may count it once: it is a hint of the order, and no more. What
 * the user wrote down is not forgotten when others come, and a letter does not change its name.
 *
 *     GET    /self/contacts        { contacts: [{ id, name, email, at, count, isOwn }] }
 *     POST   /self/contacts        { people: [{ name, email }] }: a letter went to them
 *     PUT    /self/contacts        { name, email, former? }: written down; it takes the place of
 *                                  the contact with the id `former`. The second time as the first
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
import { objectOf, optionalText } from './body.ts';

export interface ContactsParts {
  readonly web: WebAuthenticator;
  readonly store: Pick<MailStore, 'openMail'>;
  readonly clock: Clock;
}

const DRAWER = 'contacts';
/** Of those whom nobody wrote down: the one written to the longest ago goes. */
const CONTACTS_MAX = 500;
/** Written down. */
const OWN_MAX = 1_000;
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
  /** The user wrote it down. */
  readonly isOwn: boolean;
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
        const id = idOf(email);
        const before = known.get(id);
        const count = (before?.count ?? 0) + 1;
        const isOwn = before?.isOwn ?? false;
        const called = (isOwn ? before?.name : name) ?? before?.name ?? name;
        const contact = { id, name: called, email, at: now, count, isOwn };
        known.set(id, contact);
        await keep(mail, contact);
      }
      const others = [...known.values()].filter(({ isOwn }) => !isOwn);
      const beyond = others.toSorted((a, b) => b.at - a.at).slice(CONTACTS_MAX);
      for (const { id } of beyond) await mail.facts.remove(DRAWER, id);
    });
    return { remembered: people.length };
  });

  app.put('/self/contacts', async (request, reply) => {
    const { account } = await requireUser(web, request, reply);
    const { name, email } = personIn(request.body);
    const former = optionalText(request.body, 'former', 100);
    const now = clock.now();
    const contact = await within(account, async (mail): Promise<Contact> => {
      const known = await contactsOf(mail);
      const id = idOf(email);
      const before = known.find((one) => one.id === id) ?? known.find((one) => one.id === former);
      const own = known.filter((one) => one.isOwn && one.id !== former && one.id !== id);
      if (own.length >= OWN_MAX) throw tooMany();
      const { at = now, count = 0 } = before ?? {};
      const written = { id, name, email, at, count, isOwn: true };
      // First the new one: what breaks off in between leaves two, and never none.
      await keep(mail, written);
      const isThere = known.some((one) => one.id === former);
      if (former !== undefined && former !== id && isThere) await mail.facts.remove(DRAWER, former);
      return written;
    });
    return { contact };
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

const idOf = (email: string): string =>
  hash('sha256', email.toLowerCase(), 'base64url').slice(0, 22);

/** @throws StoreError */
const keep = ({ facts }: Mail, contact: Contact): Promise<void> =>
  facts.put(DRAWER, contact.id, Buffer.from(JSON.stringify(contact)));

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
    const { name, email, at, count, isOwn } = objectOf(JSON.parse(bytes?.toString() ?? 'null'));
    if (typeof email !== 'string' || typeof at !== 'number' || typeof count !== 'number') return [];
    const called = typeof name === 'string' ? name : null;
    return [{ id, name: called, email, at, count, isOwn: isOwn === true }];
  } catch {
    return [];
  }
}

/** @throws WebProblem 400 */
function peopleIn(body: unknown): readonly { name: string | null; email: string }[] {
  const { people } = objectOf(body);
  if (!Array.isArray(people) || people.length > PEOPLE_MAX) throw wrong();
  return people.map(personIn);
}

/** @throws WebProblem 400 */
function personIn(one: unknown): { readonly name: string | null; readonly email: string } {
  const { name = null, email } = objectOf(one);
  const isName = name === null || (typeof name === 'string' && name.length <= NAME_LENGTH_MAX);
  const isEmail = typeof email === 'string' && email.length <= ADDRESS_LENGTH_MAX;
  if (!isName || !isEmail || !email.includes('@')) throw wrong();
  return { name, email };
}

const tooMany = (): WebProblem =>
  new WebProblem({
    status: 422,
    title: 'This cannot be',
    detail: `${OWN_MAX} contacts are written down: remove one before you add another`,
  });

const wrong = (): WebProblem =>
  new WebProblem({
    status: 400,
    title: 'The request is not valid',
    detail:
      `A contact is { name, email }: at most ${NAME_LENGTH_MAX} characters, and an address; ` +
      `"people" is a list of at most ${PEOPLE_MAX}`,
  });
