/** Mutants of what delivery sends out of the farm: forwards, lists, answers. */
import type { Mutant } from './mutants.ts';

const LEAVING = 'src/delivery/leaving.test.ts';
const MX = 'src/mx/leaving.test.ts';
const MODERATION = 'src/delivery/moderation.test.ts';
const AFTERMATH = 'src/delivery/aftermath.test.ts';

export const DELIVERY_MUTANTS: readonly Mutant[] = [
  {
    statement: 'promise 1',
    why: 'a letter is acknowledged that no spool volume has',
    file: 'src/delivery/incoming.ts',
    find: '    if (this.#departure) errors.push(...this.#departure.parcels.map(({ error }) => error));\n',
    replace: '',
    test: LEAVING,
    title: 'the envelopes cannot be written',
  },
  {
    statement: 'S3-05',
    why: 'each recipient elsewhere is a transaction of its own',
    file: 'src/delivery/departure.ts',
    find: '`${laneOf(one.route)} ${one.sender}`',
    replace: '`${laneOf(one.route)} ${one.recipient.address}`',
    test: LEAVING,
    title: '[S3-05] one envelope for each destination',
  },
  {
    statement: 'S3-05',
    why: "who is named and a member gets the list's copy",
    file: 'src/delivery/places.ts',
    find: 'before === undefined || (before.list && !one.list)',
    replace: 'before === undefined',
    test: 'src/delivery/places.test.ts',
    title: '[S3-05] one copy, and a direct one before that of a list',
  },
  {
    statement: 'S0-37',
    why: 'a list sends its own letters again and again',
    file: 'src/delivery/list-copy.ts',
    find: '  marks.has(safe(address).toLowerCase());',
    replace: '  marks.has(safe(address).toUpperCase());',
    test: MX,
    title: 'a letter that comes back to its list is refused',
  },
  {
    statement: 'N-12',
    why: 'anybody sends through us to an address in a forged sender',
    file: 'src/delivery/srs.ts',
    find: '    return own.length === given.length && timingSafeEqual(own, given);\n',
    replace: '    return own.length === given.length;\n',
    test: MX,
    title: 'forged, altered and old ones are unknown users',
  },
  {
    statement: 'promise 9',
    why: 'a rewritten sender is a way through us for ever',
    file: 'src/delivery/srs.ts',
    find: '    return age <= DAYS_VALID || age === DAYS_ROUND - 1;\n',
    replace: '    return age >= 0;\n',
    test: MX,
    title: 'forged, altered and old ones are unknown users',
  },
  {
    statement: 'P-09',
    why: 'who is away answers each letter',
    file: 'src/delivery/aftermath.ts',
    find: "    if ((await marks.sum(mark, ANSWERED_MS)) > 0) return answers.inc('answered-before');\n",
    replace: '',
    test: AFTERMATH,
    title: 'once for each sender and week',
  },
  {
    statement: 'promise 5',
    why: 'an approved letter that could not be delivered is thrown away',
    file: 'src/delivery/moderation.ts',
    find: 'if (back !== undefined) await tree.fail(back, APPROVED).catch(() => {});',
    replace: 'if (back !== undefined) await tree.finish(back).catch(() => {});',
    test: MODERATION,
    title: 'what cannot be delivered stays approved',
  },
];
