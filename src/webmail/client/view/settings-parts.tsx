import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';

import { ask } from '../settings/self-care.ts';
import { useApp, useText } from './context.ts';

export interface Fetched<T> {
  readonly value: T | undefined;
  readonly why: string | undefined;
  readonly again: () => void;
}

/** What a page begins with, from the server. */
export function useFetched<T>(url: string): Fetched<T> {
  const app = useApp();
  const [value, setValue] = useState<T | undefined>();
  const [why, setWhy] = useState<string | undefined>();
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let isWanted = true;
    void ask<T>(app, 'GET', url).then((asked) => {
      if (!isWanted) return;
      if (asked.kind === 'done') setValue(asked.value);
      setWhy(asked.kind === 'done' ? undefined : asked.why);
    });
    return () => {
      isWanted = false;
    };
  }, [url, turn]);
  return { value, why, again: () => setTurn((before) => before + 1) };
}

interface WaitingParts {
  readonly why: string | undefined;
  readonly again?: () => void;
}

/** Until the server has told. */
export function Waiting({ why, again }: WaitingParts) {
  const text = useText();
  if (why === undefined) return <p role="status">{text.say('settings.loading')}</p>;
  return (
    <div class="form-trouble" role="alert">
      <p>{why}</p>
      {again && (
        <button type="button" class="button" onClick={again}>
          {text.say('do.retry')}
        </button>
      )}
    </div>
  );
}

export interface FormParts {
  readonly label: string;
  readonly children: ComponentChildren;
  /** @returns why not; undefined: it is done */
  readonly onSubmit: () => Promise<string | undefined>;
  /** There is a second button. */
  readonly onCancel?: () => void;
  readonly grave?: boolean;
}

/** Fields, a button, and what came of it. */
export function SettingsForm({ label, children, onSubmit, onCancel, grave = false }: FormParts) {
  const text = useText();
  const [state, setState] = useState<'new' | 'busy' | 'done'>('new');
  const [why, setWhy] = useState<string | undefined>();
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (state === 'busy') return;
    setState('busy');
    setWhy(undefined);
    const refused = await onSubmit();
    setState(refused === undefined ? 'done' : 'new');
    setWhy(refused);
  };
  return (
    <form
      class="settings-form"
      onSubmit={(event) => void submit(event)}
      onInput={() => state === 'done' && setState('new')}
    >
      {children}
      <p class="form-trouble" role="alert">
        {why}
      </p>
      <div class="settings-buttons">
        <button
          type="submit"
          class={grave ? 'button button-grave' : 'button button-main'}
          disabled={state === 'busy'}
        >
          {label}
        </button>
        {onCancel && (
          <button type="button" class="button" onClick={onCancel}>
            {text.say('do.cancel')}
          </button>
        )}
        <span role="status">{state === 'done' && text.say('settings.done')}</span>
      </div>
    </form>
  );
}

export interface FieldParts {
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly type?: 'text' | 'password' | 'date';
  readonly autoComplete?: string;
  readonly required?: boolean;
  readonly hint?: string;
}

export function Field({ label, value, onInput, hint, type = 'text', ...others }: FieldParts) {
  return (
    <label class="field">
      <span>{label}</span>
      <input
        {...others}
        {...({ type } as { type: 'text' })}
        dir="auto"
        value={value}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {hint !== undefined && <small>{hint}</small>}
    </label>
  );
}
