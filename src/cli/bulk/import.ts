import { readFileSync } from 'node:fs';
import { systemClock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import { exitCode } from '../../config/exit.ts';
import { openAdmin, AdminError, type Admin } from '../../directory/admin/admin.ts';
import { Bulk, type BulkPlan } from '../../directory/admin/bulk.ts';
import { hashPassword, type HashScheme } from '../../directory/embedded/password.ts';
import type { VolumeEntry } from '../../directory/types.ts';
import { StoreError } from '../../volumes/error.ts';
import { makeMailbox } from '../../volumes/make.ts';
import { accessOf } from '../administration.ts';
import { flagCount, flagOn, flagText, UsageError, word, type Call } from '../command.ts';
import { counted } from '../human.ts';
import { Progress } from '../progress.ts';
import { readCsv } from './csv.ts';
import { fieldOf, isDropped } from './fields.ts';
import { readLdif } from './ldif.ts';
import type { FileProblem, FileRecord, Read } from './record.ts';

/** Users planned with one question to the directory. */
const CHUNK = 500;
const JOBS = 64;
const JOBS_MAX = 256;
/** Problems that are told one by one; a file of another kind would be wrong in every line. */
const PROBLEMS_SHOWN = 50;

interface Tally {
  added: number;
  changed: number;
  same: number;
  /** Entries of the file that are no users. */
  others: number;
  readonly problems: FileProblem[];
}

const tally = (): Tally => ({ added: 0, changed: 0, same: 0, others: 0, problems: [] });

interface Work {
  readonly call: Call;
  readonly admin: Admin;
  readonly volumes: readonly VolumeEntry[];
  readonly reads: () => Generator<Read>;
  readonly total: number;
  readonly update: boolean;
  readonly jobs: number;
  readonly scheme: HashScheme;
  readonly open: () => Promise<Bulk>;
}

/**
 * Twice through the file: first everything is checked and nothing is written; only a file without
 * a problem, or --continue, is gone through again. What exists alike is skipped, so that an import
 * that was interrupted is simply started again.
 */
export async function runImport(call: Call): Promise<number> {
  const name = word(call, 0);
  const bytes = await bytesOf(call, name);
  const reader = formatOf(call, name) === 'csv' ? readCsv : readLdif;
  const clock = call.clock ?? systemClock;
  const access = { ...(await accessOf(call)), clock };
  const jobs = flagCount(call, 'jobs') ?? JOBS;
  if (jobs < 1 || jobs > JOBS_MAX) throw new UsageError(`--jobs is 1 to ${JOBS_MAX}`);
  let total = 0;
  for (const { kind } of reader(bytes)) total += kind === 'record' ? 1 : 0;
  const admin = await openAdmin(access);
  try {
    const work: Work = {
      call,
      admin,
      volumes: await admin.volumes.list(),
      reads: () => reader(bytes),
      total,
      update: flagOn(call, 'update'),
      jobs,
      scheme: flagText(call, 'hash') === 'ssha512' ? 'SSHA512' : 'ARGON2',
      open: () => Bulk.open(access),
    };
    const checked = await pass(work, 'check');
    const stop = checked.problems.length > 0 && !flagOn(call, 'continue');
    if (flagOn(call, 'dry-run') || stop) return report(call, checked, false);
    return report(call, await pass(work, 'write'), true);
  } finally {
    await admin.close();
  }
}

async function bytesOf(call: Call, name: string): Promise<Buffer> {
  if (name !== '-') return readFileSync(name);
  if (!call.readBytes) throw new UsageError('There is no standard input');
  return await call.readBytes();
}

const formatOf = (call: Call, name: string): string =>
  flagText(call, 'format') ?? (/\.(csv|tsv|txt)$/i.test(name) ? 'csv' : 'ldif');

async function pass(work: Work, mode: 'check' | 'write'): Promise<Tally> {
  const { call, total } = work;
  const clock = call.clock ?? systemClock;
  const done = tally();
  const what = mode === 'check' ? 'users checked' : 'users';
  const progress = new Progress({ out: call.out, clock, what, total });
  const bulk = await work.open();
  // One chunk is written while the next one is planned: the plan knows what came before it.
  let writing = Promise.resolve();
  try {
    let chunk: FileRecord[] = [];
    const flush = async (): Promise<void> => {
      const given = chunk;
      chunk = [];
      const plans = await bulk.plan(given);
      await writing;
      if (mode === 'write') {
        writing = apply(work, { bulk, plans, done, progress });
        writing.catch(() => {}); // Thrown where it is waited for.
        return;
      }
      for (const plan of plans) judge(work, plan, done);
      progress.add(given.length);
    };
    for (const read of work.reads()) {
      if (read.kind === 'problem') done.problems.push(read.problem);
      else if (read.kind === 'other') done.others += 1;
      else chunk.push(named(read.record));
      if (chunk.length === CHUNK) await flush();
    }
    await flush();
    await writing;
  } finally {
    await writing.catch(() => {});
    progress.end();
    await bulk.close();
  }
  done.problems.sort((a, b) => a.line - b.line);
  return done;
}

/** Attributes as the directory spells them, without those of the server. */
function named({ line, values }: FileRecord): FileRecord {
  const spelled = [...values]
    .filter(([name]) => !isDropped(name))
    .map(([name, all]) => {
      const own = name.toLowerCase() === 'objectclass' ? 'objectClass' : fieldOf(name);
      return [own ?? name, all] as const;
    });
  return { line, values: new Map(spelled) };
}

/** What a plan is counted as. @returns whether something is to be written */
function judge({ update }: Work, plan: BulkPlan, done: Tally): boolean {
  switch (plan.kind) {
    case 'problem':
      done.problems.push({ line: plan.line, message: plan.message });
      return false;
    case 'same':
      done.same += 1;
      return false;
    case 'add':
      done.added += 1;
      return true;
    case 'differs':
      if (update) {
        done.changed += 1;
        return true;
      }
      done.problems.push({
        line: plan.row.line,
        message: `${plan.row.login} exists and differs in ${Object.keys(plan.changes).join(', ')}; --update changes it`,
      });
      return false;
  }
}

/** Writes what is planned, so many at a time on their way. */
async function apply(
  work: Work,
  parts: {
    readonly bulk: Bulk;
    readonly plans: readonly BulkPlan[];
    readonly done: Tally;
    readonly progress: Progress;
  },
): Promise<void> {
  const { bulk, plans, done, progress } = parts;
  const waiting = [...plans].toReversed();
  const job = async (): Promise<void> => {
    for (let plan = waiting.pop(); plan; plan = waiting.pop()) {
      if (judge(work, plan, done) && (plan.kind === 'add' || plan.kind === 'differs')) {
        await write(work, bulk, plan).catch((error: unknown) => {
          if (!(error instanceof AdminError || error instanceof StoreError)) throw error;
          if (['unavailable', 'denied', 'closed', 'uncertain'].includes(error.kind)) throw error;
          if (plan.kind === 'add') done.added = Math.max(0, done.added - 1);
          else done.changed = Math.max(0, done.changed - 1);
          done.problems.push({ line: plan.row.line, message: error.message });
        });
      }
      progress.add(1);
    }
  };
  await Promise.all(Array.from({ length: Math.min(work.jobs, plans.length) }, job));
}

async function write(
  work: Work,
  bulk: Bulk,
  plan: BulkPlan & { kind: 'add' | 'differs' },
): Promise<void> {
  const { password, login, values } = plan.row;
  const hash =
    password === undefined || password.hashed
      ? password?.text
      : await hashPassword(password.text, work.scheme);
  if (plan.kind === 'differs') {
    await bulk.change({ ...plan, changes: { ...plan.changes, mwVolume: undefined } }, hash);
    if (plan.changes['mwVolume'] === undefined) return;
  } else {
    await bulk.add(plan, hash ?? '');
  }
  if (values['mwVolume'] === undefined) return;
  // The mailbox first, then the mark that it is there.
  const account = await work.admin.users.get(login);
  const volume = String(values['mwVolume']);
  const clock = work.call.clock ?? systemClock;
  await makeMailbox({ account, volume, entries: work.volumes, clock, random });
  await work.admin.users.place(login, volume);
}

function report(call: Call, done: Tally, written: boolean): number {
  const { added, changed, same, others, problems } = done;
  const code = exitCode(problems.length > 0 ? 'data' : 'ok');
  if (call.json) {
    call.out.json({ written, added, changed, same, others, problems });
    return code;
  }
  for (const { line, message } of problems.slice(0, PROBLEMS_SHOWN)) {
    call.out.note(`line ${line}: ${message}`);
  }
  if (problems.length > PROBLEMS_SHOWN) {
    call.out.note(`and ${problems.length - PROBLEMS_SHOWN} more; --json has them all`);
  }
  const verb = written ? '' : 'would be ';
  const parts = [
    `${counted(added, 'user')} ${verb}added`,
    ...(changed > 0 ? [`${changed} ${verb}changed`] : []),
    `${same} there already`,
    ...(others > 0 ? [`${counted(others, 'entry', 'entries')} of other kinds skipped`] : []),
    counted(problems.length, 'problem'),
  ];
  call.out.line(parts.join(', '));
  if (!written && problems.length > 0 && !flagOn(call, 'dry-run')) {
    call.out.note('mailfarm: nothing was written; mend the file, or leave those out by --continue');
  }
  return code;
}
