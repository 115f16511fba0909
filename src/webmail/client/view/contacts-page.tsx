import { useEffect, useRef, useState } from 'preact/hooks';

import { isAddress, type Contact } from '../compose/addresses.ts';
import { found, putContact, removeContact } from '../compose/contacts.ts';
import { useApp, useText } from './context.ts';
import { IconButton } from './icon-button.tsx';
import { hueOf, initialOf } from './names.ts';
import { Field, SettingsForm, useFetched, Waiting } from './settings-parts.tsx';

/** Those who were written to, and those who were written down: found, added, changed, removed. */
export default function ContactsPage() {
  const text = useText();
  const { value, why, again } = useFetched<{ readonly contacts: readonly Contact[] }>(
    '/self/contacts',
  );
  return (
    <section class="settings-section contacts" aria-labelledby="contacts-title">
      <h2 id="contacts-title">{text.say('contacts.title')}</h2>
      {value ? (
        <Contacts all={value.contacts} again={again} />
      ) : (
        <Waiting why={why} again={again} />
      )}
    </section>
  );
}

interface ListParts {
  readonly all: readonly Contact[];
  readonly again: () => void;
}

function Contacts({ all, again }: ListParts) {
  const text = useText();
  const [words, setWords] = useState('');
  /** The id of the one that is changed; '': a new one. */
  const [edited, setEdited] = useState<string | undefined>();
  const list = useRef<HTMLUListElement>(null);
  const shown = found(all, words, text.language);
  const close = (focused: string): void => {
    setEdited(undefined);
    // The button that opened the form is drawn again: it gets the focus back.
    requestAnimationFrame(() => {
      (document.querySelector<HTMLElement>(focused) ?? list.current)?.focus();
    });
  };
  const saved = (focused: string): void => {
    close(focused);
    again();
  };
  return (
    <>
      <p class="sheet-text">{text.say('contacts.text')}</p>
      <div class="contacts-tools">
        <input
          type="search"
          class="contacts-search"
          dir="auto"
          aria-label={text.say('contacts.search')}
          placeholder={text.say('contacts.search')}
          value={words}
          onInput={(event) => setWords(event.currentTarget.value)}
        />
        <button type="button" class="button contacts-add" onClick={() => setEdited('')}>
          {text.say('contacts.add')}
        </button>
      </div>
      {edited === '' && (
        <ContactForm
          contact={undefined}
          onClose={() => close('.contacts-add')}
          onSaved={() => saved('.contacts-add')}
        />
      )}
      <Found count={shown.length} of={all.length} />
      <ul class="settings-list" ref={list} tabIndex={-1} aria-labelledby="contacts-title">
        {shown.map((one) => (
          <li key={one.id} data-contact={one.id}>
            {edited === one.id ? (
              <ContactForm
                contact={one}
                onClose={() => close(`[data-contact="${one.id}"] .contact-edit`)}
                // Its row may be another one now.
                onSaved={() => saved('.contacts .settings-list')}
              />
            ) : (
              <ContactRow
                contact={one}
                onEdit={() => setEdited(one.id)}
                onRemoved={() => {
                  list.current?.focus();
                  again();
                }}
              />
            )}
          </li>
        ))}
      </ul>
    </>
  );
}

/** How many, for ears; and for all, that there are none. */
function Found({ count, of }: { count: number; of: number }) {
  const text = useText();
  return (
    <>
      <p class="for-ears" role="status">
        {text.say('contacts.count', { count })}
      </p>
      {count === 0 && (
        <p class="sheet-text">{text.say(of === 0 ? 'contacts.none' : 'contacts.notFound')}</p>
      )}
    </>
  );
}

interface RowParts {
  readonly contact: Contact;
  readonly onEdit: () => void;
  /** Or put back. */
  readonly onRemoved: () => void;
}

function ContactRow({ contact, onEdit, onRemoved }: RowParts) {
  const app = useApp();
  const text = useText();
  const name = contact.name ?? contact.email;
  const remove = async (): Promise<void> => {
    const why = await removeContact(app, contact);
    if (why !== undefined) {
      return app.notices.show({ kind: 'failed', key: 'failed.change', values: { why } });
    }
    const undo = (): void => void putContact(app, contact).then(onRemoved);
    app.notices.show({ kind: 'done', key: 'contacts.removed', values: { name }, undo });
    onRemoved();
  };
  return (
    <>
      <span class={`avatar hue-${hueOf(contact)}`} aria-hidden="true">
        {initialOf(contact)}
      </span>
      <span class="settings-item">
        <bdi>{name}</bdi>
        {contact.name !== null && (
          <small>
            <bdi>{contact.email}</bdi>
          </small>
        )}
      </span>
      <IconButton
        icon="compose"
        label={text.say('contacts.write', { name })}
        onClick={() => void app.letters.open('new', undefined, [contact])}
      />
      <button type="button" class="text-button contact-edit" onClick={onEdit}>
        {text.say('contacts.change')}
        <span class="for-ears"> {name}</span>
      </button>
      <IconButton
        icon="trash"
        label={text.say('contacts.remove', { name })}
        onClick={() => void remove()}
      />
    </>
  );
}

interface FormParts {
  /** undefined: a new one. */
  readonly contact: Contact | undefined;
  readonly onClose: () => void;
  readonly onSaved: () => void;
}

function ContactForm({ contact, onClose, onSaved }: FormParts) {
  const app = useApp();
  const text = useText();
  const [name, setName] = useState(contact?.name ?? '');
  const [email, setEmail] = useState(contact?.email ?? '');
  const save = async (): Promise<string | undefined> => {
    if (!isAddress(email.trim())) return text.say('contacts.badAddress');
    const person = { name: name.trim() || null, email: email.trim() };
    const why = await putContact(app, person, contact?.id);
    if (why === undefined) onSaved();
    return why;
  };
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => frame.current?.querySelector('input')?.focus(), []);
  return (
    <div
      class="contact-form"
      ref={frame}
      role="group"
      aria-label={contact?.email ?? text.say('contacts.add')}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        onClose();
      }}
    >
      <SettingsForm label={text.say('settings.save')} onSubmit={save} onCancel={onClose}>
        <Field label={text.say('contacts.name')} value={name} onInput={setName} />
        <Field label={text.say('signIn.login')} value={email} onInput={setEmail} required />
      </SettingsForm>
    </div>
  );
}
