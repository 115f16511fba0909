import { systemClock } from '../../base/clock.ts';
import { exitCode } from '../../config/exit.ts';
import { addressKey } from '../../directory/address.ts';
import { AdminError, type Admin } from '../../directory/admin/admin.ts';
import { passwordNow } from '../../directory/client/connection.ts';
import { ldapDirectory } from '../../directory/client/directory.ts';
import { DirectoryUnavailable } from '../../directory/types.ts';
import type { Destination, Resolution, TracedStop } from '../../directory/types.ts';
import { silentLogger as logger } from '../../log/types.ts';
import { accessOf, withAdmin } from '../administration.ts';
import { flagText, word, type Call, type Command } from '../command.ts';
import { any, equals } from '../filter.ts';
import { traceLines } from '../trace.ts';

const REASONS = {
  'members-only': 'the list is for its members only, and the sender is none',
  'no-members': 'the list has no members',
} as const;

interface Shown {
  readonly kind: string;
  readonly to: string;
  readonly note: string;
}

function shown(destination: Destination): Shown {
  if (destination.kind === 'remote') {
    return { kind: 'remote', to: destination.address, note: 'leaves the farm' };
  }
  if (destination.kind === 'host') {
    const { host, port, address } = destination;
    return { kind: 'host', to: address, note: `handed to ${host}:${port} by a rule` };
  }
  const { account } = destination;
  const where = account.path ?? account.volume;
  const place = where === undefined ? 'no mailbox yet: made by the first letter' : `on ${where}`;
  const refused = account.suspended.includes('mail') ? '; mail is suspended' : '';
  return { kind: 'mailbox', to: account.login, note: `${place}${refused}` };
}

/** What is known of an address before anything is followed. */
interface Steps {
  readonly domain: readonly string[];
  readonly holder: readonly string[];
}

/** Who holds an address, and what its domain is: the first things that a front end asks. */
async function holders(admin: Admin, address: string): Promise<Steps> {
  const key = addressKey(address);
  if (!key) return { domain: [`${address} is no address`], holder: [] };
  if (key.domain === undefined) return { domain: [], holder: [] };
  const domain = await admin.domains.get(key.domain).catch(unlessNotFound);
  const named: string[] = [];
  if (domain?.aliasOf !== undefined) named.push(`${domain.name} is an alias of ${domain.aliasOf}`);
  else if (domain) named.push(`${domain.name} is a domain of this farm`);
  const real = `${key.local}@${domain?.aliasOf ?? key.domain}`;
  const plain = `${key.local.split('+')[0]}@${domain?.aliasOf ?? key.domain}`;
  for (const text of new Set([real, plain])) {
    const filter = any([equals('cn', text), equals('mailAlias', text)]);
    const user = (await admin.users.find({ filter, limit: 2 })).items[0];
    if (!user) continue;
    const is = text === user.login ? 'a user' : `an alias of ${user.login}`;
    return { domain: named, holder: [`${text} is ${is}`] };
  }
  return { domain: named, holder: [`nobody has ${real}`] };
}

function unlessNotFound(error: unknown): undefined {
  if (error instanceof AdminError && ['not-found', 'invalid'].includes(error.kind))
    return undefined;
  throw error;
}

const VERDICTS = {
  'unknown-user': 'refused: 550, no such user',
  'unknown-domain': 'refused: 550, not a domain of this farm',
} as const;

interface Deferred {
  readonly kind: 'deferred';
  readonly reason: string;
}

/** What a sender would be told to try again for; the way until there was seen. */
function asDeferred(error: unknown): Deferred {
  if (error instanceof DirectoryUnavailable) return { kind: 'deferred', reason: error.message };
  throw error;
}

function verdict(resolution: Resolution | Deferred): string {
  switch (resolution.kind) {
    case 'deferred':
      return `deferred, to be tried again: ${resolution.reason}`;
    case 'account':
      return 'accepted';
    case 'expanded':
      return resolution.moderated ? 'accepted, for the moderators' : 'accepted';
    case 'refused':
      return `refused: ${REASONS[resolution.reason]}`;
    case 'unknown-user':
    case 'unknown-domain':
      return VERDICTS[resolution.kind];
  }
}

const destinationsOf = (resolution: Resolution | Deferred): readonly Shown[] =>
  resolution.kind === 'account'
    ? [shown({ kind: 'mailbox', account: resolution.account })]
    : resolution.kind === 'expanded'
      ? resolution.destinations.map(shown)
      : [];

async function run(call: Call): Promise<number> {
  const address = word(call, 0);
  const sender = flagText(call, 'from');
  const access = await accessOf(call);
  const remembered: Call = {
    ...call,
    env: { ...call.env, MAILFARM_ADMIN_PASSWORD: passwordNow(access.bindPassword) },
  };
  const [who, steps] = await withAdmin(remembered, async (admin) => [
    admin.who.dn,
    await holders(admin, address),
  ]);
  const clock = call.clock ?? systemClock;
  const directory = ldapDirectory({ ...access, bindDn: who, logger, clock });
  const stops: TracedStop[] = [];
  try {
    const onStop = (stop: TracedStop): void => void stops.push(stop);
    const context = { onStop, ...(sender !== undefined && { sender }) };
    const resolution = await directory.resolve(address, context).catch(asDeferred);
    const destinations = destinationsOf(resolution);
    const said = verdict(resolution);
    // The way itself, where there is one, says more than the first look at the address did.
    const way = stops.length > 0 ? traceLines(stops) : steps.holder;
    const told = [...steps.domain, ...way];
    if (call.json) call.out.json({ address, verdict: said, steps: told, destinations, resolution });
    else print(call, { address, said, steps: told, destinations });
    if (resolution.kind === 'deferred') return exitCode('tempfail');
    return exitCode(destinations.length > 0 ? 'ok' : 'no-user');
  } finally {
    await directory.close();
  }
}

function print(
  call: Call,
  what: {
    readonly address: string;
    readonly said: string;
    readonly steps: readonly string[];
    readonly destinations: readonly Shown[];
  },
): void {
  for (const step of what.steps) call.out.line(step);
  call.out.line(`a letter to ${what.address} is ${what.said}`);
  if (what.destinations.length === 0) return;
  call.out.line('');
  call.out.table(
    ['goes to', 'as', 'note'],
    what.destinations.map(({ to, kind, note }) => [to, kind, note]),
  );
}

export const resolve: Command = {
  usage: 'ADDRESS [--from SENDER]',
  summary: 'Says what would happen to a letter: every step, every destination',
  examples: [
    'mailfarm resolve info@example.test',
    'mailfarm resolve team@example.test --from alice@example.test',
  ],
  options: { from: { type: 'string', value: 'SENDER', doc: 'Who writes: some lists ask' } },
  args: [1, 1],
  run,
};
