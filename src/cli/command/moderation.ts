import { systemClock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import { HeldLetters, type HeldLetter } from '../../delivery/held.ts';
import { arrivedAt } from '../../spool/names.ts';
import { withAdmin } from '../administration.ts';
import { done, flagOn, UsageError, word, type Call, type Group } from '../command.ts';
import { humanAgo, humanBytes } from '../human.ts';
import { noteAway, orAway, seenSpools, type SeenSpools } from '../spools.ts';

/** Works on the spool volumes of this host; who may see other people's mail may. */
async function withHeld<T>(
  call: Call,
  work: (held: HeldLetters, seen: SeenSpools) => Promise<T>,
): Promise<T> {
  return await withAdmin(call, async (admin) => {
    const seen = await seenSpools(admin, 'decide over letters');
    const clock = call.clock ?? systemClock;
    const letters = new HeldLetters({ entries: seen.there, clock, random });
    try {
      return await work(letters, seen);
    } catch (error) {
      throw orAway(error, seen);
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

async function held(call: Call): Promise<number | void> {
  const [what] = call.args;
  return await withHeld(call, async (letters, seen) => {
    if (flagOn(call, 'message')) {
      if (what === undefined) throw new UsageError('--message shows one letter: give its ID');
      for await (const piece of letters.message(what)) await call.out.bytes(piece);
      return;
    }
    const found = await letters.list(what);
    if (call.json) {
      call.out.json(found.map(plain));
      return noteAway(call, seen);
    }
    if (found.length === 0) {
      call.out.line(`no letter${what === undefined ? '' : ` to ${what}`} waits for a moderator`);
      return noteAway(call, seen);
    }
    const now = (call.clock ?? systemClock).now();
    call.out.table(
      [{ title: 'id', whole: true }, 'list', 'sender', { title: 'size', align: 'right' }, 'came'],
      found.map(({ id, octets, envelope }) => [
        id,
        envelope?.address ?? '?',
        envelope?.login ?? '?',
        humanBytes(octets),
        humanAgo(arrivedAt(id), now),
      ]),
    );
    return noteAway(call, seen);
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
