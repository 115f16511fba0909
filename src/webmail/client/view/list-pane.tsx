import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

import type { MailList } from '../model/list.ts';
import { useApp, useText } from './context.ts';
import { ListHead } from './list-head.tsx';
import { ListRow } from './list-row.tsx';
import { JobPanel, WholeOffer } from './whole.tsx';

/** Rows drawn beyond the edges of the screen. */
const OVERSCAN = 8;
/** A scroll bar that is pulled passes thousands of rows that nobody sees. */
const SETTLE_MS = 80;

export function ListPane() {
  const app = useApp();
  const text = useText();
  const { list } = app;
  const job = app.deeds.jobs.here;
  return (
    <section class="list-pane" aria-label={text.say('pane.list')}>
      <ListHead />
      {app.unclear.length > 0 && (
        <p class="list-hint" role="status">
          {text.say('list.unclear', {
            terms: app.unclear.map(({ field, value }) => `${field}:${value}`).join(' '),
          })}
        </p>
      )}
      {list && <SearchedBack list={list} />}
      {list && <WholeOffer list={list} />}
      {job && <JobPanel job={job} />}
      {list && !job && <Rows list={list} />}
    </section>
  );
}

/** A search that was not done in time says so: what it found is no answer to "is there more?". */
function SearchedBack({ list }: { list: MailList }) {
  const app = useApp();
  const text = useText();
  const { searchedBackTo, error } = list;
  if (searchedBackTo === undefined) return null;
  const date =
    searchedBackTo === null ? '' : app.formats.short(searchedBackTo, app.browser.clock.now());
  return (
    <p class="list-hint" role="status">
      {date === '' ? text.say('list.searchedPart') : text.say('list.searchedBack', { date })}{' '}
      {error !== undefined && text.say('list.failed', { why: error })}
      <button
        type="button"
        class="text-button"
        aria-disabled={list.isLoading}
        onClick={() => list.searchOn()}
      >
        {text.say(list.isLoading ? 'list.searching' : 'list.searchOn')}
      </button>
    </p>
  );
}

/** The part of the list that is seen: elements for a screen of rows, whatever its length. */
function Rows({ list }: { list: MailList }) {
  const app = useApp();
  const text = useText();
  const frame = useRef<HTMLDivElement>(null);
  const rowHeight = useRowHeight(frame);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(800);
  const total = list.rows.known ? list.rows.length : 0;
  const first = Math.max(0, Math.floor(top / rowHeight));
  const end = Math.min(total, Math.ceil((top + height) / rowHeight));
  useSize(frame, setHeight);
  useLayoutEffect(() => {
    frame.current?.scrollTo(0, 0);
    setTop(0);
  }, [list]);
  useEffect(() => {
    const callOff = app.browser.clock.after(SETTLE_MS, () => list.show(first, Math.max(end, 1)));
    return callOff;
  }, [list, first, end, total]);
  const carried = useKeepPlace(list, frame, rowHeight);
  useCursor({ frame, rowHeight, list, carried });
  if (list.error !== undefined && total === 0) {
    return (
      <div class="list-empty" role="alert" id="list" tabIndex={-1}>
        <p>{text.say('list.failed', { why: list.error })}</p>
        <button type="button" class="button" onClick={() => list.show(0, 1)}>
          {text.say('do.retry')}
        </button>
      </div>
    );
  }
  if (list.rows.known && total === 0) return <EmptyList list={list} />;
  const [from, until] = [Math.max(0, first - OVERSCAN), Math.min(total, end + OVERSCAN)];
  return (
    <div
      class="rows"
      id="list"
      ref={frame}
      role="grid"
      aria-multiselectable="true"
      aria-label={text.say('pane.list')}
      aria-rowcount={list.rows.known ? total : -1}
      aria-busy={list.isLoading}
      tabIndex={total === 0 ? 0 : -1}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
    >
      <div class="rows-all" role="presentation" style={{ blockSize: `${total * rowHeight}px` }}>
        {Array.from({ length: Math.max(0, until - from) }, (_, at) => (
          <ListRow key={list.rows.at(from + at) ?? from + at} list={list} position={from + at} />
        ))}
        {!list.rows.known && <WaitingRows />}
      </div>
    </div>
  );
}

function WaitingRows() {
  return (
    <div role="row">
      <div role="gridcell" class="waiting" aria-hidden="true">
        {Array.from({ length: 12 }, (_, at) => (
          <div key={at} class="waiting-row" />
        ))}
      </div>
    </div>
  );
}

function EmptyList({ list }: { list: MailList }) {
  const app = useApp();
  const text = useText();
  const isSearch = app.route.kind === 'search';
  if (list.searchedBackTo !== undefined) {
    return (
      <div class="list-empty" id="list" tabIndex={-1}>
        <p class="list-empty-title">{text.say('list.notFoundYet')}</p>
      </div>
    );
  }
  return (
    <div class="list-empty" id="list" tabIndex={-1}>
      <p class="list-empty-title">{text.say(isSearch ? 'list.notFound' : 'list.empty')}</p>
      <p>{text.say(isSearch ? 'list.notFoundText' : 'list.emptyText')}</p>
    </div>
  );
}

type Frame = { readonly current: HTMLDivElement | null };

/** As the style sheet says: it knows density and width. */
function useRowHeight(frame: Frame): number {
  const app = useApp();
  const [pixels, setPixels] = useState(44);
  const { density } = app.settings.choices;
  useLayoutEffect(() => {
    const read = (): void => {
      const from = frame.current ?? document.documentElement;
      const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
      const value = Number.parseFloat(getComputedStyle(from).getPropertyValue('--row'));
      if (value > 0) setPixels(Math.round(value * rem));
    };
    read();
    addEventListener('resize', read);
    return () => removeEventListener('resize', read);
  }, [density]);
  return pixels;
}

function useSize(frame: Frame, onHeight: (height: number) => void): void {
  useEffect(() => {
    if (!frame.current) return undefined;
    const observer = new ResizeObserver(([entry]) => entry && onHeight(entry.contentRect.height));
    observer.observe(frame.current);
    return () => observer.disconnect();
  });
}

/**
 * New mail above pushes nothing away under the reader's eyes; at the top it is seen to come in.
 *
 * @returns where the cursor was carried with its row, until that has been seen
 */
function useKeepPlace(list: MailList, frame: Frame, rowHeight: number): Carried {
  const app = useApp();
  const carried = useRef<number>(undefined);
  useLayoutEffect(() => {
    const shift = list.takeShift();
    if (shift === 0 || !frame.current || frame.current.scrollTop < rowHeight) return;
    frame.current.scrollTop += shift * rowHeight;
    const cursor = Math.max(0, app.cursor + shift);
    if (cursor === app.cursor) return;
    carried.current = cursor;
    app.cursor = cursor;
  });
  return carried;
}

type Carried = { current: number | undefined };

interface CursorParts {
  readonly frame: Frame;
  readonly rowHeight: number;
  readonly list: MailList;
  readonly carried: Carried;
}

/** The row of the cursor is on the screen, and has the focus if the list has it. */
function useCursor({ frame, rowHeight, list, carried }: CursorParts): void {
  const app = useApp();
  const { cursor } = app;
  useLayoutEffect(() => {
    const element = frame.current;
    const isCarried = carried.current === cursor;
    carried.current = undefined;
    // Who pulled the bar reads far from the cursor: new mail does not take him back there.
    if (!element || isCarried) return;
    const [top, bottom] = [cursor * rowHeight, (cursor + 1) * rowHeight];
    if (top < element.scrollTop) element.scrollTop = top;
    else if (bottom > element.scrollTop + element.clientHeight) {
      element.scrollTop = bottom - element.clientHeight;
    }
  }, [cursor, list]);
  useLayoutEffect(() => {
    const active = document.activeElement;
    const isHere = active === document.body || frame.current?.contains(active);
    if (!isHere || app.sheet || active?.getAttribute('tabindex') === '0') return;
    const row = frame.current?.querySelector<HTMLElement>(`[aria-rowindex="${cursor + 1}"]`);
    row?.focus({ preventScroll: true });
  });
}
