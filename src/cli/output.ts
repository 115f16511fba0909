import { layTable, type Column } from './table.ts';

/**
 * The one place where the command line writes. Standard output carries results, standard error
 * everything else, so that `mailfarm … --json | jq` always works.
 */
export interface Output {
  /** A result for people; as many lines as it has. */
  line(text: string): void;
  /** The same, a line of parts; their styles show on a terminal only. */
  styled(parts: readonly (string | Styled)[]): void;
  /** A result for programs: one JSON document. */
  json(value: unknown): void;
  /** Aligned columns with a header row. On a terminal no line is wider than it. */
  table(header: readonly (string | Column)[], rows: readonly (readonly string[])[]): void;
  /** Text for programs, as it stands: completion scripts, LDIF, CSV. Waits for a slow reader. */
  raw(text: string): Promise<void>;
  /** Octets for programs, as they stand; on a terminal each line is made harmless. */
  bytes(octets: Buffer): Promise<void>;
  /** Something went wrong or wants to be known. */
  note(text: string): void;
  /** A line that the next call writes over; on a terminal only, else nothing happens. */
  status(text: string): void;
  /** Whether standard error is a terminal, where `status` shows. */
  readonly live: boolean;
  /** Whether standard output is a terminal. */
  readonly terminal: boolean;
}

export interface Styled {
  readonly text: string;
  readonly style: Style;
}

/** Where output goes; process.stdout and process.stderr have this form. */
export interface Sink {
  write(text: string | Buffer, done?: (error?: Error | null) => void): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/**
 * Text from a directory or a peer may carry control characters, or marks that turn the direction
 * of writing: a terminal must not obey them.
 */
export const printable = (text: string): string =>
  text
    .toWellFormed()
    .replaceAll(
      /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
      '\u{FFFD}',
    );

/** As many lines as there were, each harmless. */
const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');

const WIDTH_MIN = 40;
const STYLES = {
  bold: ['\u001b[1m', '\u001b[22m'],
  dim: ['\u001b[2m', '\u001b[22m'],
  red: ['\u001b[1;31m', '\u001b[22;39m'],
  yellow: ['\u001b[1;33m', '\u001b[22;39m'],
  green: ['\u001b[32m', '\u001b[39m'],
} as const;
export type Style = keyof typeof STYLES;

export function createOutput(streams: {
  readonly out: Sink;
  readonly err: Sink;
  readonly env?: NodeJS.ProcessEnv;
}): Output {
  const { out, err, env = {} } = streams;
  const dumb = env['TERM'] === 'dumb';
  const live = err.isTTY === true && !dumb;
  // https://no-color.org: present and not empty.
  const colour = out.isTTY === true && !dumb && (env['NO_COLOR'] ?? '') === '';
  const write = (text: string): void => void out.write(`${text}\n`);
  const finish = (text: string | Buffer): Promise<void> =>
    new Promise((resolve, reject) => {
      out.write(text, (error) => (error ? reject(error) : resolve()));
    });
  const paint = (text: string, style: Style): string => (colour ? STYLES[style].join(text) : text);
  let shown = false;
  const clear = (): string => (shown ? ((shown = false), '\r\u001b[K') : '');
  return {
    live,
    terminal: out.isTTY === true,
    line: (text) => write(printableLines(text)),
    styled: (parts) => {
      const clean = parts.map((part) =>
        typeof part === 'string' ? printable(part) : paint(printable(part.text), part.style),
      );
      write(clean.join(''));
    },
    // JSON escapes C0; C1 and the marks of direction it does not.
    json: (value) => write(escaped(JSON.stringify(value, null, 2))),
    table: (header, rows) => {
      const width = out.isTTY === true ? Math.max(WIDTH_MIN, out.columns ?? 80) : undefined;
      const lines = layTable({ header, rows, width, clean: printable });
      lines.forEach((text, i) => write(i === 0 ? paint(text, 'bold') : text));
    },
    raw: finish,
    bytes: async (octets) => {
      if (out.isTTY !== true) return await finish(octets);
      await finish(printableLines(octets.toString('utf8').replaceAll('\r\n', '\n')));
    },
    note: (text) => void err.write(`${clear()}${printableLines(text)}\n`),
    status: (text) => {
      if (!live) return;
      err.write(text === '' ? clear() : `\r\u001b[K${printable(text)}`);
      shown = text !== '';
    },
  };
}

const escaped = (json: string): string =>
  json.replaceAll(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
