import { useLayoutEffect, useRef, useState } from 'preact/hooks';

import { escaped, htmlOfText } from '../compose/html.ts';
import type { Letter } from '../compose/letter.ts';
import type { Key } from '../i18n/text.ts';
import { useApp, useText } from './context.ts';
import type { IconName } from './icon.tsx';
import { IconButton } from './icon-button.tsx';

type Tool = readonly [icon: IconName, label: Key, command: string, value?: string];

const TOOLS: readonly Tool[] = [
  ['bold', 'compose.bold', 'bold'],
  ['italic', 'compose.italic', 'italic'],
  ['underline', 'compose.underline', 'underline'],
  ['bullets', 'compose.bullets', 'insertUnorderedList'],
  ['quote', 'compose.quote', 'formatBlock', 'blockquote'],
];

/** Deprecated, with nothing that took its place: only so the browser's own Undo knows of it. */
function command(name: string, value?: string): void {
  // oxlint-disable-next-line typescript/no-deprecated
  document.execCommand(name, false, value);
}

/** The browser's own editor; what is put into it was cleaned (`compose/clean.ts`). */
export function HtmlEditor({ letter }: { letter: Letter }) {
  const { letters, browser } = useApp();
  const text = useText();
  const editor = useRef<HTMLDivElement>(null);
  const typed = useRef<string | undefined>(undefined);
  useLayoutEffect(() => {
    const element = editor.current;
    // What the user types comes back as it is: the cursor must not move.
    if (!element || typed.current === letter.body) return;
    const caret = element === document.activeElement ? caretIn(element) : undefined;
    element.innerHTML = letter.body;
    typed.current = letter.body;
    if (caret) putCaret(element, caret);
  }, [letter.body]);
  const tell = (): void => {
    typed.current = editor.current?.innerHTML ?? '';
    letters.edit({ body: typed.current });
  };
  const put = (html: string): void => {
    editor.current?.focus();
    command('insertHTML', html);
    tell();
  };
  const takeFiles = (files: readonly File[]): void => {
    const shown = new Map<File, string>();
    for (const file of files) if (isPicture(file)) shown.set(file, `${browser.newId()}@mailfarm`);
    letters.attach(files, (file) => shown.get(file));
    for (const [file, cid] of shown) {
      const picture = document.createElement('img');
      Object.assign(picture, { src: URL.createObjectURL(file), alt: file.name });
      picture.dataset['cid'] = cid;
      putPicture(editor.current, picture);
    }
    if (shown.size > 0) tell();
  };
  const paste = async (event: ClipboardEvent | DragEvent, from: DataTransfer): Promise<void> => {
    const [files, html] = [[...from.files], from.getData('text/html')];
    if (files.length === 0 && html === '') return; // Text: as the browser does it.
    event.preventDefault();
    event.stopPropagation();
    if (files.length > 0) return takeFiles(files);
    // What was carried is gone after a moment. Code that cannot be loaded costs the format only.
    const plain = htmlOfText(from.getData('text/plain'));
    const cleaner = await import('../compose/clean.ts').catch(() => undefined);
    put(cleaner ? cleaner.cleanHtml(html) : plain);
  };
  return (
    <>
      <Toolbar onDone={tell} onPictures={takeFiles} onLink={put} />
      <div
        class="compose-text compose-html"
        ref={editor}
        contentEditable
        role="textbox"
        aria-multiline="true"
        aria-label={text.say('compose.body')}
        dir="auto"
        onInput={tell}
        onPaste={(event) => event.clipboardData && void paste(event, event.clipboardData)}
        onDrop={(event) => event.dataTransfer && void paste(event, event.dataTransfer)}
      />
    </>
  );
}

/** Which child of which child the cursor is in, and where in it. */
interface Caret {
  readonly path: readonly number[];
  readonly offset: number;
}

function caretIn(editor: HTMLElement): Caret | undefined {
  const selection = getSelection();
  const at = selection?.rangeCount ? selection.getRangeAt(0) : undefined;
  if (!at || !editor.contains(at.startContainer)) return undefined;
  const path: number[] = [];
  for (let node: Node = at.startContainer; node !== editor && node.parentNode;) {
    path.unshift([...node.parentNode.childNodes].indexOf(node as ChildNode));
    node = node.parentNode;
  }
  return { path, offset: at.startOffset };
}

/** What is put in by us (a signature that came late) stands after the cursor: it does not move. */
function putCaret(editor: HTMLElement, { path, offset }: Caret): void {
  let node: Node | undefined = editor;
  for (const at of path) node = node?.childNodes[at];
  if (!node) return;
  const most = node instanceof Text ? node.length : node.childNodes.length;
  getSelection()?.collapse(node, Math.min(offset, most));
}

/** Where the cursor is, else at the end. The browser's own command would add a style of its own. */
function putPicture(editor: HTMLElement | null, picture: Element): void {
  const selection = getSelection();
  const at = selection?.rangeCount ? selection.getRangeAt(0) : undefined;
  if (!editor || !at || !editor.contains(at.commonAncestorContainer)) {
    editor?.append(picture);
    return;
  }
  at.deleteContents();
  at.insertNode(picture);
  at.collapse(false);
}

const isPicture = ({ type }: File): boolean => /^image\/(png|jpeg|gif|webp)$/.test(type);

interface ToolbarParts {
  readonly onDone: () => void;
  readonly onPictures: (files: readonly File[]) => void;
  readonly onLink: (html: string) => void;
}

function Toolbar({ onDone, onPictures, onLink }: ToolbarParts) {
  const text = useText();
  const picker = useRef<HTMLInputElement>(null);
  const [selected, setSelected] = useState<Range | undefined>();
  return (
    <div class="compose-tools" role="group" aria-label={text.say('compose.toolbar')}>
      {/* A press must not take the focus, and with it the selection, from the text. */}
      <span class="tools" onMouseDown={(event) => event.preventDefault()}>
        {TOOLS.map(([icon, label, name, value]) => (
          <IconButton
            key={name}
            icon={icon}
            label={text.say(label)}
            onClick={() => {
              command(name, value);
              onDone();
            }}
          />
        ))}
        <IconButton
          icon="link"
          label={text.say('compose.link')}
          expanded={selected !== undefined}
          onClick={() => {
            const selection = getSelection();
            const at = selection?.rangeCount ? selection.getRangeAt(0) : document.createRange();
            setSelected(selected ? undefined : at.cloneRange());
          }}
        />
        <IconButton
          icon="picture"
          label={text.say('compose.picture')}
          onClick={() => picker.current?.click()}
        />
      </span>
      <input
        ref={picker}
        type="file"
        accept="image/png,image/jpeg,image/gif,image/webp"
        multiple
        hidden
        onChange={({ currentTarget }) => {
          onPictures([...(currentTarget.files ?? [])]);
          currentTarget.value = '';
        }}
      />
      {selected && (
        <LinkForm
          onAdd={(url) => {
            setSelected(undefined);
            if (url === undefined) return;
            const selection = getSelection();
            selection?.removeAllRanges();
            selection?.addRange(selected);
            const words = selected.toString() || url;
            onLink(`<a href="${escaped(url)}">${escaped(words)}</a>`);
          }}
        />
      )}
    </div>
  );
}

function LinkForm({ onAdd }: { onAdd: (url: string | undefined) => void }) {
  const text = useText();
  const [url, setUrl] = useState('https://');
  const add = (): void => onAdd(/^(https?:\/\/|mailto:)[^\s]+$/i.test(url) ? url : undefined);
  return (
    <span class="link-form">
      <input
        type="url"
        dir="ltr"
        autoFocus
        aria-label={text.say('compose.linkAddress')}
        value={url}
        onInput={(event) => setUrl(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' && event.key !== 'Escape') return;
          event.preventDefault();
          if (event.key === 'Enter') add();
          else onAdd(undefined);
        }}
      />
      <button type="button" class="text-button" onClick={add}>
        {text.say('compose.linkAdd')}
      </button>
    </span>
  );
}
