import { isDeepStrictEqual } from 'node:util';

import type { Flags, FullEmail, Mailbox, Role } from '../jmap/types.ts';

type Args = Readonly<Record<string, unknown>>;
type Invocation = readonly [name: string, args: Args, id: string];
type Answer = Args | { readonly error: string };

/** What changed in a step, so that any earlier state can be told from. */
interface Step {
  readonly created: readonly string[];
  readonly updated: readonly string[];
  readonly destroyed: readonly string[];
}

/**
 * A server of JMAP mail in memory, for tests of the client: what the client asks for and no more,
 * with what can go wrong on the way.
 */
export class FakeJmap {
  readonly emails = new Map<string, FullEmail>();
  readonly mailboxes = new Map<string, Mailbox>();
  /** Bodies of the requests to the API, as they came. */
  readonly requests: Invocation[][] = [];
  /** What a request meets: undefined lets it pass. Thrown: the line breaks. */
  fault: (url: string, calls: readonly Invocation[]) => Response | undefined = () => undefined;
  /** An answer is lost after the work was done, that many times. */
  loseAnswers = 0;
  refuseSet: ((id: string) => string | undefined) | undefined;
  refuseSubmit: string | undefined;
  /** Attachments are parts of their email, and gone with it. */
  hasParts = false;
  readonly #sizes = new Map<string, number>();
  identities: readonly unknown[] = [
    {
      id: 'i1',
      name: 'Alice',
      email: 'alice@example.test',
      replyTo: null,
      bcc: null,
      textSignature: '',
      htmlSignature: '',
      mayDelete: false,
    },
  ];
  /** Emails that were sent, in order. */
  readonly submitted: string[] = [];
  /** States before this are told `cannotCalculateChanges`. */
  firstState = 0;
  /** A UTCDate: searches of all folders find only what is newer, and say so. */
  searchedBackTo: string | undefined;
  readonly #steps: Step[] = [];
  #count = 0;
  readonly #worked = new Map<string, { readonly at: number; readonly value: unknown }>();

  constructor() {
    const roles: Role[] = ['inbox', 'archive', 'sent', 'drafts', 'junk', 'trash'];
    for (const role of roles) this.addMailbox(role, role, role);
  }

  addMailbox(id: string, name: string, role: Role | null = null): void {
    this.mailboxes.set(id, {
      id,
      name,
      role,
      parentId: null,
      sortOrder: 0,
      totalEmails: 0,
      unreadEmails: 0,
      totalThreads: 0,
      unreadThreads: 0,
      myRights: {},
    });
  }

  /** @returns its id */
  add(some: Partial<FullEmail> & { readonly folder?: string } = {}): string {
    this.#count += 1;
    const id = some.id ?? `e${String(this.#count).padStart(6, '0')}`;
    const from = [{ name: 'Ada', email: 'ada@example.test' }];
    const email = {
      id,
      threadId: `t-${id}`,
      mailboxIds: { [some.folder ?? 'inbox']: true },
      keywords: {},
      from,
      to: [],
      subject: `Subject ${this.#count}`,
      receivedAt: new Date(this.#count * 60_000).toISOString(),
      size: 1000,
      preview: 'Words',
      hasAttachment: false,
      attachments: [],
      ...some,
    };
    this.emails.set(id, email as FullEmail);
    this.#step({ created: [id] });
    return id;
  }

  /** As another client would. */
  change(id: string, some: Partial<FullEmail>): void {
    const email = this.emails.get(id);
    if (email) this.emails.set(id, { ...email, ...some });
    this.#step({ updated: [id] });
  }

  /** Its conversation becomes known; no email is told as changed by that. */
  rethread(id: string, threadId: string): void {
    const email = this.emails.get(id);
    if (email) this.emails.set(id, { ...email, threadId });
    this.#step({});
  }

  destroy(id: string): void {
    this.emails.delete(id);
    this.#step({ destroyed: [id] });
  }

  readonly fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const body = JSON.parse(typeof init.body === 'string' ? init.body : '{}') as {
      methodCalls?: Invocation[];
    };
    const calls = body.methodCalls ?? [];
    await Promise.resolve(); // Nothing has happened when the caller goes on.
    const fault = this.fault(url, calls);
    if (fault) return fault;
    if (url === '/.well-known/jmap') return Response.json(SESSION);
    this.requests.push(calls);
    const done: Invocation[] = [];
    for (const call of calls) done.push(this.#answer(call, done));
    if (this.loseAnswers > 0) {
      this.loseAnswers -= 1;
      throw new TypeError('network error');
    }
    return Response.json({ methodResponses: done, sessionState: '0' });
  };

  /** Each file is the blob of its name. */
  readonly upload = async (_: string, file: Blob): Promise<{ status: number; text: string }> => {
    await Promise.resolve();
    const blobId = `u-${file instanceof File ? file.name : 'file'}`;
    this.#sizes.set(blobId, file.size);
    return { status: 201, text: JSON.stringify({ blobId, size: file.size }) };
  };

  #answer([name, given, id]: Invocation, done: readonly Invocation[]): Invocation {
    const args: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(given)) {
      if (!key.startsWith('#')) args[key] = value;
      else {
        const found = resolve(value as Reference, done);
        if (found === undefined) return ['error', { type: 'invalidResultReference' }, id];
        args[key.slice(1)] = found;
      }
    }
    const answer = this.#run(name, args);
    if ('error' in answer) return ['error', { type: answer.error }, id];
    return [name, answer, id];
  }

  #run(name: string, args: Args): Answer {
    switch (name) {
      case 'Mailbox/get':
        return this.#get(this.#counted(), args, 'm');
      case 'Email/get':
        return this.#get(this.emails, args, 'e');
      case 'Thread/get':
        return this.#get(this.#threads(), args, 'e');
      case 'Email/query':
        return this.#query(args);
      case 'Email/changes':
      case 'Mailbox/changes':
        return this.#changes(name.startsWith('Email'), args);
      case 'Email/set':
        return this.#set(args);
      case 'Mailbox/set':
        return this.#setMailbox(args);
      case 'Identity/get':
        return { state: '0', list: this.identities, notFound: [] };
      case 'EmailSubmission/set':
        return this.#submit(args);
      case 'EmailSubmission/query': {
        const { emailIds = [] } = args['filter'] as { emailIds?: string[] };
        const ids = this.submitted.filter((id) => emailIds.includes(id));
        return { queryState: '0', position: 0, ids };
      }
      default:
        return { error: 'unknownMethod' };
    }
  }

  #get(all: ReadonlyMap<string, unknown>, { ids }: Args, kind: string): Answer {
    const wanted = ids === null ? [...all.keys()] : [...new Set(ids as string[])];
    return {
      state: this.#state(kind),
      list: wanted.flatMap((id) => all.get(id) ?? []),
      notFound: wanted.filter((id) => !all.has(id)),
    };
  }

  #state = (kind: string): string => `${kind}${this.#steps.length}`;

  #counted(): ReadonlyMap<string, Mailbox> {
    const counted = [...this.mailboxes].map(([id, mailbox]): [string, Mailbox] => {
      const here = [...this.emails.values()].filter((email) => email.mailboxIds[id]);
      const unread = here.filter((email) => !email.keywords['$seen']).length;
      return [id, { ...mailbox, totalEmails: here.length, unreadEmails: unread }];
    });
    return new Map(counted);
  }

  /** What was worked out since the last change, so that 100,000 are not sorted for each request. */
  #once<T>(name: string, make: () => T): T {
    const known = this.#worked.get(name);
    if (known?.at === this.#steps.length) return known.value as T;
    const value = make();
    this.#worked.set(name, { at: this.#steps.length, value });
    return value;
  }

  #threads(): ReadonlyMap<string, unknown> {
    return this.#once('threads', () => this.#makeThreads());
  }

  #makeThreads(): ReadonlyMap<string, unknown> {
    const threads = Map.groupBy(this.emails.values(), (email) => email.threadId);
    return new Map(
      [...threads].map(([id, emails]) => [id, { id, emailIds: emails.map((one) => one.id) }]),
    );
  }

  #query(args: Args): Answer {
    const { filter, collapseThreads } = args;
    const { inMailbox } = (filter ?? {}) as { inMailbox?: string };
    const backTo = inMailbox === undefined ? this.searchedBackTo : undefined;
    const asked = JSON.stringify([filter, collapseThreads, backTo]);
    const found = this.#once(asked, () => this.#find(args, backTo));
    const anchor = args['anchor'] as string | undefined;
    const from = anchor === undefined ? 0 : found.indexOf(anchor);
    if (from < 0) return { error: 'anchorNotFound' };
    const position = from + Number(args['position'] ?? args['anchorOffset'] ?? 0);
    const ids = found.slice(position, position + Number(args['limit'] ?? 50));
    const answer = { queryState: this.#state('e'), position, ids, total: found.length };
    if (backTo === undefined) return answer;
    return { ...answer, 'mailfarm:incomplete': true, 'mailfarm:searchedBackTo': backTo };
  }

  #find(args: Args, backTo = ''): string[] {
    const { operator, conditions, ...own } = (args['filter'] ?? {}) as Record<string, unknown>;
    const all = operator === 'AND' ? (conditions as object[]) : [];
    const { inMailbox, text, header } = Object.assign({}, own, ...all) as {
      inMailbox?: string;
      text?: string;
      header?: readonly [string, string];
    };
    const seen = new Set<string>();
    return [...this.emails.values()]
      .filter((email) => inMailbox === undefined || email.mailboxIds[inMailbox])
      .filter((email) => email.receivedAt > backTo)
      .filter(
        (email) => header === undefined || email.messageId?.some((id) => id.includes(header[1])),
      )
      .filter((email) => text === undefined || email.subject?.includes(text))
      .toSorted((a, b) => (a.receivedAt < b.receivedAt ? 1 : -1))
      .filter(({ threadId }) => {
        if (args['collapseThreads'] !== true) return true;
        if (seen.has(threadId)) return false;
        return seen.add(threadId);
      })
      .map(({ id }) => id);
  }

  #changes(isEmail: boolean, args: Args): Answer {
    const since = Number(String(args['sinceState']).slice(1));
    if (since < this.firstState) return { error: 'cannotCalculateChanges' };
    const steps = this.#steps.slice(since);
    const of = (key: keyof Step): string[] => [...new Set(steps.flatMap((step) => step[key]))];
    const told = { oldState: args['sinceState'], hasMoreChanges: false };
    if (!isEmail) {
      const updated = steps.length > 0 ? [...this.mailboxes.keys()] : [];
      return { ...told, newState: this.#state('m'), created: [], updated, destroyed: [] };
    }
    const created = of('created').filter((id) => this.emails.has(id));
    const updated = of('updated').filter((id) => this.emails.has(id) && !created.includes(id));
    return {
      ...told,
      newState: this.#state('e'),
      created,
      updated,
      destroyed: of('destroyed'),
    };
  }

  #set(args: Args): Answer {
    const created: Record<string, { id: string }> = {};
    const notCreated: Record<string, unknown> = {};
    for (const [key, email] of Object.entries((args['create'] ?? {}) as Record<string, Args>)) {
      const notFound = this.#missing(email);
      if (notFound.length > 0) notCreated[key] = { type: 'blobNotFound', notFound };
      else created[key] = { id: this.#addWhole(email) };
    }
    const notUpdated: Record<string, unknown> = {};
    const refuse = (id: string): boolean => {
      const type = this.refuseSet?.(id) ?? (this.emails.has(id) ? undefined : 'notFound');
      if (type !== undefined) notUpdated[id] = { type };
      return type !== undefined;
    };
    for (const [id, patch] of Object.entries((args['update'] ?? {}) as Record<string, Args>)) {
      if (refuse(id)) continue;
      const before = this.emails.get(id);
      const some = this.#patched(id, patch);
      // What changes nothing is no change.
      if (!isDeepStrictEqual({ ...before, ...some }, before)) this.change(id, some);
    }
    for (const id of (args['destroy'] ?? []) as string[]) if (!refuse(id)) this.destroy(id);
    return { oldState: null, newState: this.#state('e'), created, notCreated, notUpdated };
  }

  #missing({ attachments }: Partial<FullEmail>): readonly string[] {
    return (attachments ?? [])
      .map(({ blobId }) => blobId ?? '')
      .filter((id) => id.startsWith('p-') && !this.emails.has(id.split('-')[1] ?? ''));
  }

  #addWhole(email: Partial<FullEmail>): string {
    const id = this.add(email);
    if (!this.hasParts || email.attachments === undefined) return id;
    const attachments = email.attachments.map((part, at) => {
      const size = this.#sizes.get(part.blobId ?? '') ?? 0;
      const blobId = `p-${id}-${at}`;
      this.#sizes.set(blobId, size);
      return { ...part, blobId, size };
    });
    this.change(id, { attachments });
    return id;
  }

  #patched(id: string, patch: Args): Partial<FullEmail> {
    const keywords: Record<string, boolean> = { ...this.emails.get(id)?.keywords };
    for (const [path, value] of Object.entries(patch)) {
      const name = /^keywords\/(.*)$/.exec(path)?.[1];
      if (name === undefined) continue;
      if (value === true) keywords[name] = true;
      else delete keywords[name];
    }
    const mailboxIds = patch['mailboxIds'] as Flags | undefined;
    return { keywords, ...(mailboxIds && { mailboxIds }) };
  }

  #submit(args: Args): Answer {
    const { s } = (args['create'] ?? {}) as { s?: { emailId: string } };
    const description = this.refuseSubmit;
    if (description !== undefined) return { notCreated: { s: { type: 'forbidden', description } } };
    const emailId = s?.emailId ?? '';
    this.submitted.push(emailId);
    const filed = (args['onSuccessUpdateEmail'] ?? {}) as Record<string, Args>;
    this.#set({ update: { [emailId]: filed['#s'] } });
    return { oldState: null, newState: '1', created: { s: { id: 's1' } } };
  }

  #setMailbox(args: Args): Answer {
    const create = (args['create'] ?? {}) as Record<string, { name: string; role?: Role }>;
    const created: Record<string, { id: string }> = {};
    const notCreated: Record<string, unknown> = {};
    for (const [key, { name, role = null }] of Object.entries(create)) {
      const isTaken = [...this.mailboxes.values()].some((one) => role && one.role === role);
      if (isTaken) notCreated[key] = { type: 'invalidProperties' };
      else {
        created[key] = { id: `box-${name}` };
        this.addMailbox(`box-${name}`, name, role);
      }
    }
    for (const id of (args['destroy'] ?? []) as string[]) this.mailboxes.delete(id);
    this.#step({});
    return { oldState: null, newState: this.#state('m'), created, notCreated };
  }

  #step(some: Partial<Step>): void {
    this.#steps.push({ created: [], updated: [], destroyed: [], ...some });
  }
}

interface Reference {
  readonly resultOf: string;
  readonly path: string;
}

/** RFC 8620 §3.7, as far as `/a/b` and `*` go. */
function resolve({ resultOf, path }: Reference, done: readonly Invocation[]): unknown {
  let found: unknown = done.find(([name, , id]) => id === resultOf && name !== 'error')?.[1];
  const parts = path.split('/').slice(1);
  const descend = (from: unknown, [part, ...rest]: readonly string[]): unknown => {
    if (part === undefined || from === undefined) return from;
    if (part === '*') return (from as unknown[]).flatMap((one) => descend(one, rest));
    return descend((from as Record<string, unknown>)[part], rest);
  };
  found = descend(found, parts);
  return found;
}

const SESSION = {
  capabilities: {},
  primaryAccounts: { 'urn:ietf:params:jmap:mail': 'a1' },
  username: 'alice@example.test',
  apiUrl: '/jmap/api',
  downloadUrl: '/jmap/download/{accountId}/{blobId}/{name}?type={type}',
  uploadUrl: '/jmap/upload/{accountId}',
  eventSourceUrl: '/jmap/events?types={types}&closeafter={closeafter}&ping={ping}',
  state: '0',
};
