import type { ImapSession } from './session.ts';
import type { Selected } from './state.ts';

/**
 * The client showed that it knows MODSEQ (RFC 7162 §3.1): from now on changes are told with it, and
 * the folder's highest is told once.
 */
export function useCondstore(session: ImapSession, state: Selected): void {
  if (session.enabled.condstore) return;
  session.enabled.condstore = true;
  session.untagged(`OK [HIGHESTMODSEQ ${state.view.state.modseq}] Changes have numbers`);
}
