import { useApp, useText } from './context.ts';
import { DownloadLink } from './download-link.tsx';
import { useFetched, Waiting } from './settings-parts.tsx';

interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly tls: 'implicit' | 'starttls';
}

interface SetUp {
  readonly address: string;
  readonly login: string;
  readonly imap: Endpoint | null;
  readonly pop3: Endpoint | null;
  readonly submission: Endpoint | null;
}

const SERVICES = ['imap', 'pop3', 'submission'] as const;

/** What other programs are told (P-10). */
export function SetUpSettings() {
  const app = useApp();
  const text = useText();
  const address = app.connection.session.username;
  const query = `address=${encodeURIComponent(address)}`;
  const { value, why } = useFetched<SetUp>(`/set-up?${query}`);
  if (!value) return <Waiting why={why} />;
  return (
    <>
      <p class="sheet-text">{text.say('settings.setUpText')}</p>
      <dl class="settings-facts">
        <dt>{text.say('settings.setUpLogin')}</dt>
        <dd>
          <bdi>{value.login}</bdi>
        </dd>
        {SERVICES.map((name) => {
          const at = value[name];
          if (!at) return null;
          const tls = text.say(`tls.${at.tls}`);
          return (
            <div key={name}>
              <dt>{text.say(`setUp.${name}`)}</dt>
              <dd>
                <bdi>{`${at.host}:${at.port}`}</bdi>, {tls}
              </dd>
            </div>
          );
        })}
      </dl>
      <p>
        <DownloadLink class="button" url={`/set-up/mailfarm.mobileconfig?${query}`}>
          {text.say('settings.appleProfile')}
        </DownloadLink>
      </p>
    </>
  );
}
