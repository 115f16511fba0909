/** The text format of Prometheus, as far as we write it: read back to be summed up. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;
/** A page of a node has some hundred lines. */
const LINES_MAX = 100_000;

/** What is no sample is left out. */
export function parseMetrics(page: string): readonly Sample[] {
  const samples: Sample[] = [];
  for (const line of page.split('\n', LINES_MAX)) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name, labels = '', number] = LINE.exec(line) ?? [];
    const value = Number(number);
    if (name === undefined || Number.isNaN(value)) continue;
    const pairs = [...labels.matchAll(LABEL)].map(
      ([, key = '', text = '']) => [key, text.replaceAll(/\\(.)/g, '$1')] as const,
    );
    samples.push({ name, labels: Object.fromEntries(pairs), value });
  }
  return samples;
}

/** The sum of the samples of a name whose labels are so. */
export const sumOf = (
  samples: readonly Sample[],
  name: string,
  isMeant: (labels: Sample['labels']) => boolean = () => true,
): number =>
  samples.reduce(
    (sum, one) => (one.name === name && isMeant(one.labels) ? sum + one.value : sum),
    0,
  );
