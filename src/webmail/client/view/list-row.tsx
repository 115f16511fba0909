import type { Address, ListEmail } from '../jmap/types.ts';
import type { App } from '../model/app.ts';
import type { MailList } from '../model/list.ts';
import { useApp, useText } from './context.ts';
import { startDrag } from './drag.ts';
import { Icon } from './icon.tsx';
import { IconButton } from './icon-button.tsx';
import { hueOf, initialOf, peopleOf } from './names.ts';

export interface RowParts {
  readonly list: MailList;
  readonly position: number;
}

/** One conversation, or one email. */
export function ListRow({ list, position }: RowParts) {
  const app = useApp();
  const id = list.rows.at(position);
  const email = id === undefined ? undefined : app.emails.get(id);
  const place = { insetBlockStart: `calc(${position} * var(--row))` };
  if (!email) {
    return (
      <div class="row is-waiting" role="row" aria-rowindex={position + 1} style={place}>
        <div role="gridcell" class="waiting-row" aria-busy="true" />
      </div>
    );
  }
  return <KnownRow list={list} position={position} email={email} place={place} />;
}

interface KnownParts extends RowParts {
  readonly email: ListEmail;
  readonly place: { readonly insetBlockStart: string };
}

function KnownRow({ list, position, email, place }: KnownParts) {
  const app = useApp();
  const key = list.key(email.id);
  const row = summaryOf(app, list, email);
  const isSelected = app.selection.has(key);
  const isOpen = app.conversation?.key === key;
  const toggle = (): void => {
    app.selection.toggle(key, email.id, position);
    app.cursor = position;
    app.touch();
  };
  const click = (event: MouseEvent): void => {
    if (event.shiftKey) {
      app.selection.extend(position, app.cursor, (at) => app.rowAt(at));
      app.setCursor(position);
    } else if (event.ctrlKey || event.metaKey) toggle();
    else app.openRow(position);
  };
  const classes = [
    'row',
    row.isUnread && 'is-unread',
    isSelected && 'is-selected',
    isOpen && 'is-open',
  ];
  return (
    <div
      class={classes.filter(Boolean).join(' ')}
      role="row"
      aria-rowindex={position + 1}
      aria-selected={isSelected}
      aria-current={isOpen ? 'true' : undefined}
      tabIndex={app.cursor === position ? 0 : -1}
      style={place}
      draggable
      onClick={click}
      onFocus={() => {
        if (app.cursor !== position) app.setCursor(position);
      }}
      onDragStart={(event) => {
        const rows = isSelected ? app.selection.emails : [email.id];
        const count = isSelected ? app.selection.size : 1;
        startDrag(event, rows, app.text?.say('list.emails', { count }) ?? '');
      }}
    >
      <RowMark row={row} isSelected={isSelected} onToggle={toggle} />
      <RowText email={email} row={row} />
      <RowStar email={email} row={row} />
    </div>
  );
}

function RowMark(parts: { row: Summary; isSelected: boolean; onToggle: () => void }) {
  const text = useText();
  const { row, isSelected, onToggle } = parts;
  return (
    <div role="gridcell" class="row-mark" onClick={(event) => event.stopPropagation()}>
      <label class="row-check">
        <input
          type="checkbox"
          tabIndex={-1}
          checked={isSelected}
          aria-label={text.say('list.select')}
          onClick={onToggle}
        />
        <span class={`avatar hue-${hueOf(row.people[0])}`} aria-hidden="true">
          {initialOf(row.people[0])}
        </span>
        <span class="check-mark" aria-hidden="true">
          <Icon name="check" />
        </span>
      </label>
    </div>
  );
}

function RowText({ email, row }: { email: ListEmail; row: Summary }) {
  const app = useApp();
  const text = useText();
  const people = peopleOf(row.people) || text.say('list.nobody');
  return (
    <div role="gridcell" class="row-text">
      <div class="row-line">
        {row.isUnread && <span class="for-ears">{text.say('list.unread')}</span>}
        <span class="row-people" dir="auto">
          {row.isSent ? text.say('list.to', { names: people }) : people}
        </span>
        {row.count > 1 && (
          <span class="row-count">
            <span aria-hidden="true">{text.number(row.count)}</span>
            <span class="for-ears">{text.say('list.inThread', { count: row.count })}</span>
          </span>
        )}
        {row.isAnswered && (
          <span class="row-sign" role="img" aria-label={text.say('list.answered')}>
            <Icon name="answered" />
          </span>
        )}
        {row.hasAttachment && (
          <span class="row-sign" role="img" aria-label={text.say('list.hasAttachment')}>
            <Icon name="attachment" />
          </span>
        )}
        <time
          class="row-time"
          dateTime={email.receivedAt}
          title={app.formats.full(email.receivedAt)}
        >
          {app.formats.short(email.receivedAt, app.browser.clock.now())}
        </time>
      </div>
      <div class="row-line">
        <span class="row-subject" dir="auto">
          {email.subject?.trim() || text.say('list.noSubject')}
        </span>
        <span class="row-preview" dir="auto">
          {email.preview}
        </span>
      </div>
    </div>
  );
}

function RowStar({ email, row }: { email: ListEmail; row: Summary }) {
  const app = useApp();
  const text = useText();
  return (
    <div role="gridcell" class="row-star">
      <IconButton
        icon="star"
        filled={row.isStarred}
        class={row.isStarred ? 'star is-on' : 'star'}
        label={text.say(row.isStarred ? 'do.unstar' : 'do.star')}
        pressed={row.isStarred}
        tabIndex={-1}
        onClick={(event) => {
          event.stopPropagation();
          app.deeds.to({ kind: row.isStarred ? 'unstar' : 'star' }, [email.id]);
        }}
      />
    </div>
  );
}

/** What a row says of all emails of its conversation. */
interface Summary {
  readonly people: readonly Address[];
  readonly count: number;
  readonly isSent: boolean;
  readonly isUnread: boolean;
  readonly isStarred: boolean;
  readonly isAnswered: boolean;
  readonly hasAttachment: boolean;
}

function summaryOf(app: App, list: MailList, email: ListEmail): Summary {
  const ids = list.threads ? (app.emails.thread(email.threadId) ?? [email.id]) : [email.id];
  const known = ids.flatMap((id) => app.emails.get(id) ?? []);
  const all = known.length > 0 ? known : [email];
  const sent = (['sent', 'drafts'] as const).map((role) => app.folders.ofRole(role)?.id ?? '');
  const isSent = app.folder !== undefined && sent.includes(app.folder);
  const froms = isSent ? (email.to ?? []) : all.flatMap((one) => one.from ?? []);
  return {
    people: [...new Map(froms.map((one) => [one.email.toLowerCase(), one])).values()],
    count: ids.length,
    isSent,
    isUnread: all.some((one) => one.keywords['$seen'] !== true),
    isStarred: all.some((one) => one.keywords['$flagged'] === true),
    isAnswered: email.keywords['$answered'] === true,
    hasAttachment: all.some((one) => one.hasAttachment),
  };
}
