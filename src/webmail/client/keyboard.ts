import { commandOf } from './commands.ts';
import type { App } from './model/app.ts';

/** What of a key event is looked at. */
export type KeyPress = Pick<
  KeyboardEvent,
  'key' | 'code' | 'shiftKey' | 'ctrlKey' | 'metaKey' | 'altKey'
>;

/** How long the second key of two may take. */
const SEQUENCE_MS = 1500;

/** Keys that are themselves on every keyboard, whatever the language. */
const NAMED = /^(Arrow\w+|Page\w+|Home|End|Enter|Escape|Delete)$/;

/**
 * The name of a key as the command table writes it; undefined: none of ours. Letters are those of
 * the Latin layout at that place, so that commands work while Cyrillic is typed.
 */
export function keyName(press: KeyPress): string | undefined {
  if (press.altKey) return undefined;
  const control = press.ctrlKey || press.metaKey;
  const letter = /^Key([A-Z])$/.exec(press.code)?.[1];
  const latin = press.key.length === 1 && press.key.charCodeAt(0) > 127 ? letter : undefined;
  const key = latin ? (press.shiftKey ? latin : latin.toLowerCase()) : press.key;
  const name = key === ' ' ? 'Space' : key;
  if (control) return `Control+${name.toLowerCase()}`;
  const shifted = press.shiftKey && (NAMED.test(name) || /^[A-Z]$/.test(name));
  return shifted ? `Shift+${name}` : name;
}

/** Follows the keys that are pressed anywhere on the page. @returns what ends it */
export function listen(app: App, target: Pick<Window, 'addEventListener' | 'removeEventListener'>) {
  let pressed: string[] = [];
  let callOff: (() => void) | undefined;
  const forget = (): void => {
    callOff?.();
    pressed = [];
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.isComposing || !isOurs(app, event)) return;
    const name = keyName(event);
    if (name === undefined || name === 'Shift') return;
    const found = commandOf([...pressed, name]) ?? commandOf([name]);
    if (found === undefined) return forget();
    event.preventDefault();
    if (found !== 'more') {
      forget();
      found.run(app);
      return;
    }
    forget();
    pressed = [name];
    callOff = app.browser.clock.after(SEQUENCE_MS, forget);
  };
  target.addEventListener('keydown', onKey);
  return () => target.removeEventListener('keydown', onKey);
}

/** Whoever writes, or looks at a sheet, gives no commands. */
function isOurs(app: App, event: KeyboardEvent): boolean {
  if (!app.isReady || app.sheet || app.connection.link.kind === 'signed-out') return false;
  if (app.route.kind === 'page') return false;
  const at = event.target instanceof Element ? event.target : undefined;
  if (at?.closest('input:not([type=checkbox]), textarea, select, [contenteditable], dialog')) {
    return false;
  }
  const plain = event.key.length === 1 && !event.ctrlKey && !event.metaKey && event.key !== ' ';
  if (plain && !app.settings.choices.shortcuts) return false;
  const inList = at === undefined || at === document.body || at.closest('[role=grid]') !== null;
  // A link or button that has the focus keeps the keys that press it, and those that scroll.
  return inList || plain || event.ctrlKey || event.metaKey || event.key === 'Escape';
}
