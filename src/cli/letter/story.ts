/**
 * The story of letters, from the lines of all nodes (N-13). A letter keeps its trace from the node
 * that took it through parking, landing, forwarding and sending on others; where it is handed over
 * by SMTP within the farm, or comes in twice, its Message-ID joins what has different traces.
 */
import type { LogLine, LogSource } from './log-lines.ts';
import { parseLine } from './log-lines.ts';

export interface Wanted {
  /** Trace, id in the queue, or Message-ID with or without brackets. */
  readonly id?: string | undefined;
  /** Envelope sender, or part of it. */
  readonly from?: string | undefined;
  /** Recipient, or part of one. */
  readonly to?: string | undefined;
  /** ms since 1970 */
  readonly since?: number | undefined;
}

export interface Step {
  readonly at: number;
  readonly node: string;
  readonly trace: string;
  /** What happened, in a few words. */
  readonly what: string;
  readonly to: readonly string[];
  /** To whom, where, with what answer. */
  readonly detail: string;
  readonly isTrouble: boolean;
}

export interface Story {
  /** Trace ids of one letter, the first first. */
  readonly traces: readonly string[];
  readonly messageIds: readonly string[];
  readonly from: string;
  readonly to: readonly string[];
  readonly steps: readonly Step[];
}

/** Names lead to names: so often all is read again at most. */
const ROUNDS_MAX = 6;
/** Beyond this nobody reads on, and memory is bounded. */
const LINES_MAX = 100_000;

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const textsOf = (value: unknown): readonly string[] =>
  Array.isArray(value)
    ? value.map(textOf).filter((text) => text !== '')
    : [textOf(value)].filter(Boolean);

const recipientsOf = ({ fields }: LogLine): readonly string[] => [
  ...textsOf(fields['to']),
  ...textsOf(fields['address']).filter((text) => text.includes('@')),
];

const has = (texts: readonly string[], part: string): boolean =>
  texts.some((text) => text.toLowerCase().includes(part.toLowerCase()));

function isAsked(line: LogLine, { id, from, to, since }: Wanted): boolean {
  const { fields } = line;
  if (since !== undefined && line.at < since) return false;
  if (id !== undefined) {
    const bare = id.replace(/^<|>$/g, '');
    const own = [fields['trace'], fields['id'], fields['letter'], fields['messageId']];
    if (!own.some((one) => textOf(one).replace(/^<|>$/g, '') === bare)) return false;
  }
  if (from !== undefined && !has([textOf(fields['from'])], from)) return false;
  return to === undefined || has(recipientsOf(line), to);
}

/** A letter and those that say that they are it, by trace. */
class Letters {
  readonly #parent = new Map<string, string>();
  readonly #byMessageId = new Map<string, string>();

  root(trace: string): string {
    const up = this.#parent.get(trace);
    return up === undefined || up === trace ? trace : this.root(up);
  }

  /** @returns whether anything new was learnt */
  learn(trace: string, messageId: string): boolean {
    const isNew = !this.#parent.has(trace);
    if (isNew) this.#parent.set(trace, trace);
    if (messageId === '') return isNew;
    const other = this.#byMessageId.get(messageId);
    this.#byMessageId.set(messageId, other ?? trace);
    if (other === undefined) return true;
    const [a, b] = [this.root(other), this.root(trace)];
    if (a !== b) this.#parent.set(b, a);
    return isNew || a !== b;
  }

  knows(trace: string, messageId: string): boolean {
    return this.#parent.has(trace) || (messageId !== '' && this.#byMessageId.has(messageId));
  }
}

/** What was asked for, each letter with all that the logs say of it, in the order of time. */
export async function storiesOf(
  sources: readonly LogSource[],
  wanted: Wanted,
): Promise<readonly Story[]> {
  const letters = new Letters();
  let lines: LogLine[] = [];
  for (let round = 0; round < ROUNDS_MAX; round++) {
    let learnt = false;
    lines = [];
    for await (const line of allLines(sources)) {
      const trace = textOf(line.fields['trace']);
      if (trace === '') continue;
      const messageId = textOf(line.fields['messageId']);
      const asked = round === 0 && isAsked(line, wanted);
      if (!asked && !letters.knows(trace, messageId)) continue;
      if (letters.learn(trace, messageId)) learnt = true;
      if (lines.length < LINES_MAX) lines.push(line);
    }
    if (!learnt) break;
  }
  const groups = Map.groupBy(lines, ({ fields }) => letters.root(textOf(fields['trace'])));
  const told = [...groups.values()].map(storyOf).filter(({ steps }) => steps.length > 0);
  const [only] = told;
  if (told.length === 1 && only) return [await withReaders(only, sources)];
  return told.toSorted((a, b) => (a.steps[0]?.at ?? 0) - (b.steps[0]?.at ?? 0));
}

/**
 * Adds the first session of each user that fetched something after the letter lay in the mailbox:
 * which letters it fetched no log says.
 */
async function withReaders(story: Story, sources: readonly LogSource[]): Promise<Story> {
  const stored = new Map<string, number>();
  for (const { what, to, at } of story.steps) {
    if (what === WORDS['delivered'] || what === WORDS['letter landed']) {
      for (const login of to) stored.set(login, Math.min(at, stored.get(login) ?? Infinity));
    }
  }
  if (stored.size === 0) return story;
  const first = new Map<string, LogLine>();
  for await (const line of allLines(sources)) {
    const { user, retrieved } = line.fields;
    const since = stored.get(textOf(user));
    if (since === undefined || typeof retrieved !== 'number' || retrieved === 0) continue;
    const known = first.get(textOf(user));
    if (line.at >= since && line.at < (known?.at ?? Infinity)) first.set(textOf(user), line);
  }
  const readers = [...first].map(([user, { at, node, message, fields }]): Step => {
    const [trace, count] = [textOf(fields['trace']), String(fields['retrieved'])];
    const detail = `${user} fetched ${count} letters, perhaps this one; session ${trace}`;
    return { at, node, trace, what: message, to: [], detail, isTrouble: false };
  });
  return { ...story, steps: [...story.steps, ...readers].toSorted((a, b) => a.at - b.at) };
}

async function* allLines(sources: readonly LogSource[]): AsyncIterable<LogLine> {
  for (const source of sources) {
    for await (const text of source()) {
      // Most lines are of sessions that took no letter: not worth parsing.
      const line = text.includes('"trace"') ? parseLine(text) : undefined;
      if (line) yield line;
    }
  }
}

function storyOf(lines: readonly LogLine[]): Story {
  const ordered = lines.toSorted((a, b) => a.at - b.at);
  const unique = <T>(values: readonly T[]): readonly T[] => [...new Set(values)];
  const of = (name: string): readonly string[] =>
    unique(ordered.map(({ fields }) => textOf(fields[name])).filter((text) => text !== ''));
  return {
    traces: of('trace'),
    messageIds: of('messageId'),
    from: of('from')[0] ?? '',
    to: unique(ordered.flatMap(({ fields }) => textsOf(fields['to']))),
    steps: ordered.map(stepOf),
  };
}

/** Lines that a letter leaves behind, in words; what is not here is told as it was logged. */
const WORDS: Readonly<Record<string, string>> = {
  delivered: 'delivered',
  parked: 'accepted, its volume is down',
  submitted: 'accepted from a user',
  'letter taken': 'accepted by the relay',
  'sent on': 'accepted, leaves for',
  held: 'held for moderators',
  'letter parked': 'parked',
  'letter landed': 'landed from the spool',
  sent: 'sent',
  'notice delivered': 'notice delivered',
  'notice in the spool': 'notice leaves',
};

/** Fields that tell something, in the order in which they are told. */
const TOLD = [
  ['from', 'from'],
  ['to', 'to'],
  ['volume', 'volume'],
  ['name', 'file'],
  ['parkedOn', 'on'],
  ['spool', 'spool'],
  ['id', 'queue id'],
  ['host', 'host'],
  ['address', 'address'],
  ['peer', 'peer'],
  ['login', 'login'],
  ['status', 'status'],
  ['reply', 'reply'],
  ['tls', 'TLS'],
  ['tries', 'tries'],
  ['parked', 'since'],
  ['kind', 'kind'],
  ['why', 'why'],
  ['octets', 'octets'],
  ['code', 'code'],
] as const;

function stepOf({ at, node, message, fields }: LogLine): Step {
  const told = TOLD.flatMap(([name, word]) => {
    const value = fields[name];
    const text = typeof value === 'number' ? String(value) : textsOf(value).join(', ');
    if (text === '') return [];
    return [`${word} ${text}`];
  });
  const error = fields['err'] ?? fields['error'];
  const why =
    typeof error === 'object' && error !== null && 'message' in error
      ? [String(error.message)]
      : [];
  return {
    at,
    node,
    trace: textOf(fields['trace']),
    what: Object.hasOwn(WORDS, message) ? (WORDS[message] ?? message) : message,
    to: textsOf(fields['to']),
    detail: [...told, ...why].join('; '),
    isTrouble: fields['level'] === 'warn' || fields['level'] === 'error',
  };
}
