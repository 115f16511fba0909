import type { FolderView } from '../../mailbox/view.ts';
import { isUnread } from '../wire/keywords.ts';
import { Kept } from './kept.ts';

const kept = new Kept<number>();

/** How many messages of a folder are unread (RFC 8621 §2, `unreadEmails`). */
export const unreadIn = (view: FolderView): Promise<number> =>
  kept.of(view, {
    make: () => count(view.state.messages),
    change: (before, { gone, fresh }) => before - count(gone) + count(fresh),
  });

function count(messages: FolderView['state']['messages']): number {
  let unread = 0;
  for (const message of messages) if (isUnread(message)) unread += 1;
  return unread;
}
