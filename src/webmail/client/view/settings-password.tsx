import { useState } from 'preact/hooks';

import { browserName } from '../settings/names.ts';
import { ask, type SignIn } from '../settings/self-care.ts';
import { useApp, useText } from './context.ts';
import { Field, SettingsForm, useFetched, Waiting } from './settings-parts.tsx';

export function PasswordSettings() {
  const app = useApp();
  const text = useText();
  const [current, setCurrent] = useState('');
  const [password, setPassword] = useState('');
  const [again, setAgain] = useState('');
  const save = async (): Promise<string | undefined> => {
    if (password !== again) return text.say('settings.notSame');
    const asked = await ask(app, 'PUT', '/self/password', { current, password });
    if (asked.kind !== 'done') return asked.why;
    for (const clear of [setCurrent, setPassword, setAgain]) clear('');
    return undefined;
  };
  return (
    <SettingsForm label={text.say('settings.changePassword')} onSubmit={save}>
      <p class="sheet-text">{text.say('settings.passwordText')}</p>
      <Field
        type="password"
        autoComplete="current-password"
        required
        label={text.say('settings.currentPassword')}
        value={current}
        onInput={setCurrent}
      />
      <Field
        type="password"
        autoComplete="new-password"
        required
        label={text.say('settings.newPassword')}
        value={password}
        onInput={setPassword}
      />
      <Field
        type="password"
        autoComplete="new-password"
        required
        label={text.say('settings.newPasswordAgain')}
        value={again}
        onInput={setAgain}
      />
    </SettingsForm>
  );
}

/** Where the account is signed in. */
export function SignInSettings() {
  const app = useApp();
  const text = useText();
  const { value, why, again } = useFetched<{ signIns: readonly SignIn[] }>('/self/sign-ins');
  if (!value) return <Waiting why={why} />;
  return (
    <ul class="settings-list">
      {value.signIns.map((one) => (
        <li key={one.id}>
          <span class="settings-item">
            <bdi title={one.agent}>{browserName(one.agent)}</bdi>
            <small>
              {app.formats.full(new Date(one.at).toISOString())}, <bdi>{one.address}</bdi>
            </small>
          </span>
          {one.current ? (
            <span>{text.say('settings.thisOne')}</span>
          ) : (
            <button
              type="button"
              class="text-button is-grave"
              onClick={() =>
                void ask(app, 'DELETE', `/self/sign-ins/${encodeURIComponent(one.id)}`).then(again)
              }
            >
              {text.say('settings.endSignIn')}
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
