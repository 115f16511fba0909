import type { Book } from './book.ts';
import type { Figures, Measure, Work } from './measure.ts';
import type { Floor, Settings } from './options.ts';
import type { ReaderCounts } from './reader.ts';
import { sentence, VIOLATIONS, type Violation, type ViolationKind } from './violation.ts';

/** What a run saw. `ok`: no violation, and enough work to mean something. */
export interface Report {
  readonly ok: boolean;
  readonly violations: readonly Violation[];
  /** What there was too little of, in words. */
  readonly tooLittle: readonly string[];
  readonly counts: Counts;
  /** The longest of each group, over all phases. */
  readonly interruptions: readonly {
    readonly group: string;
    readonly work: Work;
    readonly ms: number;
  }[];
  readonly figures: readonly Figures[];
  /** Milliseconds that the last verification took until all was there. */
  readonly landedMs: number;
}

/** A letter to three recipients counts three times, except in `letters`. */
export interface Counts extends ReaderCounts {
  readonly letters: number;
  readonly acknowledged: number;
  /** Sendings that were refused for now, at any command. */
  readonly temporary: number;
  /** Attempts whose end nobody told. */
  readonly unclear: number;
  readonly retried: number;
  /** Copies too many that attempts explain. */
  readonly doubles: number;
  readonly deleted: number;
  /** Seen, never acknowledged, gone after a loss of power. */
  readonly vanished: number;
  readonly permanent: number;
}

export interface Seen {
  readonly book: Book;
  readonly settings: Settings;
  readonly measure: Measure;
  readonly counts: ReaderCounts;
  readonly vanished: number;
  readonly landedMs: number;
}

/** So many sessions may end amid their messages, however few there were. */
const UNDECIDED_FREE = 5;

export function makeReport(seen: Seen): Report {
  const { book, measure } = seen;
  const figures = measure.figures();
  let doubles = 0;
  for (const { copies } of book.letters.values()) {
    for (const { uidls } of copies.values()) doubles += Math.max(0, uidls.length - 1);
  }
  const counts: Counts = {
    ...seen.counts,
    letters: book.letters.size,
    acknowledged: book.counts.acked,
    temporary: figures.reduce((n, row) => n + (row.work === 'send' ? row.temporary : 0), 0),
    unclear: book.counts.unclear,
    permanent: book.counts.permanent,
    retried: book.counts.retried,
    doubles,
    deleted: book.counts.deleted,
    vanished: seen.vanished,
  };
  const kinds = new Map(figures.map(({ group, work }) => [`${work} ${group}`, { group, work }]));
  const tooLittle = shortfalls(counts, seen.settings.floor);
  return {
    ok: book.violations.length === 0 && tooLittle.length === 0,
    violations: book.violations,
    tooLittle,
    counts,
    interruptions: [...kinds.values()].map(({ group, work }) => ({
      group,
      work,
      ms: Math.round(measure.longest(group, work)),
    })),
    figures,
    landedMs: Math.round(seen.landedMs),
  };
}

function shortfalls(counts: Counts, { undecided, ...least }: Floor): string[] {
  const few = Object.entries(least).flatMap(([what, number]) => {
    const seen = counts[what as keyof typeof least];
    return seen < number ? [`${what}: ${seen}, at least ${number} would mean something`] : [];
  });
  const most = Math.max(UNDECIDED_FREE, Math.floor(counts.sessions * undecided));
  if (counts.undecided <= most) return few;
  const text = `undecided: ${counts.undecided} of ${counts.sessions} sessions, at most ${most}`;
  return [...few, `${text} leave enough that were judged whole`];
}

const COLUMNS = [
  ['phase', (f: Figures) => f.phase],
  ['group', (f: Figures) => f.group],
  ['', (f: Figures) => f.work],
  ['ok', (f: Figures) => f.successes],
  ['/s', (f: Figures) => f.perSecond],
  ['p50 ms', (f: Figures) => f.p50Ms],
  ['p99 ms', (f: Figures) => f.p99Ms],
  ['later', (f: Figures) => f.temporary],
  ['in ms', (f: Figures) => (f.temporary > 0 ? f.temporaryMaxMs : '')],
  ['broken', (f: Figures) => f.failed],
  ['longest gap', (f: Figures) => `${(f.interruptionMs / 1000).toFixed(1)} s`],
  ['first ok', (f: Figures) => seconds(f.firstSuccessMs)],
  ['first later', (f: Figures) => seconds(f.firstTemporaryMs)],
] as const;

const seconds = (ms: number | undefined): string =>
  ms === undefined ? '' : `${(ms / 1000).toFixed(1)} s`;

/** The report as people read it. */
export function reportText(report: Report): string {
  const { counts, violations, tooLittle } = report;
  const rows = [
    COLUMNS.map(([title]) => title as string),
    ...report.figures.map((row) => COLUMNS.map(([, of]) => String(of(row)))),
  ];
  const widths = COLUMNS.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const table = rows.map((row) =>
    row.map((text, i) => (i < 3 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))),
  );
  const gaps = report.interruptions.map(
    ({ group, work, ms }) => `  ${work} ${group}: ${(ms / 1000).toFixed(1)} s`,
  );
  return [
    Object.entries(counts)
      .map(([what, n]) => `${what} ${n}`)
      .join(', '),
    ...table.map((row) => row.join('  ').trimEnd()),
    'longest time without a success, while somebody tried:',
    ...gaps,
    ...violationLines(violations),
    ...tooLittle.map((text) => `TOO LITTLE to prove anything: ${text}`),
    report.ok ? 'no mail was lost, doubled or changed' : 'NOT PROVEN',
    '',
  ].join('\n');
}

function violationLines(violations: readonly Violation[]): string[] {
  const byKind = new Map<ViolationKind, Violation[]>();
  for (const violation of violations) {
    byKind.set(violation.kind, [...(byKind.get(violation.kind) ?? []), violation]);
  }
  return [...byKind].flatMap(([kind, all]) => [
    `VIOLATION ${all.length} × ${kind}: ${VIOLATIONS[kind]}`,
    ...all.slice(0, 5).map((one) => `  ${sentence(one)}`),
  ]);
}
