import type { Key } from './i18n/text.ts';
import type { Role } from './jmap/types.ts';
import type { AnswerKind, App } from './model/app.ts';

export interface Command {
  /** As `keyName` writes them; two with a blank between are pressed one after the other. */
  readonly keys: readonly string[];
  readonly label: Key;
  readonly group: 'list' | 'mail' | 'go' | 'general';
  readonly run: (app: App) => void;
}

const move =
  (by: number) =>
  (app: App): void => {
    app.setCursor(app.cursor + by);
    // Where a message is open beside the list, the next one takes its place.
    if (app.conversation) app.openRow(app.cursor);
  };

const extend =
  (by: number) =>
  (app: App): void => {
    const from = app.cursor;
    app.setCursor(from + by);
    app.selection.extend(app.cursor, from, (at) => app.rowAt(at));
    app.touch();
  };

const goTo =
  (role: Role) =>
  (app: App): void => {
    const folder = app.folders.ofRole(role);
    if (folder) app.openFolder(folder.id);
  };

function select(app: App): void {
  const row = app.rowAt(app.cursor);
  if (row) app.selection.toggle(row.key, row.email, app.cursor);
  app.touch();
}

function close(app: App): void {
  if (app.selection.size > 0) app.selection.clear();
  else app.close();
  app.touch();
}

const answer =
  (kind: AnswerKind) =>
  (app: App): void => {
    const shown = app.conversation?.emails.at(-1)?.id;
    const email = shown === undefined ? undefined : app.emails.full(shown);
    if (email) app.composer(kind, email);
  };

function star(app: App): void {
  const email = meant(app);
  app.deeds.do({ kind: email?.keywords['$flagged'] === true ? 'unstar' : 'star' });
}

function junk(app: App): void {
  const inJunk = app.folder !== undefined && app.folder === app.folders.ofRole('junk')?.id;
  app.deeds.do({ kind: inJunk ? 'not-junk' : 'junk' });
}

/** The email that a toggle looks at. */
function meant(app: App) {
  const selected = app.selection.emails[0];
  const row = app.rowAt(app.cursor)?.email;
  return app.emails.get(selected ?? row ?? '');
}

/**
 * Everything that a key does, and the sheet that says so (`view/help-sheet.tsx`). Other parts of
 * the client add their rows here.
 */
export const COMMANDS = {
  next: { keys: ['j', 'ArrowDown'], label: 'command.next', group: 'list', run: move(1) },
  previous: { keys: ['k', 'ArrowUp'], label: 'command.previous', group: 'list', run: move(-1) },
  pageDown: { keys: ['PageDown'], label: 'command.pageDown', group: 'list', run: move(12) },
  pageUp: { keys: ['PageUp'], label: 'command.pageUp', group: 'list', run: move(-12) },
  first: {
    keys: ['Home'],
    label: 'command.first',
    group: 'list',
    run: (app) => app.setCursor(0),
  },
  last: {
    keys: ['End'],
    label: 'command.last',
    group: 'list',
    run: (app) => app.setCursor(Number.MAX_SAFE_INTEGER),
  },
  open: {
    keys: ['Enter', 'o'],
    label: 'command.open',
    group: 'list',
    run: (app) => app.openRow(app.cursor),
  },
  close: { keys: ['Escape', 'u'], label: 'command.close', group: 'list', run: close },
  select: { keys: ['x', 'Space'], label: 'command.select', group: 'list', run: select },
  selectDown: {
    keys: ['Shift+J', 'Shift+ArrowDown'],
    label: 'command.selectDown',
    group: 'list',
    run: extend(1),
  },
  selectUp: {
    keys: ['Shift+K', 'Shift+ArrowUp'],
    label: 'command.selectUp',
    group: 'list',
    run: extend(-1),
  },
  selectAll: {
    keys: ['Control+a'],
    label: 'command.selectAll',
    group: 'list',
    run: (app) => app.selectAll(),
  },
  archive: {
    keys: ['e'],
    label: 'command.archive',
    group: 'mail',
    run: (app) => app.deeds.do({ kind: 'archive' }),
  },
  trash: {
    keys: ['Delete', '#'],
    label: 'command.trash',
    group: 'mail',
    run: (app) => app.deeds.do({ kind: 'trash' }),
  },
  junk: { keys: ['!'], label: 'command.junk', group: 'mail', run: junk },
  move: {
    keys: ['v'],
    label: 'command.move',
    group: 'mail',
    run: (app) => app.show({ kind: 'move', scope: 'selection' }),
  },
  star: { keys: ['s'], label: 'command.star', group: 'mail', run: star },
  read: {
    keys: ['Shift+I'],
    label: 'command.read',
    group: 'mail',
    run: (app) => app.deeds.do({ kind: 'read' }),
  },
  unread: {
    keys: ['Shift+U'],
    label: 'command.unread',
    group: 'mail',
    run: (app) => app.deeds.do({ kind: 'unread' }),
  },
  undo: {
    keys: ['z', 'Control+z'],
    label: 'command.undo',
    group: 'mail',
    run: (app) => app.notices.undo(),
  },
  compose: {
    keys: ['c'],
    label: 'command.compose',
    group: 'mail',
    run: (app) => app.composer('new'),
  },
  reply: { keys: ['r'], label: 'command.reply', group: 'mail', run: answer('reply') },
  replyAll: { keys: ['a'], label: 'command.replyAll', group: 'mail', run: answer('replyAll') },
  forward: { keys: ['f'], label: 'command.forward', group: 'mail', run: answer('forward') },
  goInbox: { keys: ['g i'], label: 'command.goInbox', group: 'go', run: goTo('inbox') },
  goDrafts: { keys: ['g d'], label: 'command.goDrafts', group: 'go', run: goTo('drafts') },
  goSent: { keys: ['g t'], label: 'command.goSent', group: 'go', run: goTo('sent') },
  goArchive: { keys: ['g a'], label: 'command.goArchive', group: 'go', run: goTo('archive') },
  goJunk: { keys: ['g j'], label: 'command.goJunk', group: 'go', run: goTo('junk') },
  goTrash: { keys: ['g x'], label: 'command.goTrash', group: 'go', run: goTo('trash') },
  goContacts: {
    keys: ['g c'],
    label: 'contacts.title',
    group: 'go',
    run: (app) => app.go({ kind: 'page', name: 'contacts', rest: [] }),
  },
  search: {
    keys: ['/', 'Control+k'],
    label: 'command.search',
    group: 'general',
    run: () => document.querySelector<HTMLInputElement>('#search')?.select(),
  },
  refresh: { keys: ['.'], label: 'command.refresh', group: 'general', run: (app) => app.news() },
  help: {
    keys: ['?'],
    label: 'command.help',
    group: 'general',
    run: (app) => app.show({ kind: 'help' }),
  },
} as const satisfies Record<string, Command>;

export type CommandName = keyof typeof COMMANDS;

const ROWS: readonly Command[] = Object.values(COMMANDS);

/** What the keys pressed so far mean: a command, the beginning of one, or nothing. */
export function commandOf(pressed: readonly string[]): Command | 'more' | undefined {
  const keys = pressed.join(' ');
  const found = ROWS.find((command) => command.keys.includes(keys));
  if (found) return found;
  return ROWS.some((row) => row.keys.some((key) => key.startsWith(`${keys} `)))
    ? 'more'
    : undefined;
}
