import type { Folder, FolderState, Mail } from '../mailbox/mail.ts';
import { countsOf } from './command/status.ts';
import type { ImapSession } from './session.ts';

/** Folders other than the selected one that NOTIFY tells of, by STATUS (RFC 5465 §4). */
export class Watched {
  readonly #session: ImapSession;
  readonly #folders: Folder[] = [];
  /** What the client was told, by folder. */
  readonly #told = new Map<Folder, FolderState>();

  private constructor(session: ImapSession) {
    this.#session = session;
  }

  static async open(session: ImapSession, mail: Mail, names: Iterable<string>): Promise<Watched> {
    const watched = new Watched(session);
    try {
      for (const name of names) {
        const folder = await mail.open(name);
        watched.#folders.push(folder);
        watched.#told.set(folder, await folder.refresh());
        folder.watch(() => session.teller.stir());
      }
    } catch (error) {
      watched.close();
      throw error;
    }
    return watched;
  }

  /** A STATUS of each, whether it changed or not. */
  sayAll(): void {
    for (const folder of this.#folders) this.#say(folder);
  }

  /** A STATUS of each that is not as the client was told. */
  sayChanges(): void {
    for (const folder of this.#folders) {
      if (folder.state !== this.#told.get(folder)) this.#say(folder);
    }
  }

  #say(folder: Folder): void {
    const { state: selected, enabled } = this.#session;
    const { state } = folder;
    this.#told.set(folder, state);
    if (selected.name === 'selected' && selected.folder.name === folder.name) return;
    const items = [
      `MESSAGES ${state.messages.length}`,
      `UIDNEXT ${state.uidNext}`,
      `UIDVALIDITY ${state.uidValidity}`,
      `UNSEEN ${countsOf(state).unseen}`,
    ];
    if (enabled.condstore) items.push(`HIGHESTMODSEQ ${state.modseq}`);
    this.#session.untagged(`STATUS ${this.#session.mailbox(folder.name)} (${items.join(' ')})`);
  }

  close(): void {
    for (const folder of this.#folders.splice(0)) folder.close();
    this.#told.clear();
  }
}
