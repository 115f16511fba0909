import { messagesTotal } from '../metrics.ts';
import { REPLY } from '../replies.ts';
import type { Pop3Session } from '../session.ts';
import type { Transaction } from '../transaction.ts';
import type { Done } from '../../net/line-transport.ts';

/** CAPA (RFC 2449 §5): computed from the table of commands and what is valid now. */
export function capa(session: Pop3Session): Done {
  session.say(session.shared.capabilities(session.facts));
}

/** NOOP (RFC 1939 §5). */
export function noop(session: Pop3Session): Done {
  session.say(REPLY.ok);
}

/** STLS (RFC 2595 §4). Once, before login. */
export function stls(session: Pop3Session): Done {
  if (session.secure) return session.bad(REPLY.tlsIsUp);
  if (session.shared.secureContext === undefined) return session.bad(REPLY.tlsUnavailable);
  session.startTls(session.shared.secureContext);
}

/** QUIT (RFC 1939 §4, §6): in TRANSACTION it removes what is marked, and nothing else does. */
export function quit(session: Pop3Session): Done {
  const { state } = session;
  if (state.name === 'transaction') {
    const marked = state.marked();
    session.enterUpdate();
    if (marked.length > 0) return update(session, state, marked);
  }
  session.say(REPLY.goodbye);
  session.end('quit');
}

async function update(session: Pop3Session, state: Transaction, marked: number[]): Promise<void> {
  let failed = marked.length;
  try {
    failed = (await state.drop.remove(marked)).length;
  } catch (error) {
    session.notRemoved(error);
  }
  session.removed = marked.length - failed;
  messagesTotal.inc('deleted', session.removed);
  if (failed > 0) messagesTotal.inc('delete-failed', failed);
  session.say(failed > 0 ? REPLY.notRemoved : REPLY.updated);
  session.end('quit');
}
