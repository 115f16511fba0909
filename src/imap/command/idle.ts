import { openConnections } from '../metrics.ts';
import type { ImapSession } from '../session.ts';
import type { Args } from '../wire/args.ts';

/** IDLE (RFC 9051 §6.3.13): until DONE, changes are told as they come. */
export async function idle(session: ImapSession, args: Args): Promise<void> {
  args.end();
  const { teller } = session;
  session.say('+ idling\r\n');
  teller.startIdle();
  openConnections.idling += 1;
  try {
    const line = await session.takeLine();
    if (line.toUpperCase() === 'DONE') session.ok('IDLE completed');
    else session.bad('DONE expected');
  } finally {
    openConnections.idling -= 1;
    teller.endIdle();
  }
}
