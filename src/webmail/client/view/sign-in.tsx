import { useEffect, useRef, useState } from 'preact/hooks';

import type { SignInResult } from '../auth.ts';
import type { Text } from '../i18n/text.ts';
import { useApp, useText } from './context.ts';

/** The form alone: on its own page, and above a page whose session has ended. */
export function SignInForm() {
  const app = useApp();
  const text = useText();
  const [login, setLogin] = useState(() => app.login);
  const [password, setPassword] = useState('');
  const [code, setCode] = useState<string | undefined>();
  const [isBusy, setBusy] = useState(false);
  const [result, setResult] = useState<SignInResult | undefined>();
  const asksCode = code !== undefined;

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    const said = await app.signIn({
      login: login.trim(),
      password,
      ...(code && { code: code.trim() }),
    });
    setBusy(false);
    setResult(said);
    if (said.kind === 'code-needed') setCode('');
  };

  const trouble = result && troubleText(result, text);
  return (
    <form class="sign-in-form" onSubmit={(event) => void submit(event)}>
      <label class="field">
        <span>{text.say('signIn.login')}</span>
        <input
          type="text"
          name="login"
          inputMode="email"
          autoComplete="username"
          autoCapitalize="none"
          spellcheck={false}
          required
          autoFocus={login === ''}
          value={login}
          onInput={(event) => setLogin(event.currentTarget.value)}
        />
      </label>
      <label class="field">
        <span>{text.say('signIn.password')}</span>
        <input
          type="password"
          name="password"
          autoComplete="current-password"
          required
          autoFocus={login !== ''}
          value={password}
          onInput={(event) => setPassword(event.currentTarget.value)}
        />
      </label>
      {asksCode && <CodeField code={code} onCode={setCode} />}
      <p class="form-trouble" role="alert">
        {trouble}
      </p>
      <button type="submit" class="button button-main" disabled={isBusy}>
        {text.say(isBusy ? 'signIn.busy' : 'signIn.button')}
      </button>
    </form>
  );
}

/** Comes in when the password was right, and takes the focus. */
function CodeField({ code, onCode }: { code: string; onCode: (code: string) => void }) {
  const text = useText();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  return (
    <label class="field">
      <span>{text.say('signIn.code')}</span>
      <input
        ref={field}
        type="text"
        name="code"
        inputMode="numeric"
        autoComplete="one-time-code"
        required
        aria-describedby="code-text"
        value={code}
        onInput={(event) => onCode(event.currentTarget.value)}
      />
      <small id="code-text">{text.say('signIn.codeText')}</small>
    </label>
  );
}

function troubleText(result: SignInResult, text: Text): string | undefined {
  switch (result.kind) {
    case 'refused':
      return text.say('signIn.refused');
    case 'code-refused':
      return text.say('signIn.codeRefused');
    case 'suspended':
      return text.say('signIn.suspended');
    case 'throttled':
      return text.say('signIn.throttled', { count: result.retryAfterSeconds });
    case 'unavailable':
      return text.say('signIn.unavailable');
    default:
      return undefined;
  }
}

export function SignInPage() {
  const app = useApp();
  const text = useText();
  const [isHere] = useState(() => app.takeSignedOutHere());
  return (
    <main class="sign-in-page">
      <div class="sign-in-card">
        <Mark />
        <h1>{text.say('signIn.title')}</h1>
        {isHere && (
          <p class="sign-in-told" role="alert">
            {text.say('signOut.here')}
          </p>
        )}
        <SignInForm />
      </div>
    </main>
  );
}

/** The envelope that stands for the product. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect class="mark-ground" width="32" height="32" rx="9" />
      <path class="mark-line" d="M8 11.500h16v10H8zM8.500 12l7.500 6 7.500-6" />
    </svg>
  );
}
