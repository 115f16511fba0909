import { isUtf8 } from 'node:buffer';
import { CsvError, parse } from 'csv-parse/sync';
import { quoted } from '../command.ts';
import { editDistance } from '../suggest.ts';
import { csvSlices, type Slice } from './csv-slices.ts';
import { fieldOf, FIELD_NAMES, isSpaced } from './fields.ts';
import {
  isAttributeName,
  problem,
  VALUE_OCTETS_MAX,
  type FileProblem,
  type Read,
} from './record.ts';

/**
 * CSV (RFC 4180) with a header of field names. A cell holds several values one a line; addresses
 * and services, which have no spaces in them, also with spaces between. The separator is what the
 * header has: comma, semicolon or tab.
 */
type Column = { readonly field: string } | { readonly message: string };
interface Row {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/** Every record of a CSV file. Never throws. */
export function* readCsv(bytes: Buffer): Generator<Read> {
  if (!isUtf8(bytes)) {
    yield* notUtf8(bytes);
    return;
  }
  const body = bytes.subarray(0, 3).equals(MARK) ? bytes.subarray(3) : bytes;
  const end = body.indexOf('\n');
  const head = body.toString('utf8', 0, end < 0 ? body.length : end);
  const delimiter = [',', ';', '\t'].find((mark) => head.includes(mark)) ?? ',';
  let names: readonly string[] | undefined;
  for (const slice of csvSlices(body, delimiter)) {
    const faults: FileProblem[] = [];
    const rows = parsed(slice, delimiter, faults);
    for (const { line, message } of faults) yield problem(line, message);
    for (const { record, info } of rows) {
      if (names) yield readRow(slice.lines + firstLine(record, info.lines), names, record);
      else {
        const header = readHeader(record);
        for (const message of header.wrong) yield problem(1, message);
        if (header.wrong.length > 0) return;
        names = header.names;
      }
    }
  }
  if (!names) yield problem(1, 'A CSV file begins with a header of field names');
}

/** Where a row begins that ends in a line: its cells may have line ends in them. */
function firstLine(record: readonly string[], last: number): number {
  let within = 0;
  for (const text of record) if (text.includes('\n')) within += text.split('\n').length - 1;
  return last - within;
}

/** The byte order mark that spreadsheets write. */
const MARK = Buffer.from([0xef, 0xbb, 0xbf]);

function readHeader(record: readonly string[]): {
  readonly names: readonly string[];
  readonly wrong: readonly string[];
} {
  const columns = record.map(columnOf);
  const wrong = columns.flatMap((column) => ('message' in column ? [column.message] : []));
  const names = columns.flatMap((column) => ('field' in column ? [column.field] : []));
  if (!names.includes('cn')) wrong.push('The header names no login');
  const [twice] = names.filter((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) wrong.push(`The header has ${quoted(twice)} twice`);
  return { names, wrong };
}

function parsed(slice: Slice, delimiter: string, faults: FileProblem[]): readonly Row[] {
  const fault = (error: CsvError): void => {
    const line = typeof error['lines'] === 'number' ? error['lines'] : 1;
    // Two stray quotes are one bad row.
    if (faults.at(-1)?.line === slice.lines + line) return;
    faults.push({ line: slice.lines + line, message: csvText(error) });
  };
  try {
    return parse(slice.bytes, {
      delimiter,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      skip_records_with_error: true,
      max_record_size: 4 * VALUE_OCTETS_MAX,
      on_skip: (error: CsvError | undefined) => {
        if (error) fault(error);
        return undefined;
      },
    } as object) as unknown as readonly Row[];
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    fault(error);
    return [];
  }
}

/** Without the record that csv-parse puts into some of its texts. */
function csvText(error: CsvError): string {
  switch (error.code) {
    case 'CSV_QUOTE_NOT_CLOSED':
      return 'a quote is opened and never closed';
    case 'CSV_INVALID_CLOSING_QUOTE':
    case 'INVALID_OPENING_QUOTE':
      return 'a quote stands where none can: write it twice within a quoted cell';
    case 'CSV_MAX_RECORD_SIZE':
      return 'the row is too long';
    default:
      return error.message.slice(0, 100);
  }
}

function columnOf(title: string): Column {
  const text = title.trim();
  const known = fieldOf(text);
  if (known !== undefined) return { field: known };
  const near = mistyped(text.toLowerCase());
  if (near !== undefined) {
    return { message: `there is no field ${quoted(text)}; did you mean "${near}"?` };
  }
  return isAttributeName(text)
    ? { field: text }
    : { message: `${quoted(text)} is not the name of a field` };
}

/** A field of ours that was probably meant; `mail` and `sn` are fields of others. */
function mistyped(title: string): string | undefined {
  if (title.length < 4) return undefined;
  return FIELD_NAMES.find((name) => editDistance(title, name) <= (title.length < 7 ? 1 : 2));
}

function readRow(line: number, names: readonly string[], record: readonly string[]): Read {
  if (record.length !== names.length) {
    return problem(line, `${record.length} cells, where the header has ${names.length}`);
  }
  const values = new Map<string, readonly string[]>();
  for (const [i, name] of names.entries()) {
    const cell = record[i] ?? '';
    if (Buffer.byteLength(cell) > VALUE_OCTETS_MAX) return problem(line, `${name}: too long`);
    const parts = cell.split(isSpaced(name) ? /[\s]+/ : /\r?\n/).filter((part) => part !== '');
    if (name === 'password' && parts.length > 1) return problem(line, 'a password is one line');
    values.set(name, parts);
  }
  return { kind: 'record', record: { line, values } };
}

function* notUtf8(bytes: Buffer): Generator<Read> {
  let at = 0;
  for (let line = 1; at < bytes.length; line++) {
    const end = bytes.indexOf('\n', at);
    const stop = end < 0 ? bytes.length : end;
    if (!isUtf8(bytes.subarray(at, stop))) yield problem(line, 'the line is not UTF-8');
    at = stop + 1;
  }
}

const cell = (text: string): string =>
  /[",;\t\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

/** One row, with its line end. */
export const csvRow = (cells: readonly string[]): string => `${cells.map(cell).join(',')}\r\n`;

/** Several values as one cell. */
export const csvCell = (field: string, values: readonly string[]): string =>
  values.join(isSpaced(field) ? ' ' : '\n');
