import { useState } from 'preact/hooks';

import { ask, dayOf, momentOf, type Self } from '../settings/self-care.ts';
import { useApp, useText } from './context.ts';
import { Field, SettingsForm, useFetched, Waiting } from './settings-parts.tsx';

export function VacationSettings() {
  const { value, why } = useFetched<Self>('/self');
  return value ? <VacationForm self={value} /> : <Waiting why={why} />;
}

function VacationForm({ self: { vacation } }: { self: Self }) {
  const app = useApp();
  const text = useText();
  const [isOn, setOn] = useState(vacation !== null);
  const [words, setWords] = useState(vacation?.text ?? '');
  const [subject, setSubject] = useState(vacation?.subject ?? '');
  const [from, setFrom] = useState(dayOf(vacation?.from));
  const [until, setUntil] = useState(dayOf(vacation?.until && vacation.until - 1));
  const save = async (): Promise<string | undefined> => {
    const dates = { from: momentOf(from) ?? null, until: momentOf(until, 1) ?? null };
    const asked = await ask(app, 'PUT', '/self/vacation', {
      text: isOn ? words : null,
      subject: subject.trim() || null,
      ...dates,
    });
    return asked.kind === 'done' ? undefined : asked.why;
  };
  return (
    <SettingsForm label={text.say('settings.save')} onSubmit={save}>
      <p class="sheet-text">{text.say('settings.vacationText')}</p>
      <label class="check-field">
        <input
          type="checkbox"
          checked={isOn}
          onChange={(event) => setOn(event.currentTarget.checked)}
        />
        {text.say('settings.vacationOn')}
      </label>
      {isOn && (
        <>
          <Field
            label={text.say('compose.subject')}
            value={subject}
            onInput={setSubject}
            hint={text.say('settings.optional')}
          />
          <label class="field">
            <span>{text.say('settings.vacationWords')}</span>
            <textarea
              rows={8}
              required
              dir="auto"
              value={words}
              onInput={(event) => setWords(event.currentTarget.value)}
            />
          </label>
          <Field
            type="date"
            label={text.say('settings.firstDay')}
            value={from}
            onInput={setFrom}
            hint={text.say('settings.optional')}
          />
          <Field
            type="date"
            label={text.say('settings.lastDay')}
            value={until}
            onInput={setUntil}
            hint={text.say('settings.optional')}
          />
        </>
      )}
    </SettingsForm>
  );
}

export function ForwardSettings() {
  const { value, why } = useFetched<Self>('/self');
  return value ? <ForwardForm self={value} /> : <Waiting why={why} />;
}

function ForwardForm({ self }: { self: Self }) {
  const app = useApp();
  const text = useText();
  const [addresses, setAddresses] = useState(self.forwards.join('\n'));
  const [keep, setKeep] = useState(self.keep || self.forwards.length === 0);
  const save = async (): Promise<string | undefined> => {
    const forwards = addresses.split(/[\s,;]+/).filter((one) => one !== '');
    const asked = await ask(app, 'PUT', '/self/forwards', { forwards, keep });
    return asked.kind === 'done' ? undefined : asked.why;
  };
  return (
    <SettingsForm label={text.say('settings.save')} onSubmit={save}>
      <label class="field">
        <span>{text.say('settings.forwardTo')}</span>
        <textarea
          rows={4}
          dir="ltr"
          value={addresses}
          onInput={(event) => setAddresses(event.currentTarget.value)}
        />
        <small>{text.say('settings.forwardText')}</small>
      </label>
      <label class="check-field">
        <input
          type="checkbox"
          checked={keep}
          onChange={(event) => setKeep(event.currentTarget.checked)}
        />
        {text.say('settings.keep')}
      </label>
    </SettingsForm>
  );
}
