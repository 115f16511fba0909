import type { Key } from '../i18n/text.ts';
import { formatRoute } from '../routes.ts';
import { useText } from './context.ts';
import type { PageRoute } from './pages.tsx';
import { AccountSettings } from './settings-account.tsx';
import { LookSettings, SignatureSettings } from './settings-look.tsx';
import { ForwardSettings, VacationSettings } from './settings-mail.tsx';
import { PasswordSettings, SignInSettings } from './settings-password.tsx';
import { AppPasswordSettings, FactorSettings } from './settings-factors.tsx';
import { SetUpSettings } from './settings-set-up.tsx';

/** Sections by the second word of the address. */
const SECTIONS = {
  account: AccountSettings,
  look: LookSettings,
  signature: SignatureSettings,
  vacation: VacationSettings,
  forwards: ForwardSettings,
  password: PasswordSettings,
  factor: FactorSettings,
  apps: AppPasswordSettings,
  signIns: SignInSettings,
  setUp: SetUpSettings,
} as const;

type Section = keyof typeof SECTIONS;

const titleOf = (section: Section): Key => `settings.${section}`;

export default function SettingsPage({ route }: { route: PageRoute }) {
  const text = useText();
  const names = Object.keys(SECTIONS) as Section[];
  const chosen = names.find((name) => name === route.rest[0]) ?? 'account';
  const Chosen = SECTIONS[chosen];
  return (
    <div class="settings">
      <nav class="settings-nav" aria-label={text.say('settings.title')}>
        <ul>
          {names.map((name) => (
            <li key={name}>
              <a
                href={formatRoute({ kind: 'page', name: 'settings', rest: [name] })}
                aria-current={name === chosen ? 'page' : undefined}
              >
                {text.say(titleOf(name))}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <section class="settings-section" aria-labelledby="settings-title">
        <h2 id="settings-title">{text.say(titleOf(chosen))}</h2>
        <Chosen key={chosen} />
      </section>
    </div>
  );
}
