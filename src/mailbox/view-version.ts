import { INBOX } from './folder-names.ts';
import type { RemovedFolder } from './removed-folders.ts';
import type { EmailPlace, FolderView, MailVersion } from './view.ts';
import type { Places } from './view-places.ts';
import {
  emailRow,
  encodeEmails,
  encodeMailboxes,
  mailboxRowOf,
  shownOf,
  type EmailRow,
  type MailboxRow,
  type Rows,
} from './view-states.ts';

/** All that a version holds is computed when it is first asked for, from what never changes. */
export class Version implements MailVersion {
  readonly folders: readonly FolderView[];
  /** Folders that were removed lately, by journal id. */
  readonly removed: ReadonlyMap<string, RemovedFolder>;
  readonly #places: Places;
  readonly #byId: ReadonlyMap<string, FolderView>;
  readonly #byJournal: ReadonlyMap<string, FolderView>;
  #taken = false;
  #emails: Rows<EmailRow> | undefined;
  #mailboxes: Rows<MailboxRow> | undefined;
  #emailState: string | undefined;
  #mailboxState: string | undefined;

  constructor(
    folders: readonly FolderView[],
    places: Places,
    removed: ReadonlyMap<string, RemovedFolder>,
  ) {
    this.folders = folders;
    this.removed = removed;
    this.#places = places;
    this.#byId = new Map(folders.map((view) => [view.id, view]));
    this.#byJournal = new Map(folders.map((view) => [view.state.journalId, view]));
  }

  folder(id: string): FolderView | undefined {
    return this.#byId.get(id);
  }

  withJournal(journalId: string): FolderView | undefined {
    return this.#byJournal.get(journalId);
  }

  places(emailId: string): readonly EmailPlace[] {
    if (!this.#taken) for (const { state } of this.folders) this.#places.take(state);
    this.#taken = true;
    return this.#places.find(emailId, this.#byJournal);
  }

  get emailState(): string {
    return (this.#emailState ??= encodeEmails(this.emailRows));
  }

  get mailboxState(): string {
    return (this.#mailboxState ??= encodeMailboxes(this.mailboxRows));
  }

  get emailRows(): Rows<EmailRow> {
    return (this.#emails ??= new Map(
      this.folders.map(({ state }) => [state.journalId, emailRow(state)]),
    ));
  }

  get mailboxRows(): Rows<MailboxRow> {
    return (this.#mailboxes ??= this.#shown());
  }

  #shown(): Rows<MailboxRow> {
    const rows = new Map(
      this.folders.map(({ info, state }) => [info.name, mailboxRowOf(info.name, state)]),
    );
    return new Map(
      this.folders.map(({ info, state }) => {
        const parent = parentRow(info.name, rows);
        const shown = shownOf(info, { parent, journalId: state.journalId });
        return [mailboxRowOf(info.name, state), { shown, modseq: state.modseq }];
      }),
    );
  }
}

/** The row of the nearest folder above; '' for none. */
function parentRow(name: string, rows: ReadonlyMap<string, string>): string {
  if (name === INBOX) return '';
  for (let at = name.lastIndexOf('/'); at > 0; at = name.lastIndexOf('/', at - 1)) {
    const row = rows.get(name.slice(0, at));
    if (row !== undefined) return row;
  }
  return '';
}
