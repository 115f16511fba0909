import { useEffect, useState } from 'preact/hooks';

import { reasonOf } from '../compose/drafts.ts';
import type { Identity } from '../compose/letter.ts';
import { isLanguage, LANGUAGES, type Key } from '../i18n/text.ts';
import type { Choices } from '../model/settings.ts';
import { useApp, useText } from './context.ts';
import { Field, SettingsForm, Waiting } from './settings-parts.tsx';

const THEMES = ['auto', 'light', 'dark'] as const;
const DENSITIES = ['compact', 'roomy'] as const;
const DIRECTIONS = ['auto', 'ltr', 'rtl'] as const;

/** How this browser shows mail. */
export function LookSettings() {
  const app = useApp();
  const text = useText();
  const { choices } = app.settings;
  return (
    <div class="settings-form">
      <Select
        label={text.say('menu.language')}
        value={choices.language}
        options={['auto', ...Object.keys(LANGUAGES)]}
        name={(one) => (isLanguage(one) ? LANGUAGES[one].name : text.say('theme.auto'))}
        onChoose={(one) => app.settings.choose({ language: isLanguage(one) ? one : 'auto' })}
      />
      <Select
        label={text.say('menu.theme')}
        value={choices.theme}
        options={THEMES}
        name={(one) => text.say(`theme.${one}`)}
        onChoose={(theme) => app.settings.choose({ theme })}
      />
      <Select
        label={text.say('settings.density')}
        value={choices.density}
        options={DENSITIES}
        name={(one) => text.say(`density.${one}`)}
        onChoose={(density) => app.settings.choose({ density })}
      />
      <Select
        label={text.say('settings.direction')}
        value={choices.direction}
        options={DIRECTIONS}
        name={(one) => text.say(`direction.${one}`)}
        onChoose={(direction) => app.settings.choose({ direction })}
      />
      <Check name="threads" />
      <Check name="plain" />
      <Check name="shortcuts" />
    </div>
  );
}

interface SelectParts<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly T[];
  readonly name: (one: T) => string;
  readonly onChoose: (one: T) => void;
}

function Select<T extends string>({ label, value, options, name, onChoose }: SelectParts<T>) {
  return (
    <label class="menu-field settings-select">
      <span>{label}</span>
      <select
        value={value}
        onChange={({ currentTarget }) => {
          const chosen = options.find((one) => one === currentTarget.value);
          if (chosen !== undefined) onChoose(chosen);
        }}
      >
        {options.map((one) => (
          <option key={one} value={one}>
            {name(one)}
          </option>
        ))}
      </select>
    </label>
  );
}

const CHECKS = {
  threads: 'settings.threads',
  plain: 'settings.plain',
  shortcuts: 'keys.on',
} as const satisfies Partial<Record<keyof Choices, Key>>;

function Check({ name }: { name: keyof typeof CHECKS }) {
  const { settings } = useApp();
  const text = useText();
  return (
    <label class="check-field">
      <input
        type="checkbox"
        checked={settings.choices[name]}
        onChange={(event) => settings.choose({ [name]: event.currentTarget.checked })}
      />
      {text.say(CHECKS[name])}
    </label>
  );
}

/** Name and signature of each address: kept in the mailbox, so the same in all browsers. */
export function SignatureSettings() {
  const app = useApp();
  const [all, setAll] = useState<readonly Identity[] | undefined>();
  const [why, setWhy] = useState<string | undefined>();
  useEffect(() => {
    const batch = app.newBatch();
    const call = batch.add('Identity/get', { ids: null });
    app.connection
      .send(batch)
      .then((answers) => setAll(answers.of(call).list))
      .catch((error: unknown) => setWhy(String(error)));
  }, []);
  if (!all) return <Waiting why={why} />;
  return (
    <>
      {all.map((one) => (
        <IdentityForm key={one.id} identity={one} />
      ))}
    </>
  );
}

function IdentityForm({ identity }: { identity: Identity }) {
  const app = useApp();
  const text = useText();
  const [name, setName] = useState(identity.name);
  const [textSignature, setSignature] = useState(identity.textSignature);
  const save = async (): Promise<string | undefined> => {
    const batch = app.newBatch();
    const update = { [identity.id]: { name, textSignature } };
    const call = batch.add('Identity/set', { update });
    const refused = (await app.connection.send(batch)).of(call).notUpdated?.[identity.id];
    app.letters.forgetIdentities();
    return refused && reasonOf(refused);
  };
  return (
    <SettingsForm label={text.say('settings.save')} onSubmit={save}>
      <h3>
        <bdi>{identity.email}</bdi>
      </h3>
      <Field label={text.say('settings.name')} value={name} onInput={setName} autoComplete="name" />
      <label class="field">
        <span>{text.say('settings.signature')}</span>
        <textarea
          rows={5}
          dir="auto"
          value={textSignature}
          onInput={(event) => setSignature(event.currentTarget.value)}
        />
        <small>
          {text.say('settings.signatureText')}
          {identity.htmlSignature.trim() !== '' && ` ${text.say('settings.signatureHtml')}`}
        </small>
      </label>
    </SettingsForm>
  );
}
