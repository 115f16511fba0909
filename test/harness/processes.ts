import { readFileSync, readdirSync } from 'node:fs';

/** Clock ticks of Linux: USER_HZ is 100 on every architecture we run on. */
const TICK_SECONDS = 0.01;

interface Stat {
  readonly parent: number;
  readonly ticks: number;
}

function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    // utime, stime and those of children that ended and were waited for (proc(5)).
    const ticks = [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0);
    return { parent: Number(fields[1]), ticks };
  } catch {
    return undefined; // It ended between the listing and the read.
  }
}

/** Every living process below the roots, the roots included. */
export function processTree(roots: readonly number[]): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const stat = Number.isInteger(pid) ? readStat(pid) : undefined;
    if (stat) children.set(stat.parent, [...(children.get(stat.parent) ?? []), pid]);
  }
  const found = new Set<number>();
  const queue = [...roots];
  for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
    if (found.has(pid)) continue;
    found.add(pid);
    queue.push(...(children.get(pid) ?? []));
  }
  return [...found];
}

/** CPU seconds (user and system) used so far by the processes below the roots. */
export const cpuSeconds = (roots: readonly number[]): number =>
  processTree(roots).reduce((sum, pid) => sum + (readStat(pid)?.ticks ?? 0), 0) * TICK_SECONDS;

/**
 * Resident octets, private and shared counted once each by PSS, of the processes below the roots.
 */
export function residentBytes(roots: readonly number[]): number {
  return processTree(roots).reduce((sum, pid) => {
    try {
      const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
      return sum + Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
    } catch {
      return sum;
    }
  }, 0);
}
