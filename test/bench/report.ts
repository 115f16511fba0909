/** What the bench prints: rows of figures, ratios against a peer or the bare operation, aims. */
export interface Row {
  readonly what: string;
  readonly ours: string;
  readonly peer: string;
  /** Ours over the peer's (or the peer's over ours where less is better); above or below `aim`. */
  readonly ratio: string;
  readonly aim: string;
}

export const figure = (value: number, unit: string): string =>
  `${value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)} ${unit}`;

/** @param aim what the ratio should be, such as '> 2' or '< 1.3'; empty when there is none. */
export function compare(row: {
  readonly what: string;
  readonly ours: number;
  readonly peer: number | undefined;
  readonly unit: string;
  readonly aim?: string;
}): Row {
  const ratio = row.peer === undefined ? undefined : row.ours / row.peer;
  return {
    what: row.what,
    ours: figure(row.ours, row.unit),
    peer: row.peer === undefined ? '-' : figure(row.peer, row.unit),
    ratio: ratio === undefined ? '' : ratio.toFixed(2),
    aim: verdict(ratio, row.aim),
  };
}

function verdict(ratio: number | undefined, aim: string | undefined): string {
  if (aim === undefined) return '';
  if (ratio === undefined) return aim;
  const [sign, bound] = aim.split(' ');
  const met = sign === '>' ? ratio > Number(bound) : ratio < Number(bound);
  return `${aim} ${met ? 'met' : 'MISSED'}`;
}

export function printRows(title: string, rows: readonly Row[]): void {
  const header: Row = { what: title, ours: 'ours', peer: 'peer', ratio: 'ratio', aim: 'aim' };
  const keys = ['what', 'ours', 'peer', 'ratio', 'aim'] as const;
  const all = [header, ...rows];
  const widths = keys.map((key) => Math.max(...all.map((row) => row[key].length)));
  for (const row of all) {
    const line = keys.map((key, i) => row[key].padEnd(widths[i] ?? 0)).join('  ');
    process.stdout.write(`${line.trimEnd()}\n`);
  }
  process.stdout.write('\n');
}
