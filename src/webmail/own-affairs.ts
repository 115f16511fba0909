import type { WebUser } from '../auth/web-types.ts';
import type { Directory } from '../directory/types.ts';
import { WebProblem } from '../http/web-types.ts';
import type { AffairsVerdict, OwnAffairs } from '../jmap/types.ts';
import type { OwnDirectory } from './own-directory.ts';

/** What JMAP changes of a user in the directory, as that user (RFC 8621 §8). */
export const ownAffairs =
  (parts: { readonly own: OwnDirectory; readonly directory: Directory }) =>
  (user: WebUser): OwnAffairs => ({
    vacation: async () => {
      const { id } = user.account;
      return (await parts.directory.accountById(id))?.vacation;
    },
    setVacation: async (vacation) => {
      if (user.password === undefined) return { kind: 'locked' };
      try {
        const given = { vacation: vacation ?? null };
        await parts.own.as(user, (admin) => admin.users.set(user.account.login, given));
        return { kind: 'done' };
      } catch (error) {
        return verdictOf(error);
      }
    },
  });

function verdictOf(error: unknown): AffairsVerdict {
  if (!(error instanceof WebProblem)) throw error;
  const { status, title, detail } = error.problem;
  return status >= 500 ? { kind: 'unavailable' } : { kind: 'refused', text: detail ?? title };
}
