/** Speed of the ways to make calls on volumes, in interleaved rounds: the best of each counts. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cpuSeconds } from '../../harness/processes.ts';
import { Host } from './hosts.ts';
import type { LoadRequest } from './load.ts';
import type { Variant } from './variants.ts';

export interface Candidate {
  readonly name: string;
  readonly variant: Variant;
  readonly slots: number;
  /** Of libuv's pool, where it is not what the variant needs. */
  readonly threads?: number;
}

export const CANDIDATES: readonly Candidate[] = [
  { name: 'A, 16 slots', variant: 'A', slots: 16 },
  { name: 'A, pool 1024', variant: 'A', slots: 16, threads: 1024 },
  { name: 'B, 4 threads', variant: 'B', slots: 4 },
  { name: 'B, 8 threads', variant: 'B', slots: 8 },
  { name: 'C, 16 slots', variant: 'C', slots: 16 },
];
const LOADS = [
  { name: 'deliver, alone', kind: 'deliver', lanes: 1, count: 1500 },
  { name: 'deliver, 32', kind: 'deliver', lanes: 32, count: 5000 },
  { name: 'list + 10 reads, alone', kind: 'read', lanes: 1, count: 400 },
  { name: 'list + 10 reads, 32', kind: 'read', lanes: 32, count: 1000 },
] as const;
const VOLUMES = 2;

interface Best {
  cpu: number;
  rate: number;
  p99: number;
}

export interface SpeedRequest {
  /** A directory that does not exist yet. */
  readonly dir: string;
  /** 1 for the whole, less for a quick look. */
  readonly scale: number;
  readonly rounds: number;
  readonly directorySync: 'always' | 'never';
  readonly candidates: readonly Candidate[];
}

/** One turn of every candidate; which comes first changes with the round. */
async function round(
  request: SpeedRequest,
  index: number,
  best: ReadonlyMap<string, Best>,
): Promise<void> {
  for (let turn = 0; turn < request.candidates.length; turn++) {
    const candidate = request.candidates[(turn + index) % request.candidates.length];
    if (candidate === undefined) continue;
    const root = join(request.dir, `r${index}c${turn}`);
    mkdirSync(root);
    const many = Array.from({ length: 50 }, (_, i) => join(root, `m${i}`));
    const ten = Array.from({ length: 8 }, (_, i) => join(root, `t${i}`));
    const host = await Host.start(
      {
        variant: candidate.variant,
        slots: candidate.slots,
        volumes: VOLUMES,
        deadlineMs: 60_000,
        directorySync: request.directorySync,
      },
      candidate.threads,
    );
    try {
      await host.ask('create', { volume: 0, root, maildirs: [...many, ...ten] });
      const run = (load: LoadRequest) => host.ask('load', { volume: 0, load });
      await run({ kind: 'deliver', maildirs: ten, lanes: 8, count: 80 });
      await run({ kind: 'deliver', maildirs: many, lanes: 16, count: 1000 * request.scale });
      await run({ kind: 'read', maildirs: ten, lanes: 8, count: 100 * request.scale });
      for (const { name, kind, lanes, count } of LOADS) {
        const maildirs = kind === 'read' ? ten : many;
        const operations = Math.max(50, Math.round(count * request.scale));
        const before = cpuSeconds([host.pid]);
        const result = await run({ kind, maildirs, lanes, count: operations });
        if (result.failed > 0) throw new Error(`${candidate.name}, ${name}: ${result.firstError}`);
        const cpu = ((cpuSeconds([host.pid]) - before) / operations) * 1e6;
        const so = best.get(`${candidate.name}/${name}`);
        if (so === undefined) continue;
        so.cpu = Math.min(so.cpu, cpu);
        so.rate = Math.max(so.rate, operations / result.seconds);
        so.p99 = Math.min(so.p99, result.p99);
      }
    } finally {
      await host.stop();
    }
  }
}

/** @returns lines of a table. @throws Error when an operation failed */
export async function compareSpeed(request: SpeedRequest): Promise<string[]> {
  mkdirSync(request.dir);
  const { candidates } = request;
  const keys = candidates.flatMap((c) => LOADS.map((load) => `${c.name}/${load.name}`));
  const best = new Map(keys.map((key) => [key, { cpu: Infinity, rate: 0, p99: Infinity }]));
  for (let index = 0; index < request.rounds; index++) await round(request, index, best);
  return LOADS.flatMap(({ name }) => {
    const base = best.get(`${candidates[0]?.name}/${name}`);
    return candidates.map((candidate) => {
      const { cpu = 0, rate = 0, p99 = 0 } = best.get(`${candidate.name}/${name}`) ?? {};
      return (
        `${name.padEnd(23)} ${candidate.name.padEnd(13)} ${cpu.toFixed(0).padStart(6)} µs CPU ` +
        `(${(cpu / (base?.cpu ?? 1)).toFixed(2)})  ${rate.toFixed(0).padStart(6)}/s ` +
        `(${(rate / (base?.rate ?? 1)).toFixed(2)})  p99 ${p99.toFixed(1)} ms`
      );
    });
  });
}
