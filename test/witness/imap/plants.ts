/**
 * Faults of a server that the judge must find: lies told to one client, once all is over. Its
 * record is changed line by line, as if the server had said so.
 */
import type { Exchange, Sessions, ViolationKind } from './records.ts';
import { type Response, parse } from './wire.ts';

/** Changes a line of the server, hides it or puts others beside it. */
type Liar = (line: string, command: string) => readonly string[];

export interface Lie {
  readonly called: readonly ViolationKind[];
  readonly make: () => Liar;
}

/** The same sessions, but for what this client was told. */
export function retold(sessions: Sessions, client: string, lie: Lie): Sessions {
  const liar = lie.make();
  const exchanges = sessions.exchanges.map((exchange) =>
    exchange.client === client ? changed(exchange, liar) : exchange,
  );
  return { ...sessions, exchanges };
}

function changed(exchange: Exchange, liar: Liar): Exchange {
  const { answer } = exchange;
  const untagged: Response[] = [];
  let { text } = answer;
  const last = { text: `w1 ${answer.status} ${answer.text}`, literals: [], at: answer.doneAt };
  for (const { text: line, literals, at } of [...answer.untagged, last]) {
    for (const said of liar(line, answer.command)) {
      if (said.startsWith('w1 ')) text = said.slice(`w1 ${answer.status} `.length);
      else untagged.push({ at, values: parse(said, literals), text: said, literals });
    }
  }
  return { ...exchange, answer: { ...answer, text, untagged } };
}

/** Changes the n-th line that matches, and only that. */
const once =
  (pattern: RegExp, change: (line: string, command: string) => readonly string[], nth = 3) =>
  (): Liar => {
    let left = nth;
    return (line, command) => {
      if (!pattern.test(line) || --left !== 0) return [line];
      return change(line, command);
    };
  };

const modseqPlus =
  (by: number) =>
  (line: string): string =>
    line.replace(/MODSEQ \((\d+)\)/, (_, n: string) => `MODSEQ (${Math.max(1, Number(n) + by)})`);

const withoutFlag = (line: string): string =>
  line.replace(/FLAGS \(([^)]*)\)/, (_, flags: string) => {
    const left = flags.split(' ').filter((flag) => flag === '\\Recent');
    return `FLAGS (${left.join(' ')})`;
  });

const FLAGGED = /^\* \d+ FETCH .*FLAGS \(\\[ADFS]/;

/** It is told of no message but those that it asks for. */
function deaf(): Liar {
  return (line, command) => {
    const uid = Number(/^\* \d+ FETCH .*UID (\d+)/.exec(line)?.[1] ?? NaN);
    if (Number.isNaN(uid) && !/^\* \d+ FETCH/.test(line)) return [line];
    if (/^(UID )?FETCH/.test(command)) return [line];
    const set = /^UID STORE (\S+)/.exec(command)?.[1];
    return set?.split(',').includes(String(uid)) === true ? [line] : [];
  };
}

/** Every second one. */
function half(): Liar {
  let expunges = 0;
  return (line) => (/^\* \d+ EXPUNGE/.test(line) && ++expunges % 2 === 0 ? [] : [line]);
}

/** All that is there, but for the first time. */
function empty(): Liar {
  let selects = 0;
  return (line, command) => {
    if (!command.startsWith('SELECT') || !/^\* \d+ EXISTS/.test(line)) return [line];
    return ++selects > 1 ? [line.replace(/\d+/, '0')] : [line];
  };
}

/** By name. */
export const LIES: Readonly<Record<string, Lie>> = {
  'an expunge that is not told': { called: ['view'], make: half },
  'an expunge that never was': {
    called: ['phantom-expunge', 'view', 'message-lost'],
    make: once(/^w\d+ OK (NOOP|\[.*\] *NOOP)/i, (line) => ['* 1 EXPUNGE', line], 2),
  },
  'an expunge amid FETCH': {
    called: ['expunge-forbidden'],
    make: () => {
      let done = false;
      return (line, command) => {
        if (done || !/^(FETCH|STORE)/.test(command) || !/^w\d+ OK/.test(line)) return [line];
        done = true;
        return ['* 1 EXPUNGE', line];
      };
    },
  },
  'fewer messages without an expunge': {
    called: ['view'],
    make: () => {
      let count = 0;
      return (line, command) => {
        if (command.startsWith('SELECT') || !/^\* \d+ EXISTS/.test(line)) return [line];
        count += 1;
        return count === 3 ? [line.replace(/\d+/, '0')] : [line];
      };
    },
  },
  'flags lost at a MODSEQ that others know': {
    called: ['two-truths', 'flag-lost'],
    make: once(FLAGGED, (line) => [withoutFlag(line)]),
  },
  'flags lost at a later MODSEQ': {
    called: ['flag-lost'],
    make: () => {
      let stores = 0;
      return (line, command) => {
        const own = /^UID STORE \d+(,\d+)* \+FLAGS/.test(command) && FLAGGED.test(line);
        if (own) stores += 1;
        return own && stores > 2 ? [line, modseqPlus(100_000)(withoutFlag(line))] : [line];
      };
    },
  },
  'a flag that nobody set': {
    called: ['flag-invented', 'two-truths'],
    make: once(/^\* \d+ FETCH .*FLAGS \(/, (line) => [
      modseqPlus(1)(line.replace(/FLAGS \([^)]*\)/, 'FLAGS (\\Deleted \\Draft Two $One)')),
    ]),
  },
  'a UID of another message': {
    called: ['view', 'uid-reused', 'uid-order'],
    make: once(/^\* \d+ FETCH .*UID \d+/, (line) => [
      line.replace(/UID (\d+)/, (_, uid: string) => `UID ${Number(uid) + 1}`),
    ]),
  },
  'a UID given twice': {
    called: ['wrong-uid', 'uid-reused', 'uid-order'],
    make: once(/APPENDUID/, (line) => [
      line.replace(
        /(APPENDUID \d+) (\d+)/,
        (_, a: string, uid: string) => `${a} ${Number(uid) - 1}`,
      ),
    ]),
  },
  'a copy of something else': {
    called: ['wrong-uid'],
    make: () => (line) => [
      line.replace(
        /(COPYUID \d+ \d+) (\d+)\]/,
        (_, a: string, b: string) => `${a} ${Number(b) - 1}]`,
      ),
    ],
  },
  'change numbers that go back': {
    called: ['modseq-back', 'two-truths'],
    make: once(FLAGGED, (line) => [line, modseqPlus(-5)(line)]),
  },
  'HIGHESTMODSEQ of long ago': {
    called: ['modseq-back'],
    make: once(
      /HIGHESTMODSEQ/,
      (line) => [line.replace(/HIGHESTMODSEQ \d+/, 'HIGHESTMODSEQ 1')],
      2,
    ),
  },
  'UIDNEXT of long ago': {
    called: ['uid-order'],
    make: once(/UIDNEXT/, (line) => [line.replace(/UIDNEXT \d+/, 'UIDNEXT 1')], 2),
  },
  'another UIDVALIDITY': {
    called: ['uidvalidity'],
    make: once(/UIDVALIDITY/, (line) => [line.replace(/UIDVALIDITY \d+/, 'UIDVALIDITY 7')], 2),
  },
  'changes of others that are not told': { called: ['hole'], make: deaf },
  'an empty folder': {
    called: ['message-lost'],
    make: empty,
  },
};
