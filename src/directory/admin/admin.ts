import { systemClock, type Clock } from '../../base/clock.ts';
import { systemRandom, type Random } from '../../base/random.ts';
import { defaults, type OptionValues } from '../../config/options.ts';
import { silentLogger } from '../../log/types.ts';
import type { LdapDirectoryOptions } from '../client/directory.ts';
import { ADMIN_OPTIONS } from '../options.ts';
import { Addresses } from './addresses.ts';
import { LevelGroups } from './administrators.ts';
import { Claims } from './claims.ts';
import type { Farm } from './collection.ts';
import { Domains } from './domains.ts';
import { Events, type AdminHandler } from './events.ts';
import { Factors } from './factors.ts';
import { identify, type Identity } from './identity.ts';
import { ListEntries } from './lists.ts';
import { Loops } from './loops.ts';
import { Nodes } from './nodes.ts';
import { Puts } from './puts.ts';
import { Rules } from './rules.ts';
import { Secrets } from './secrets.ts';
import { AdminSession } from './session.ts';
import { Settings } from './settings.ts';
import { Sites } from './sites.ts';
import { Users } from './users.ts';
import { Volumes } from './volumes.ts';
import { Watch, type Watching } from './watch.ts';

export interface AdminOptions extends LdapDirectoryOptions {
  readonly random?: Random;
  readonly adminOptions?: Partial<OptionValues<typeof ADMIN_OPTIONS>>;
}

/** Everything an administrator does to the directory; the CLI and the web call the same. */
export interface Admin {
  readonly users: Users;
  /** App passwords and second factors. */
  readonly factors: Factors;
  readonly domains: Domains;
  readonly lists: ListEntries;
  readonly volumes: Volumes;
  readonly nodes: Nodes;
  readonly sites: Sites;
  readonly rules: Rules;
  readonly secrets: Secrets;
  readonly settings: Settings;
  readonly administrators: LevelGroups;
  /** Who this session is, and with which level. */
  readonly who: Identity;
  /** Tells of claims that were lost and of puts that failed. @returns how to stop it */
  on(handler: AdminHandler): () => void;
  /** As `on`, and of what others change; looks every `admin.watch.interval`. */
  watch(handler: AdminHandler): Promise<Watching>;
  /** Waits for puts that were begun, gives claims back; every later call fails (S0-41). */
  close(): Promise<void>;
}

const TOKEN_BYTES = 16;

/**
 * Opens a session (S0-39): connects as `bindDn`, a DN or a login, with `bindPassword`. What it may
 * do is decided by the rights in the directory (S0-40).
 * @throws AdminError denied, unavailable; the functions behind it throw AdminError only
 */
export async function openAdmin(options: AdminOptions): Promise<Admin> {
  const session = await AdminSession.open(options);
  try {
    return compose(session, await identify(session), options);
  } catch (error) {
    await session.close();
    throw error;
  }
}

function compose(session: AdminSession, who: Identity, options: AdminOptions): Admin {
  const clock: Clock = options.clock ?? systemClock;
  const logger = options.logger ?? silentLogger;
  const values = { ...defaults(ADMIN_OPTIONS), ...options.adminOptions };
  const events = new Events((error) => {
    logger.error({ err: error }, 'a handler of administration events failed');
  });
  const intervalMs = values['admin.watch.interval'];
  const claims = new Claims({
    session,
    who,
    clock,
    events,
    token: token(options.random ?? systemRandom),
    durationMs: values['admin.claim.duration'],
    intervalMs: Math.min(intervalMs, values['admin.claim.duration'] / 3),
  });
  const addresses = new Addresses(session);
  const puts = new Puts(events);
  const own = new Set<string>();
  const farm: Farm = { session, who, clock, events, puts, claims, addresses, own };
  const loops = new Loops(session, addresses);
  const users: Users = new Users(farm, loops, (login) => administrators.revoke(login));
  const administrators = new LevelGroups(farm, users);
  const watches = new Set<Watching>();
  return {
    users,
    factors: new Factors(session),
    domains: new Domains(farm, loops),
    lists: new ListEntries(farm, loops),
    volumes: new Volumes(farm),
    nodes: new Nodes(farm),
    sites: new Sites(farm),
    rules: new Rules(farm),
    secrets: new Secrets(farm),
    settings: new Settings(session),
    administrators,
    who,
    on: (handler) => events.add(handler),
    watch: async (handler) => {
      const watching = await Watch.start({ session, clock, handler, events, own, intervalMs });
      watches.add(watching);
      return watching;
    },
    close: async () => {
      for (const watching of watches) watching.stop();
      await puts.settled();
      await claims.close();
      await session.close();
    },
  };
}

const token = (random: Random): string => Buffer.from(random.bytes(TOKEN_BYTES)).toString('hex');

export { AdminError, ADMIN_ERROR_KINDS, type AdminErrorKind } from './error.ts';
