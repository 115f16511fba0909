import type { Address, BodyPart, FullEmail, ListEmail } from '../jmap/types.ts';
import { useApp, useText } from './context.ts';
import { DownloadLink } from './download-link.tsx';
import { Icon } from './icon.tsx';
import { MessageActions } from './message-actions.tsx';
import { MessageBody } from './message-body.tsx';
import { addressName, hueOf, initialOf, peopleOf } from './names.ts';

export interface CardParts {
  readonly email: ListEmail;
  /** undefined: it is still fetched. */
  readonly full: FullEmail | undefined;
  readonly isUnfolded: boolean;
  /** undefined: it is the only one, and stays unfolded. */
  readonly onToggle: (() => void) | undefined;
}

/** One message of a conversation. */
export function MessageCard({ email, full, isUnfolded, onToggle }: CardParts) {
  const text = useText();
  const sender = email.from?.[0];
  return (
    <article
      class={isUnfolded ? 'message is-unfolded' : 'message'}
      aria-label={sender && addressName(sender)}
    >
      <CardHead email={email} isUnfolded={isUnfolded} onToggle={onToggle} />
      {isUnfolded && !full && (
        <p class="message-waiting" role="status">
          {text.say('message.loading')}
        </p>
      )}
      {isUnfolded && full && (
        <>
          <Details email={full} />
          <MessageBody email={full} />
          <Attachments parts={full.attachments} />
          <MessageActions email={full} />
        </>
      )}
    </article>
  );
}

function CardHead({ email, isUnfolded, onToggle }: Omit<CardParts, 'full'>) {
  const app = useApp();
  const text = useText();
  const sender = email.from?.[0];
  const name = sender ? addressName(sender) : text.say('list.nobody');
  const inside = (
    <>
      <span class={`avatar hue-${hueOf(sender)}`} aria-hidden="true">
        {initialOf(sender)}
      </span>
      <span class="message-who">
        <span class="message-sender" dir="auto">
          {name}
        </span>
        {isUnfolded ? (
          <span class="message-to" dir="auto">
            {text.say('list.to', { names: peopleOf(email.to ?? []) || text.say('list.nobody') })}
          </span>
        ) : (
          <span class="message-to" dir="auto">
            {email.preview}
          </span>
        )}
      </span>
      <time
        class="message-time"
        dateTime={email.receivedAt}
        title={app.formats.full(email.receivedAt)}
      >
        {app.formats.short(email.receivedAt, app.browser.clock.now())}
      </time>
    </>
  );
  if (!onToggle) return <header class="message-head">{inside}</header>;
  const label = text.say(isUnfolded ? 'message.fold' : 'message.unfold', { name });
  return (
    <button
      type="button"
      class="message-head is-button"
      aria-expanded={isUnfolded}
      title={label}
      onClick={onToggle}
    >
      {inside}
    </button>
  );
}

/** The whole addresses: a name alone says little of who wrote. */
function Details({ email }: { email: FullEmail }) {
  const app = useApp();
  const text = useText();
  const rows = [
    ['message.from', email.from],
    ['message.to', email.to],
    ['message.cc', email.cc],
    ['message.bcc', email.bcc],
    ['message.replyTo', email.replyTo],
  ] as const;
  return (
    <details class="message-details">
      <summary>
        {text.say('message.details')}{' '}
        <span class="message-address" dir="ltr">
          {email.from?.[0]?.email}
        </span>
      </summary>
      <dl>
        {rows.map(([label, addresses]) =>
          (addresses?.length ?? 0) > 0 ? (
            <div key={label}>
              <dt>{text.say(label)}</dt>
              <dd>
                {(addresses ?? []).map((one) => (
                  <FullAddress key={one.email} address={one} />
                ))}
              </dd>
            </div>
          ) : null,
        )}
        <div>
          <dt>{text.say('message.date')}</dt>
          <dd>{app.formats.full(email.sentAt ?? email.receivedAt)}</dd>
        </div>
      </dl>
    </details>
  );
}

function FullAddress({ address }: { address: Address }) {
  return (
    <span class="full-address">
      <bdi>{address.name}</bdi> <bdi class="message-address">{`<${address.email}>`}</bdi>
    </span>
  );
}

function Attachments({ parts }: { parts: readonly BodyPart[] }) {
  const app = useApp();
  const text = useText();
  if (parts.length === 0) return null;
  return (
    <section class="attachments">
      <h3>{text.say('message.attachments', { count: parts.length })}</h3>
      <ul>
        {parts.map((part) => {
          const name = part.name?.trim() || text.say('message.unnamed');
          return (
            <li key={part.blobId}>
              <DownloadLink
                class="attachment"
                url={app.downloadUrl(part)}
                name={name}
                title={text.say('message.download', { name })}
              >
                <Icon name="attachment" />
                <span class="attachment-name" dir="auto">
                  {name}
                </span>
                <span class="attachment-size">{app.formats.size(part.size)}</span>
                <Icon name="download" />
              </DownloadLink>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
