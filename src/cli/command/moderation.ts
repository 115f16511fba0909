import { systemClock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import { HeldLetters, type HeldLetter } from '../../delivery/held.ts';
import { AdminError } from '../../directory/admin/error.ts';
import { LEVELS } from '../../directory/rights.ts';
import { arrivedAt } from '../../spool/names.ts';
import { requireOwner } from '../../volumes/make.ts';
import { withAdmin } from '../administration.ts';
import { done, flagOn, UsageError, word, type Call, type Group } from '../command.ts';
import { humanAgo, humanBytes } from '../human.ts';

/** Works on the spool volumes of this host; who may see other people's mail may. */
async function withHeld<T>(call: Call, work: (held: HeldLetters) => Promise<T>): Promise<T> {
  return await withAdmin(call, async ({ who, volumes }) => {
    if (who.level === undefined || LEVELS[who.level] < LEVELS.operator) {
      throw new AdminError('denied', `${who.name} may not decide over letters; an operator may`);
    }
    const entries = await volumes.list();
    const spools = entries.filter(({ use, state }) => use === 'spool' && state !== 'offline');
    for (const { path } of spools) await requireOwner(path);
    const letters = new HeldLetters({ entries: spools, clock: call.clock ?? systemClock, random });
    try {
      return await work(letters);
    } finally {
      letters.close();
    }
  });
}

const plain = ({ id, spool, octets, envelope }: HeldLetter): object => ({
  id,
  list: envelope?.address,
  sender: envelope?.login,
  octets,
  arrived: new Date(arrivedAt(id)).toISOString(),
  trace: envelope?.trace,
  spool,
});

async function held(call: Call): Promise<void> {
  const [what] = call.args;
  await withHeld(call, async (letters) => {
    if (flagOn(call, 'message')) {
      if (what === undefined) throw new UsageError('--message shows one letter: give its ID');
      for await (const piece of letters.message(what)) await call.out.bytes(piece);
      return;
    }
    const found = await letters.list(what);
    if (call.json) return call.out.json(found.map(plain));
    const now = (call.clock ?? systemClock).now();
    call.out.table(
      ['id', 'list', 'sender', { title: 'size', align: 'right' }, 'came'],
      found.map(({ id, octets, envelope }) => [
        id,
        envelope?.address ?? '?',
        envelope?.login ?? '?',
        humanBytes(octets),
        humanAgo(arrivedAt(id), now),
      ]),
    );
  });
}

async function approve(call: Call): Promise<void> {
  const id = word(call, 0);
  await withHeld(call, (letters) => letters.approve(id));
  done(call, { id, result: 'approved' }, `${id} goes to the members within seconds`);
}

async function reject(call: Call): Promise<void> {
  const id = word(call, 0);
  await withHeld(call, (letters) => letters.reject(id));
  done(call, { id, result: 'rejected' }, `${id} is removed; its sender is told nothing`);
}

export const MODERATION_COMMANDS: Group = {
  'list held': {
    usage: '[LIST@DOMAIN | ID --message]',
    summary: 'Lists letters to moderated lists that wait for a decision',
    examples: ['mailfarm list held', 'mailfarm list held ID --message'],
    options: { message: { type: 'boolean', doc: 'The letter itself, as it is stored' } },
    args: [0, 1],
    run: held,
  },
  'list approve': {
    usage: 'ID',
    summary: 'Sends a letter that is held to all members of its list',
    examples: ['mailfarm list approve ID'],
    args: [1, 1],
    run: approve,
  },
  'list reject': {
    usage: 'ID',
    summary: 'Removes a letter that is held; nobody is told',
    examples: ['mailfarm list reject ID'],
    args: [1, 1],
    run: reject,
  },
};
