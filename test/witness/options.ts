/** What a run of the witness is told, with defaults that suit a farm on one machine. */
export interface WitnessUser {
  readonly login: string;
  readonly password: string;
  /** Where letters are sent; the login when left out. Two users never have the same mailbox. */
  readonly address?: string;
  /** Users that live or die together, such as those of one volume; all of them when left out. */
  readonly group?: string;
}

export interface WitnessOptions {
  /** A file of our own, made when missing; one that exists is carried on. */
  readonly ledger: string;
  /** `host:port`, any number; the next is tried when one does not answer. */
  readonly smtp: readonly string[];
  readonly pop3: readonly string[];
  readonly users: readonly WitnessUser[];
  /** The front ends in `smtp` speak LMTP: a reply for each recipient. */
  readonly lmtp?: boolean;
  readonly seed?: number;
  readonly sender?: string;

  /** Lanes that send, for each group; each has one connection at a time. */
  readonly senders?: number;
  /** Lanes whose letters have recipients of several groups, when there are several. */
  readonly mixedSenders?: number;
  /** Lanes that read, for each group. */
  readonly readers?: number;
  /** Milliseconds that a lane rests after a letter; 0 is as fast as it goes. */
  readonly sendPauseMs?: number;
  /** Milliseconds that a reader rests after a session. */
  readonly readPauseMs?: number;
  /** Letters that wait for another attempt, for each lane; beyond it nothing new is sent. */
  readonly waitingMax?: number;

  /** Share of letters with several recipients, 0 to 1. */
  readonly several?: number;
  /** Share of letters between 100 KB and `octetsMax`. */
  readonly large?: number;
  readonly octetsMax?: number;
  /** `any`: every octet but a bare LF, lines of any length; `text`: what every server carries. */
  readonly octets?: 'any' | 'text';
  /** Share of letters that are sent again after a temporary failure or an unclear end. */
  readonly retry?: number;
  readonly retryMs?: number;
  /** Share of attempts that the witness itself cuts off amid the data or after its end. */
  readonly cut?: number;
  /** Share of messages that are deleted. */
  readonly deletions?: number;
  /** Messages that a mailbox may hold; beyond it the oldest are deleted too. */
  readonly keep?: number;
  /** Share of known messages that a session fetches again. */
  readonly again?: number;

  readonly connectMs?: number;
  /** How long an answer may take. */
  readonly answerMs?: number;
  /** How long the answer to the end of the data may take. */
  readonly dotMs?: number;

  /**
   * The farm may acknowledge mail for a volume that is away and land it later: until a letter was
   * seen, or the end, it may be missing. `phase(name, { parking })` says so for a phase alone.
   */
  readonly parking?: boolean;
  /**
   * A server loses power: a message that a reader saw before its sender was told anything may be
   * gone again. Counted, not a violation; what was acknowledged has to be there.
   */
  readonly powerCuts?: boolean;

  /** How long the last letters may be tried for, after the end of sending. */
  readonly drainMs?: number;
  /** How long the farm may take until everything is there, after that. */
  readonly landMs?: number;
  /** Where mailboxes lie, login to path: read at the end as a second opinion. */
  readonly maildirs?: Readonly<Record<string, string>>;
  /** Less work than this proves nothing. */
  readonly floor?: Partial<Floor>;
}

/** The least that a run must have seen. */
export interface Floor {
  readonly acknowledged: number;
  readonly sessions: number;
  readonly fetched: number;
  readonly deleted: number;
  /** Share of sessions, at most, in which something was left unidentified: they judge less. */
  readonly undecided: number;
}

export const DEFAULTS = {
  lmtp: false,
  seed: 1,
  sender: 'witness@world.example',
  senders: 2,
  mixedSenders: 1,
  readers: 2,
  sendPauseMs: 0,
  readPauseMs: 200,
  waitingMax: 50,
  several: 0.3,
  large: 0.01,
  octetsMax: 2_000_000,
  octets: 'any',
  retry: 0.9,
  retryMs: 1_000,
  cut: 0.02,
  deletions: 0.4,
  keep: 200,
  again: 0.03,
  connectMs: 10_000,
  answerMs: 60_000,
  dotMs: 180_000,
  parking: false,
  powerCuts: false,
  drainMs: 60_000,
  landMs: 60_000,
  maildirs: {},
} as const satisfies Partial<WitnessOptions>;

export const FLOOR: Floor = {
  acknowledged: 20,
  sessions: 10,
  fetched: 20,
  deleted: 1,
  undecided: 0.5,
};

type Filled = Required<Omit<WitnessOptions, 'users' | 'floor' | 'ledger'>>;

export interface User {
  readonly login: string;
  readonly password: string;
  readonly address: string;
  readonly group: string;
}

export interface Settings extends Filled {
  readonly users: readonly User[];
  readonly floor: Floor;
}

/** @throws Error that says what is missing or meaningless. */
export function settle(options: Omit<WitnessOptions, 'ledger'>): Settings {
  const users = options.users.map(({ login, password, address = login, group = 'all' }) => ({
    login,
    password,
    address,
    group,
  }));
  const settings: Settings = {
    ...DEFAULTS,
    ...options,
    users,
    floor: { ...FLOOR, ...options.floor },
  };
  if (users.length === 0) throw new Error('no users: say who gets the letters');
  const logins = new Set(users.map(({ login }) => login));
  if (logins.size !== users.length) throw new Error('a login is there twice');
  for (const what of ['smtp', 'pop3'] as const) {
    if (settings[what].length === 0) throw new Error(`no ${what} front end: say host:port`);
    for (const place of settings[what]) parsePlace(place);
  }
  for (const login of Object.keys(settings.maildirs)) {
    if (!logins.has(login)) throw new Error(`maildirs has ${login}, who is no user`);
  }
  if (settings.octetsMax < 1) throw new Error('octetsMax must be 1 or more');
  return settings;
}

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** `host:port`, `[::1]:25`. @throws Error for anything else. */
export function parsePlace(text: string): Place {
  const found = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text);
  const port = Number(found?.[3]);
  if (!found || port < 1 || port > 65_535) throw new Error(`${text} is not host:port`);
  return { host: found[1] ?? found[2] ?? '', port };
}

export const groupsOf = (settings: Settings): string[] => [
  ...new Set(settings.users.map(({ group }) => group)),
];

let ahead = 0;

/** Milliseconds since 1970 that never step back while we run. */
export const now = (): number => performance.timeOrigin + performance.now() + ahead;

/** What a ledger says was written before us: this host's clock may have been set back since. */
export function notBefore(at: number): void {
  ahead += Math.max(0, at + 1 - now());
}
