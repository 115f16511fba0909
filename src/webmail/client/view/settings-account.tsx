import type { Self } from '../settings/self-care.ts';
import { useApp, useText } from './context.ts';
import { DownloadLink } from './download-link.tsx';
import { useFetched, Waiting } from './settings-parts.tsx';

/** Who one is, how full the mailbox is, and all of it to take along. */
export function AccountSettings() {
  const app = useApp();
  const text = useText();
  const { value, why } = useFetched<Self>('/self');
  if (!value) return <Waiting why={why} />;
  const { quota } = value;
  const most = quota?.octetsMax || undefined;
  return (
    <>
      <dl class="settings-facts">
        <dt>{text.say('signIn.login')}</dt>
        <dd>
          <bdi>{value.login}</bdi>
        </dd>
        <dt>{text.say('settings.addresses')}</dt>
        <dd>
          {value.addresses.map((one) => (
            <bdi key={one} class="settings-line">
              {one}
            </bdi>
          ))}
        </dd>
        <dt>{text.say('settings.space')}</dt>
        <dd>
          {quota ? app.formats.size(quota.octets) : text.say('settings.noQuota')}
          {most !== undefined && quota && (
            <>
              {text.say('settings.ofSpace', { all: app.formats.size(most) })}
              <meter
                max={most}
                value={quota.octets}
                high={most * 0.9}
                aria-label={text.say('settings.space')}
              />
            </>
          )}
        </dd>
        <dt>{text.say('settings.filters')}</dt>
        <dd>{text.say('settings.noFilters')}</dd>
      </dl>
      <h3>{text.say('settings.export')}</h3>
      <p class="sheet-text">{text.say('settings.exportText')}</p>
      <p class="settings-buttons">
        <DownloadLink class="button" url="/self/export/mail.zip">
          {text.say('settings.exportZip')}
        </DownloadLink>
        <DownloadLink class="button" url="/self/export/mail.mbox">
          {text.say('settings.exportMbox')}
        </DownloadLink>
      </p>
    </>
  );
}
