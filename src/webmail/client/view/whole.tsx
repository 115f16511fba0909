import type { MailList } from '../model/list.ts';
import type { Progress } from '../model/jobs.ts';
import { useApp, useText } from './context.ts';

/** Marked are the rows that are known: says so, and offers all that there are. */
export function WholeOffer({ list }: { list: MailList }) {
  const app = useApp();
  const text = useText();
  const { selection, route } = app;
  const { whole, gathered, size } = selection;
  const where = route.kind === 'search' ? 'search' : 'folder';
  const count = list.rows.length;
  if (gathered !== undefined) {
    return (
      <p class="list-hint" role="status">
        {text.say('whole.gathering', { done: gathered })}
      </p>
    );
  }
  if (whole) {
    return (
      <p class="list-hint" role="status">
        {text.say(whole.isPart ? 'whole.part' : `whole.${where}Selected`, { count: size })}
      </p>
    );
  }
  if (!selection.isAllShown || count <= size) return null;
  return (
    <p class="list-hint" role="status">
      {text.say('whole.onlyShown', { count: size })}{' '}
      <button type="button" class="text-button" onClick={() => void app.deeds.selectWhole()}>
        {text.say(where === 'search' ? 'whole.search' : 'whole.folder', { count })}
      </button>
    </p>
  );
}

/** What is done to the whole of the list, in the place of its rows. */
export function JobPanel({ job }: { job: Progress }) {
  const app = useApp();
  const text = useText();
  const { kind, isUndo, done, total } = job;
  const label = text.say(isUndo ? 'do.undo' : TITLES[kind]);
  const said = text.say('job.progress', { done, count: total });
  return (
    <div class="list-empty" id="list" tabIndex={-1}>
      <p class="list-empty-title">{label}</p>
      <progress max={total} value={done} aria-label={label} />
      <p dir="auto">{said}</p>
      <p>{text.say('job.text')}</p>
      <button type="button" class="button" onClick={() => app.deeds.jobs.stop()}>
        {text.say('job.stop')}
      </button>
    </div>
  );
}

const TITLES = {
  archive: 'do.archive',
  move: 'do.move',
  trash: 'do.trash',
  junk: 'do.junk',
  'not-junk': 'do.notJunk',
  star: 'do.star',
  unstar: 'do.unstar',
  read: 'do.read',
  unread: 'do.unread',
  destroy: 'do.destroy',
} as const;
