import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

import type { Letter } from '../compose/letter.ts';
import { ComposeFiles } from './compose-files.tsx';
import { HtmlEditor } from './compose-editor.tsx';
import { useApp, useText } from './context.ts';
import { Icon } from './icon.tsx';
import { IconButton } from './icon-button.tsx';
import { PeopleField } from './people-field.tsx';

/** The letter that is written, above the page: in a corner of a desk, all of a phone. */
export function ComposePane() {
  const { letters } = useApp();
  return letters.letter ? <Writing key={letters.letter.id} letter={letters.letter} /> : null;
}

function Writing({ letter }: { letter: Letter }) {
  const app = useApp();
  const text = useText();
  const { letters } = app;
  const [isOver, setOver] = useState(false);
  const frame = useRef<HTMLElement>(null);
  useFirstFocus(frame, letter);
  return (
    <section
      class={isOver ? 'compose is-over' : 'compose'}
      ref={frame}
      role="dialog"
      aria-label={text.say('compose.title')}
      onKeyDown={(event) => {
        if (event.key === 'Escape' && !event.defaultPrevented) void letters.close();
        if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        letters.send(letters.doubt !== undefined);
      }}
      onDragOver={(event) => {
        if (!event.dataTransfer?.types.includes('Files')) return;
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        setOver(false);
        const files = [...(event.dataTransfer?.files ?? [])];
        if (files.length === 0) return;
        event.preventDefault();
        letters.attach(files);
      }}
    >
      <div class="compose-head">
        <h2 dir="auto">{letter.subject || text.say('do.compose')}</h2>
        <SaveState />
        <IconButton
          icon="close"
          label={text.say('compose.close')}
          onClick={() => void letters.close()}
        />
      </div>
      <Heads letter={letter} />
      {letter.isPlain ? <PlainEditor letter={letter} /> : <HtmlEditor letter={letter} />}
      <ComposeFiles letter={letter} />
      <Foot letter={letter} />
      {isOver && <p class="compose-drop">{text.say('compose.drop')}</p>}
    </section>
  );
}

/** Where the writing goes on: to whom, or in the text. */
function useFirstFocus(frame: { readonly current: HTMLElement | null }, letter: Letter): void {
  useEffect(() => {
    const selector = letter.to.length > 0 ? '.compose-text' : '.people-input';
    const before = document.activeElement;
    frame.current?.querySelector<HTMLElement>(selector)?.focus();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
}

function SaveState() {
  const app = useApp();
  const text = useText();
  const { status, error } = app.letters;
  const { link } = app.connection;
  // The letter stands over the banner that says why nothing is saved.
  const waits = status === 'saving' && (link.kind === 'trouble' || link.kind === 'away');
  const why = link.kind === 'trouble' ? link.text : text.say('link.away');
  const isGrave = status === 'failed' || waits;
  const said = isGrave
    ? text.say('compose.unsaved', { why: waits ? why : (error ?? '') })
    : status === 'fresh'
      ? ''
      : text.say(`compose.${status}`);
  return (
    <p class={isGrave ? 'compose-state is-grave' : 'compose-state'} role="status">
      <span dir="auto">{said}</span>{' '}
      {isGrave && (
        <button
          type="button"
          class="text-button"
          onClick={() => (waits ? app.connection.wake() : app.letters.flush())}
        >
          {text.say('do.retry')}
        </button>
      )}
    </p>
  );
}

function Heads({ letter }: { letter: Letter }) {
  const app = useApp();
  const text = useText();
  const { letters } = app;
  const [hasCopies, setCopies] = useState(letter.cc.length + letter.bcc.length > 0);
  return (
    <div class="compose-heads">
      {letters.identities.length > 1 && (
        <label class="compose-field">
          <span>{text.say('compose.from')}</span>
          <select
            value={letter.identityId}
            onChange={(event) => letters.setSender(event.currentTarget.value)}
          >
            {letters.identities.map(({ id, name, email }) => (
              <option key={id} value={id}>
                {name === '' ? email : `${name} <${email}>`}
              </option>
            ))}
          </select>
        </label>
      )}
      <PeopleField
        label={text.say('message.to')}
        people={letter.to}
        onChange={(to) => letters.edit({ to })}
      />
      {hasCopies ? (
        <>
          <PeopleField
            label={text.say('message.cc')}
            people={letter.cc}
            onChange={(cc) => letters.edit({ cc })}
          />
          <PeopleField
            label={text.say('message.bcc')}
            people={letter.bcc}
            onChange={(bcc) => letters.edit({ bcc })}
          />
        </>
      ) : (
        <button type="button" class="text-button show-copies" onClick={() => setCopies(true)}>
          {text.say('compose.showCc')}
        </button>
      )}
      <label class="compose-field">
        <span>{text.say('compose.subject')}</span>
        <input
          type="text"
          dir="auto"
          maxLength={900}
          value={letter.subject}
          onInput={(event) => letters.edit({ subject: event.currentTarget.value })}
        />
      </label>
    </div>
  );
}

function PlainEditor({ letter }: { letter: Letter }) {
  const { letters } = useApp();
  const text = useText();
  const field = useRef<HTMLTextAreaElement>(null);
  // A signature that comes late is put in after the cursor, which must not move.
  const caret = field.current?.selectionStart;
  useLayoutEffect(() => {
    if (caret !== undefined && field.current === document.activeElement) {
      field.current?.setSelectionRange(caret, caret);
    }
  }, [letters.identities]);
  return (
    <textarea
      class="compose-text"
      ref={field}
      dir="auto"
      aria-label={text.say('compose.body')}
      value={letter.body}
      onInput={(event) => letters.edit({ body: event.currentTarget.value })}
      onPaste={(event) => {
        const files = [...(event.clipboardData?.files ?? [])];
        if (files.length === 0) return;
        event.preventDefault();
        letters.attach(files);
      }}
    />
  );
}

function Foot({ letter }: { letter: Letter }) {
  const { letters } = useApp();
  const text = useText();
  const { doubt, error, status } = letters;
  const picker = useRef<HTMLInputElement>(null);
  return (
    <div class="compose-foot">
      <p class="compose-doubt" role="alert">
        {doubt && text.say(doubt === 'file' ? 'compose.noFile' : 'compose.noSubject')}
        {!doubt && status !== 'failed' && error}
      </p>
      <button
        type="button"
        class="button button-main"
        title={`${text.say('compose.send')} (Ctrl+Enter)`}
        onClick={() => letters.send(doubt !== undefined)}
      >
        <Icon name="sent" />
        {text.say(doubt ? 'compose.sendAnyway' : 'compose.send')}
      </button>
      <input
        ref={picker}
        type="file"
        multiple
        hidden
        onChange={({ currentTarget }) => {
          letters.attach([...(currentTarget.files ?? [])]);
          currentTarget.value = '';
        }}
      />
      <IconButton
        icon="attachment"
        label={text.say('compose.attach')}
        onClick={() => picker.current?.click()}
      />
      <label class="check-field compose-plain">
        <input
          type="checkbox"
          checked={letter.isPlain}
          onChange={(event) => letters.setKind(event.currentTarget.checked)}
        />
        {text.say('compose.plain')}
      </label>
      <IconButton
        class="compose-discard"
        icon="trash"
        label={text.say('compose.discard')}
        onClick={() => letters.discard()}
      />
    </div>
  );
}
