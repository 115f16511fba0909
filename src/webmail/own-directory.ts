import { withDeadline, DeadlineError } from '../base/deadline.ts';
import type { Clock } from '../base/clock.ts';
import { AdminError, openAdmin, type Admin } from '../directory/admin/admin.ts';
import type { LdapDirectoryOptions } from '../directory/client/directory.ts';
import type { Account } from '../directory/types.ts';
import { WebProblem, type Problem } from '../http/web-types.ts';

/**
 * What users change in the directory is changed as themselves, over a connection of their own: a
 * front end may not write these attributes, so that who takes over a node reads mail and changes
 * nobody's password. The rights of the directory decide, not we.
 */
export interface OwnDirectoryParts {
  /** How the farm's tree is reached; undefined where no server is (a snapshot alone). */
  readonly access:
    | Omit<LdapDirectoryOptions, 'clock' | 'logger' | 'bindDn' | 'bindPassword'>
    | undefined;
  readonly clock: Clock;
}

/** A page waits no longer; whether a change was made then is not known. */
const CHANGE_MS_MAX = 15_000;

export class OwnDirectory {
  readonly #parts: OwnDirectoryParts;

  constructor(parts: OwnDirectoryParts) {
    this.#parts = parts;
  }

  /**
   * Runs `work` bound as this user.
   * @throws WebProblem 403 (a refusal), 409, 422 (what was given cannot be), 503
   */
  async as<T>(
    { account, password }: { readonly account: Account; readonly password: string | undefined },
    work: (admin: Admin, dn: string) => Promise<T>,
  ): Promise<T> {
    if (password === undefined) throw new WebProblem(WITH_APP_PASSWORD);
    const { access, clock } = this.#parts;
    if (access === undefined) throw new WebProblem(NO_SERVER);
    if (access.users !== undefined) throw new WebProblem(NOT_OURS);
    const { dn } = account;
    const changing = (async () => {
      const admin = await openAdmin({ ...access, clock, bindDn: dn, bindPassword: password });
      try {
        return await work(admin, dn);
      } finally {
        await admin.close();
      }
    })();
    try {
      return await withDeadline(changing, { ms: CHANGE_MS_MAX, what: 'the directory' });
    } catch (error) {
      throw problemIn(error);
    }
  }
}

function problemIn(error: unknown): unknown {
  if (error instanceof DeadlineError) return new WebProblem(UNCERTAIN, { cause: error });
  if (!(error instanceof AdminError)) return error;
  const problem = PROBLEMS[error.kind];
  const detail = problem.status === 422 || problem.status === 404 ? error.message : undefined;
  return new WebProblem({ ...problem, ...(detail !== undefined && { detail }) }, { cause: error });
}

const WITH_APP_PASSWORD: Problem = {
  status: 403,
  title: 'An app password changes nothing here',
  detail: 'Sign in with your password to change this.',
};
const AWAY: Problem = {
  status: 503,
  title: 'The directory does not answer at the moment',
  detail: 'Nothing was changed. Try again in a minute.',
};
const NO_SERVER: Problem = { ...AWAY, title: 'The directory cannot be changed at the moment' };
const NOT_OURS: Problem = {
  status: 403,
  title: 'This is managed elsewhere',
  detail: 'Your organisation keeps its users in a directory of its own. Ask its help desk.',
};
const UNCERTAIN: Problem = {
  status: 503,
  title: 'The directory did not answer in time',
  detail: 'The change may have been made. Look at it before you repeat it.',
};
const DENIED: Problem = {
  status: 403,
  title: 'The directory refuses this change',
  detail: 'Your password may have been changed meanwhile, or others manage this for you.',
};
const INVALID: Problem = { status: 422, title: 'This cannot be' };
const CONFLICT: Problem = {
  status: 409,
  title: 'It was changed elsewhere meanwhile',
  detail: 'Look at it as it is now, and try again.',
};

/** A kind more breaks the build until it has an answer. */
const PROBLEMS: Readonly<Record<AdminError['kind'], Problem>> = {
  exists: INVALID,
  'not-found': { status: 404, title: 'It is not there any more' },
  invalid: INVALID,
  denied: DENIED,
  unavailable: AWAY,
  conflict: CONFLICT,
  claimed: CONFLICT,
  closed: AWAY,
  uncertain: UNCERTAIN,
};
