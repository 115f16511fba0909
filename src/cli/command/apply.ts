/**
 * Brings the directory's tables in line with a text, in one process and over one connection.
 *
 * Invariant: a change is reported exactly when it was made (with --dry-run: would be made), also
 * where a later one fails. So rows are worked off one after another, and the first that fails ends
 * the run: what follows may need it. Whoever runs the same again goes on where it ended.
 *
 * Races. Tables are read once, at the beginning; others may write meanwhile, and each row's write
 * is judged by the directory:
 * - somebody adds what we were to add (a node that joins by itself): `exists`. The tables are read
 *   afresh and the row is compared once more, which leaves it alone or changes it;
 * - somebody changes the same field: the one who writes last has it, as with `set` of the entry;
 * - somebody removes what we were to remove or change: `not-found`, read afresh likewise; what is
 *   gone that was to go is so already;
 * - a node that joins takes the number that we were to give another: refused as `invalid`, and
 *   the same command goes on;
 * - two of us at once: the same, row by row. Neither undoes what the other made.
 */
import { readFile } from 'node:fs/promises';
import { exitCode } from '../../config/exit.ts';
import { AdminError, type Admin } from '../../directory/admin/admin.ts';
import { isKind } from '../../directory/admin/error.ts';
import { withAdmin, withChange } from '../administration.ts';
import { readFarm, type There } from '../apply/farm.ts';
import { rowsOf, type Change, type Row } from '../apply/rows.ts';
import { readWanted, type Wanted } from '../apply/wanted.ts';
import { flagOn, word, type Call, type Command } from '../command.ts';
import { counted } from '../human.ts';

/** A row that was made, or would be. */
interface Made {
  readonly row: Row;
  readonly change: Change;
}
interface Outcome {
  readonly changes: readonly Made[];
  /** The row at which it ended, and why. */
  readonly failed?: { readonly row: Row; readonly message: string; readonly code: number };
  /** Rows behind it that are not as they are wanted. */
  readonly left: number;
}
type Tell = (made: Made) => void;

const DONE = { add: 'added', set: 'changed', remove: 'removed' } as const;

function sentence({ row, change }: Made, dry: boolean): string {
  const { did, text } = change;
  const isDefault = row.kind === 'setting' && did === 'remove';
  const done = `${dry ? 'would be ' : ''}${isDefault ? 'set back' : DONE[did]}`;
  return `${row.kind} ${row.name} ${done}${text === '' ? '' : `: ${text}`}`;
}

async function run(call: Call): Promise<number> {
  const path = word(call, 0);
  const wanted = readWanted(path === '-' ? await call.readInput() : await readFile(path, 'utf8'));
  const dry = flagOn(call, 'dry-run');
  const tell: Tell = (made) => {
    if (!call.json) call.out.line(sentence(made, dry));
  };
  const outcome = dry
    ? await withAdmin(call, async (admin) => compare(wanted, await readFarm(admin, wanted), tell))
    : await withChange(
        call,
        (admin) => apply(admin, wanted, tell),
        // Nodes of this machine forget nothing where nothing was changed.
        ({ changes, failed }) => changes.length > 0 || failed !== undefined,
      );
  return report(call, outcome, dry);
}

async function failure(row: Row, error: unknown): Promise<NonNullable<Outcome['failed']>> {
  const { explain } = await import('../explain.ts'); // It loads much that is seldom needed.
  const { text, code } = explain(error);
  return { row, message: text, code };
}

/** Goes through all rows, also behind one that cannot be. */
async function compare(wanted: Wanted, there: There, tell: Tell): Promise<Outcome> {
  const changes: Made[] = [];
  let failed: Outcome['failed'];
  for (const row of rowsOf(wanted)) {
    try {
      const change = row.compare(there);
      if (!change) continue;
      changes.push({ row, change });
      tell({ row, change });
    } catch (error) {
      failed ??= await failure(row, error);
    }
  }
  return { changes, ...(failed && { failed }), left: 0 };
}

async function apply(admin: Admin, wanted: Wanted, tell: Tell): Promise<Outcome> {
  let there = await readFarm(admin, wanted);
  const again = async (): Promise<There> => (there = await readFarm(admin, wanted));
  const rows = rowsOf(wanted);
  const changes: Made[] = [];
  for (const [at, row] of rows.entries()) {
    try {
      const change = await make(admin, row, row.compare(there), again);
      if (!change) continue;
      changes.push({ row, change });
      tell({ row, change });
    } catch (error) {
      const left = rows.slice(at + 1).filter((one) => isDue(one, there)).length;
      return { changes, failed: await failure(row, error), left };
    }
  }
  return { changes, left: 0 };
}

/** @returns the change that was made; undefined where there was nothing to do (any more) */
async function make(
  admin: Admin,
  row: Row,
  change: Change | undefined,
  again: () => Promise<There>,
): Promise<Change | undefined> {
  if (!change) return undefined;
  try {
    return (await change.make(admin)) === false ? undefined : change;
  } catch (error) {
    if (!isKind(error, 'exists') && !isKind(error, 'not-found')) throw error;
    const second = row.compare(await again());
    if (second?.did === change.did) throw error; // It is not that somebody was quicker.
    return second && (await second.make(admin)) !== false ? second : undefined;
  }
}

function isDue(row: Row, there: There): boolean {
  try {
    return row.compare(there) !== undefined;
  } catch (error) {
    if (error instanceof AdminError) return true;
    throw error;
  }
}

function report(call: Call, outcome: Outcome, dry: boolean): number {
  const { changes, failed, left } = outcome;
  if (call.json) {
    const told = changes.map((made) => {
      const { kind, name } = made.row;
      return { kind, name, did: made.change.did, text: sentence(made, dry) };
    });
    const { kind, name } = failed?.row ?? {};
    const wrong = failed && { failed: { kind, name, message: failed.message }, left };
    call.out.json({ dryRun: dry, changes: told, ...wrong });
  } else if (changes.length === 0 && !failed) {
    call.out.line('nothing to change');
  }
  if (!failed) return exitCode('ok');
  call.out.note(`mailfarm: ${failed.row.kind} ${failed.row.name}: ${failed.message}`);
  const rest = left > 0 ? `, ${counted(left, 'other')} not tried` : '';
  const before = `${counted(changes.length, 'change')} made before it${rest}`;
  if (!dry) call.out.note(`${before}; what is made stays, and the same command goes on`);
  return failed.code;
}

export const applyCommand: Command = {
  usage: 'FILE|- [--dry-run]',
  summary: 'Brings settings, nodes, volumes and domains in line with a file, in one go',
  examples: [
    'mailfarm apply farm.yaml --dry-run',
    'echo "settings: { smtp.message.max: 100MB }" | mailfarm apply -',
    'echo "volumes: { mail1: { state: closed } }" | mailfarm apply -',
    'echo "absent: { node: front1 }" | mailfarm apply - --json',
  ],
  options: { 'dry-run': { type: 'boolean', doc: 'Checks everything and changes nothing' } },
  args: [1, 1],
  run,
};
