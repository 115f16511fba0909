import { COMMANDS, type Command } from '../commands.ts';
import { useApp, useText } from './context.ts';
import { SheetFrame } from './sheet.tsx';

const GROUPS = ['list', 'mail', 'go', 'general'] as const;

/** The table of commands, as it is. */
export function HelpSheet() {
  const app = useApp();
  const text = useText();
  const rows: readonly Command[] = Object.values(COMMANDS);
  return (
    <SheetFrame title={text.say('keys.title')} onClose={() => app.show(undefined)}>
      <label class="check-field">
        <input
          type="checkbox"
          checked={app.settings.choices.shortcuts}
          onChange={(event) => app.settings.choose({ shortcuts: event.currentTarget.checked })}
        />
        {text.say('keys.on')}
      </label>
      <div class="key-groups">
        {GROUPS.map((group) => (
          <section key={group}>
            <h3>{text.say(`keys.group.${group}`)}</h3>
            <dl>
              {rows
                .filter((row) => row.group === group)
                .map((row) => (
                  <div key={row.label} class="key-row">
                    <dt>{text.say(row.label)}</dt>
                    <dd>
                      <Keys keys={row.keys} />
                    </dd>
                  </div>
                ))}
            </dl>
          </section>
        ))}
      </div>
    </SheetFrame>
  );
}

function Keys({ keys }: { keys: readonly string[] }) {
  const text = useText();
  return (
    <>
      {keys.map((one, at) => (
        <span key={one}>
          {at > 0 && <span class="key-or"> {text.say('keys.or')} </span>}
          {one.split(/[ +]/).map((part, place) => (
            <kbd key={`${part}${place}`}>{SIGNS[part] ?? part}</kbd>
          ))}
        </span>
      ))}
    </>
  );
}

/** What stands on keys. */
const SIGNS: Readonly<Record<string, string>> = {
  ArrowDown: '↓',
  ArrowUp: '↑',
  Control: 'Ctrl',
  Escape: 'Esc',
  Delete: 'Del',
  PageDown: 'PgDn',
  PageUp: 'PgUp',
};
