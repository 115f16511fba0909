/** A place in a folder's log. The UIDVALIDITY comes first: a later begin is above all before it. */
export interface Position {
  /** UIDVALIDITY. */
  readonly validity: number;
  /** 0 is the begin. */
  readonly number: number;
}

/** A name in log/. */
export interface LogName {
  readonly name: string;
  readonly position: Position;
  readonly kind: 'commit' | 'snapshot';
}

/** In place of the id of a commit that is torn. */
export const UNKNOWN_ID = '-';

const LOG_NAME = /^(\d{10})\.(\d{9,15})(\.snapshot)?$/;
const LAST_NAME = /^(\d{10})\.(\d{9,15})-([0-9a-f]{16})$/;

export const comparePositions = (a: Position, b: Position): number =>
  a.validity - b.validity || a.number - b.number;

export const samePosition = (a: Position, b: Position): boolean =>
  a.validity === b.validity && a.number === b.number;

/** As in names and files: `1763816113.000000042`. */
export const positionText = ({ validity, number }: Position): string =>
  `${String(validity).padStart(10, '0')}.${String(number).padStart(9, '0')}`;

export const commitName = positionText;
export const snapshotName = (position: Position): string => `${positionText(position)}.snapshot`;
export const lastName = (position: Position, id: string): string =>
  `${positionText(position)}-${id}`;

/** A begin is a commit with the number 0 and stands for itself, as a snapshot does. */
export const isStart = ({ kind, position }: LogName): boolean =>
  kind === 'snapshot' || position.number === 0;

/** What a listing of log/ shows, ascending; a snapshot after the commit it covers. */
export function parseLogNames(names: readonly string[]): readonly LogName[] {
  const found: LogName[] = [];
  for (const name of names) {
    const match = LOG_NAME.exec(name);
    if (match === null) continue;
    const position = { validity: Number(match[1]), number: Number(match[2]) };
    found.push({ name, position, kind: match[3] === undefined ? 'commit' : 'snapshot' });
  }
  return found.toSorted(
    (a, b) =>
      comparePositions(a.position, b.position) || Number(a.kind > b.kind) - Number(a.kind < b.kind),
  );
}

export interface LastName {
  readonly name: string;
  readonly position: Position;
  readonly id: string;
}

/** What a listing of last/ shows. */
export function parseLastNames(names: readonly string[]): readonly LastName[] {
  const found: LastName[] = [];
  for (const name of names) {
    const match = LAST_NAME.exec(name);
    if (match?.[3] === undefined) continue;
    const position = { validity: Number(match[1]), number: Number(match[2]) };
    found.push({ name, position, id: match[3] });
  }
  return found.toSorted((a, b) => comparePositions(a.position, b.position));
}
