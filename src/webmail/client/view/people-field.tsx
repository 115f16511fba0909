import { useId, useState } from 'preact/hooks';

import { isAddress, suggestions, typedAddresses, type Contact } from '../compose/addresses.ts';
import { distinct } from '../compose/letter.ts';
import type { Address } from '../jmap/types.ts';
import { useApp, useText } from './context.ts';
import { IconButton } from './icon-button.tsx';
import { addressName } from './names.ts';

export interface PeopleFieldParts {
  readonly label: string;
  readonly people: readonly Address[];
  readonly onChange: (people: readonly Address[]) => void;
}

/** Addresses as chips, with those written to before suggested (a combobox of WAI-ARIA 1.2). */
export function PeopleField({ label, people, onChange }: PeopleFieldParts) {
  const app = useApp();
  const id = useId();
  const [typed, setTyped] = useState('');
  const [chosen, setChosen] = useState(-1);
  const found = suggestions(app.letters.contacts.all, typed, people);
  const add = (some: readonly Address[], rest = ''): void => {
    onChange(distinct([...people, ...some]));
    setTyped(rest);
    setChosen(-1);
  };
  const take = (value: string): void => {
    const { found: addresses, rest } = typedAddresses(value);
    if (addresses.length > 0) add(addresses, rest);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const suggested = found[chosen];
    const isEnd = event.key === 'Enter' || event.key === ',' || event.key === ';';
    if (event.ctrlKey || event.metaKey) return take(typed);
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      const by = event.key === 'ArrowDown' ? 1 : -1;
      setChosen(Math.max(-1, Math.min(found.length - 1, chosen + by)));
    } else if (event.key === 'Escape' && found.length > 0) setTyped('');
    else if (isEnd && suggested) add([{ name: suggested.name, email: suggested.email }]);
    else if (isEnd && (typed.trim() !== '' || event.key !== 'Enter')) take(typed);
    else if (event.key === 'Backspace' && typed === '') return onChange(people.slice(0, -1));
    else return;
    event.preventDefault();
  };
  return (
    <div class="compose-field people">
      <label for={id}>{label}</label>
      <div class="chips">
        <Chips people={people} onChange={onChange} />
        <input
          id={id}
          class="people-input"
          type="text"
          inputMode="email"
          autoComplete="off"
          autoCapitalize="off"
          spellcheck={false}
          dir="auto"
          role="combobox"
          aria-autocomplete="list"
          aria-expanded={found.length > 0}
          aria-controls={`${id}-list`}
          aria-activedescendant={chosen >= 0 ? `${id}-${chosen}` : undefined}
          aria-invalid={typed !== '' && found.length === 0 && !isAddress(typed.trim())}
          value={typed}
          onInput={(event) => {
            const { value } = event.currentTarget;
            setTyped(value);
            setChosen(-1);
          }}
          onPaste={(event) => {
            const pasted = event.clipboardData?.getData('text/plain') ?? '';
            const { found: addresses, rest } = typedAddresses(typed + pasted);
            if (addresses.length === 0) return;
            event.preventDefault();
            add(addresses, rest);
          }}
          onKeyDown={onKeyDown}
          onBlur={() => take(typed)}
        />
      </div>
      <Suggestions id={id} found={found} chosen={chosen} onTake={(one) => add([one])} />
    </div>
  );
}

function Chips({ people, onChange }: Omit<PeopleFieldParts, 'label'>) {
  const text = useText();
  return people.map((one) => (
    <span key={one.email} class="chip" title={one.email}>
      <bdi>{addressName(one)}</bdi>
      <IconButton
        icon="close"
        label={text.say('compose.remove', { name: addressName(one) })}
        onClick={() => onChange(people.filter((other) => other !== one))}
      />
    </span>
  ));
}

interface SuggestionsParts {
  readonly id: string;
  readonly found: readonly Contact[];
  readonly chosen: number;
  readonly onTake: (one: Address) => void;
}

function Suggestions({ id, found, chosen, onTake }: SuggestionsParts) {
  const text = useText();
  return (
    <ul
      id={`${id}-list`}
      class={found.length > 0 ? 'suggestions' : 'suggestions is-empty'}
      role="listbox"
      aria-label={text.say('compose.suggested')}
    >
      {found.map((one, at) => (
        <li
          key={one.id}
          id={`${id}-${at}`}
          role="option"
          aria-selected={at === chosen}
          onMouseDown={(event) => {
            event.preventDefault();
            onTake({ name: one.name, email: one.email });
          }}
        >
          <bdi>{one.name}</bdi> <bdi class="message-address">{one.email}</bdi>
        </li>
      ))}
    </ul>
  );
}
