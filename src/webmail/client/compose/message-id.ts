/**
 * Who wrote a state of a letter. All states of a letter have its Message-ID; a page that takes up a
 * draft, or what another page left, adds a mark of its own: `begun.page-taken@example.test`. So a
 * page knows its own states from those of others, and all of them from other letters.
 */
const PAGE = /\.page-\w+(?=@|$)/;

/** The same for all states of a letter, whoever wrote them. */
export const rootOf = (messageId: string): string => messageId.replace(PAGE, '');

/** The Message-ID of states that are written under a name that nobody else has. */
export function markedBy(messageId: string, name: string): string {
  const root = rootOf(messageId);
  const at = root.lastIndexOf('@');
  return at < 0 ? `${root}.page-${name}` : `${root.slice(0, at)}.page-${name}${root.slice(at)}`;
}

/** What stands in the Message-IDs of all states; others may have it too. */
export const wordOf = (messageId: string): string => rootOf(messageId).replace(/@[^@]*$/, '');
