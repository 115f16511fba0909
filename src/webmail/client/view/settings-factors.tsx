import { useMemo, useState } from 'preact/hooks';

import { serviceName } from '../settings/names.ts';
import { pathOf, qrCode } from '../settings/qr-code.ts';
import { ask, type AppPassword, type Self } from '../settings/self-care.ts';
import { useApp, useText } from './context.ts';
import { Field, SettingsForm, useFetched, Waiting } from './settings-parts.tsx';

interface Made {
  readonly appPasswords: readonly AppPassword[];
  readonly services: readonly string[];
}

/** Passwords of programs. */
export function AppPasswordSettings() {
  const app = useApp();
  const text = useText();
  const { value, why, again } = useFetched<Made>('/self/app-passwords');
  const [shown, setShown] = useState<string | undefined>();
  if (!value) return <Waiting why={why} />;
  return (
    <>
      <p class="sheet-text">{text.say('settings.appsText')}</p>
      <ul class="settings-list">
        {value.appPasswords.map((one) => (
          <li key={one.id}>
            <span class="settings-item">
              <bdi>{one.label}</bdi>
              <small>{one.services.map((service) => serviceName(service, text)).join(', ')}</small>
            </span>
            <button
              type="button"
              class="text-button is-grave"
              onClick={() => void ask(app, 'DELETE', `/self/app-passwords/${one.id}`).then(again)}
            >
              {text.say('settings.removeApp')}
            </button>
          </li>
        ))}
      </ul>
      {shown !== undefined && (
        <div class="settings-secret" role="status">
          <p>{text.say('settings.shownOnce')}</p>
          <code>{shown}</code>
        </div>
      )}
      <NewAppPassword
        services={value.services}
        onMade={(password) => {
          setShown(password);
          again();
        }}
      />
    </>
  );
}

interface NewAppParts {
  readonly services: readonly string[];
  readonly onMade: (password: string) => void;
}

function NewAppPassword({ services, onMade }: NewAppParts) {
  const app = useApp();
  const text = useText();
  const [label, setLabel] = useState('');
  const [password, setPassword] = useState('');
  const [chosen, setChosen] = useState<readonly string[]>(['imap', 'submission']);
  const make = async (): Promise<string | undefined> => {
    const body = { label, services: chosen, password };
    const asked = await ask<{ password: string }>(app, 'POST', '/self/app-passwords', body);
    if (asked.kind !== 'done') return asked.why;
    onMade(asked.value.password);
    setLabel('');
    setPassword('');
    return undefined;
  };
  return (
    <SettingsForm label={text.say('settings.makeApp')} onSubmit={make}>
      <h3>{text.say('settings.newApp')}</h3>
      <Field label={text.say('settings.appName')} required value={label} onInput={setLabel} />
      <fieldset class="settings-checks">
        <legend>{text.say('settings.appServices')}</legend>
        {services.map((one) => (
          <label key={one} class="check-field">
            <input
              type="checkbox"
              checked={chosen.includes(one)}
              onChange={({ currentTarget }) => {
                const others = chosen.filter((other) => other !== one);
                setChosen(currentTarget.checked ? [...others, one] : others);
              }}
            />
            {serviceName(one, text)}
          </label>
        ))}
      </fieldset>
      <Field
        type="password"
        autoComplete="current-password"
        required
        label={text.say('settings.currentPassword')}
        value={password}
        onInput={setPassword}
      />
    </SettingsForm>
  );
}

export function FactorSettings() {
  const text = useText();
  const { value, why, again } = useFetched<Self>('/self');
  const [codes, setCodes] = useState<readonly string[] | undefined>();
  if (!value) return <Waiting why={why} />;
  return (
    <>
      <p class="sheet-text">{text.say('settings.factorText')}</p>
      {codes && (
        <div class="settings-secret" role="status">
          <p>{text.say('settings.recoveryCodes')}</p>
          <ul>
            {codes.map((code) => (
              <li key={code}>
                <code>{code}</code>
              </li>
            ))}
          </ul>
        </div>
      )}
      {value.secondFactor ? (
        <FactorOn onCodes={setCodes} onOff={again} />
      ) : (
        <FactorOff
          onDone={(made) => {
            setCodes(made);
            again();
          }}
        />
      )}
    </>
  );
}

type Codes = readonly string[];

function FactorOff({ onDone }: { onDone: (codes: Codes) => void }) {
  const app = useApp();
  const text = useText();
  const [made, setMade] = useState<{ secret: string; uri: string } | undefined>();
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const url = '/self/second-factor';
  const begin = async (): Promise<string | undefined> => {
    const asked = await ask<{ secret: string; uri: string }>(app, 'POST', url, {});
    if (asked.kind !== 'done') return asked.why;
    setMade(asked.value);
    return undefined;
  };
  const confirm = async (): Promise<string | undefined> => {
    const body = { secret: made?.secret, code, password };
    const asked = await ask<{ recoveryCodes: Codes }>(app, 'PUT', url, body);
    if (asked.kind !== 'done') return asked.why;
    onDone(asked.value.recoveryCodes);
    return undefined;
  };
  if (!made) {
    return (
      <SettingsForm key="begin" label={text.say('settings.factorSetUp')} onSubmit={begin}>
        {null}
      </SettingsForm>
    );
  }
  return (
    // A form of its own: of the first one it would say that it is saved, which nothing is yet.
    <SettingsForm key="confirm" label={text.say('settings.factorTurnOn')} onSubmit={confirm}>
      <div class="settings-secret">
        <p>{text.say('settings.factorSecret')}</p>
        <Picture uri={made.uri} />
        <code>{made.secret.match(/.{1,4}/g)?.join(' ')}</code>
        <p>
          <a href={made.uri}>{text.say('settings.factorOpen')}</a>
        </p>
      </div>
      <CodeAndPassword {...{ code, setCode, password, setPassword }} />
    </SettingsForm>
  );
}

/** Light modules that a reader needs around a code (ISO/IEC 18004). */
const QUIET = 4;
const PICTURE_PIXELS = 208;

/** The address as a QR code, for the telephone's camera: dark on light in every theme. */
function Picture({ uri }: { uri: string }) {
  const text = useText();
  const code = useMemo(() => qrCode(uri), [uri]);
  if (!code) return null;
  const side = code.length + 2 * QUIET;
  return (
    <svg
      role="img"
      aria-label={text.say('settings.factorPicture')}
      width={PICTURE_PIXELS}
      height={PICTURE_PIXELS}
      viewBox={`${-QUIET} ${-QUIET} ${side} ${side}`}
      shape-rendering="crispEdges"
    >
      <rect x={-QUIET} y={-QUIET} width={side} height={side} fill="#fff" />
      <path d={pathOf(code)} fill="#000" />
    </svg>
  );
}

interface FactorOnParts {
  readonly onCodes: (codes: Codes) => void;
  readonly onOff: () => void;
}

function FactorOn({ onCodes, onOff }: FactorOnParts) {
  const app = useApp();
  const text = useText();
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [isOff, setOff] = useState(false);
  const url = '/self/second-factor';
  const submit = async (): Promise<string | undefined> => {
    const body = { password, code };
    if (isOff) {
      const asked = await ask(app, 'DELETE', url, body);
      if (asked.kind !== 'done') return asked.why;
      onOff();
      return undefined;
    }
    const asked = await ask<{ recoveryCodes: Codes }>(app, 'POST', `${url}/recovery-codes`, body);
    if (asked.kind !== 'done') return asked.why;
    onCodes(asked.value.recoveryCodes);
    setCode('');
    return undefined;
  };
  const label = text.say(isOff ? 'settings.factorTurnOff' : 'settings.newCodes');
  return (
    <SettingsForm label={label} onSubmit={submit} grave={isOff}>
      <p>{text.say('settings.factorIsOn')}</p>
      <label class="check-field">
        <input
          type="checkbox"
          checked={isOff}
          onChange={(event) => setOff(event.currentTarget.checked)}
        />
        {text.say('settings.factorTurnOff')}
      </label>
      <CodeAndPassword {...{ code, setCode, password, setPassword }} />
    </SettingsForm>
  );
}

interface CodeParts {
  readonly code: string;
  readonly setCode: (code: string) => void;
  readonly password: string;
  readonly setPassword: (password: string) => void;
}

function CodeAndPassword({ code, setCode, password, setPassword }: CodeParts) {
  const text = useText();
  return (
    <>
      <Field
        label={text.say('signIn.code')}
        autoComplete="one-time-code"
        required
        value={code}
        onInput={setCode}
      />
      <Field
        type="password"
        autoComplete="current-password"
        required
        label={text.say('settings.currentPassword')}
        value={password}
        onInput={setPassword}
      />
    </>
  );
}
