import { createHash } from 'node:crypto';
import type { Account } from '../directory/types.ts';
import { COLLATIONS } from './method/arguments.ts';
import { SORT_PROPERTIES } from './method/email-order.ts';
import { CAPABILITIES, type JmapLimits } from './types.ts';

/** What the session says (RFC 8620 §2) of a user, the same on every node. */
export interface SessionFacts {
  readonly account: Account;
  readonly login: string;
  readonly limits: JmapLimits;
}

/** Paths of the API; `{…}` are variables of RFC 6570. */
const PATHS = {
  apiUrl: '/jmap/api',
  downloadUrl: '/jmap/download/{accountId}/{blobId}/{name}?type={type}',
  uploadUrl: '/jmap/upload/{accountId}/',
  eventSourceUrl: '/jmap/events?types={types}&closeafter={closeafter}&ping={ping}',
};

/** The object of /.well-known/jmap. @param base such as `https://mail.example.org` */
export function sessionObject(facts: SessionFacts, base: string): object {
  const urls = Object.entries(PATHS).map(([name, path]) => [name, `${base}${path}`] as const);
  return { ...whatHolds(facts), ...Object.fromEntries<string>(urls), state: sessionState(facts) };
}

/** Changes when what the session says does, whatever name the user came by. */
export const sessionState = (facts: SessionFacts): string =>
  createHash('sha256')
    .update(JSON.stringify(whatHolds(facts)))
    .digest('base64url')
    .slice(0, 16);

function whatHolds({ account, login, limits }: SessionFacts): object {
  const { core, mail, submission, vacation } = CAPABILITIES;
  const id = account.id;
  return {
    capabilities: { [core]: coreLimits(limits), [mail]: {}, [submission]: {}, [vacation]: {} },
    accounts: {
      [id]: {
        name: account.login,
        isPersonal: true,
        isReadOnly: false,
        accountCapabilities: {
          [core]: {},
          [mail]: mailLimits(limits),
          [submission]: { maxDelayedSend: 0, submissionExtensions: SUBMISSION_EXTENSIONS },
          [vacation]: {},
        },
      },
    },
    primaryAccounts: { [mail]: id, [submission]: id, [vacation]: id },
    username: login,
  };
}

/** What EmailSubmission's parameters may name (RFC 8621 §1.3.2). */
const SUBMISSION_EXTENSIONS = { DSN: [] };

const coreLimits = (limits: JmapLimits): object => ({
  maxSizeUpload: limits.maxSizeUpload,
  maxConcurrentUpload: limits.maxConcurrentUpload,
  maxSizeRequest: limits.maxSizeRequest,
  maxConcurrentRequests: limits.maxConcurrentRequests,
  maxCallsInRequest: limits.maxCallsInRequest,
  maxObjectsInGet: limits.maxObjectsInGet,
  maxObjectsInSet: limits.maxObjectsInSet,
  collationAlgorithms: COLLATIONS,
});

const mailLimits = (limits: JmapLimits): object => ({
  maxMailboxesPerEmail: 1, // A message is a file, and a file is in one folder.
  maxMailboxDepth: limits.maxMailboxDepth,
  maxSizeMailboxName: limits.maxSizeMailboxName,
  maxSizeAttachmentsPerEmail: limits.maxSizeAttachmentsPerEmail,
  emailQuerySortOptions: SORT_PROPERTIES,
  mayCreateTopLevelMailbox: true,
});
