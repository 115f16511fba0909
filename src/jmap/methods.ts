import { CORE_METHODS } from './method/core.ts';
import { emailChanges, emailGet, emailParse } from './method/email-get.ts';
import { emailQuery, emailQueryChanges } from './method/email-query.ts';
import { emailCopy, emailImport, emailSet } from './method/email-set.ts';
import { identityChanges, identityGet, identitySet } from './method/identity.ts';
import { mailboxChanges, mailboxGet } from './method/mailbox-get.ts';
import { mailboxQuery, mailboxQueryChanges } from './method/mailbox-query.ts';
import { mailboxSet } from './method/mailbox-set.ts';
import { snippetGet } from './method/snippet.ts';
import {
  submissionChanges,
  submissionGet,
  submissionQuery,
  submissionQueryChanges,
  submissionSet,
} from './method/submission.ts';
import { threadChanges, threadGet } from './method/thread.ts';
import { vacationGet, vacationSet } from './method/vacation.ts';
import { CAPABILITIES, type Capability, type MethodRow } from './types.ts';

const of =
  (capability: Capability) =>
  (run: MethodRow['run']): MethodRow => ({ capability, run });
const mail = of(CAPABILITIES.mail);
const submission = of(CAPABILITIES.submission);
const vacation = of(CAPABILITIES.vacation);

/** All of JMAP here: one family a file in `method/`. */
export const METHODS: ReadonlyMap<string, MethodRow> = new Map(
  Object.entries({
    ...CORE_METHODS,
    'Mailbox/get': mail(mailboxGet), // RFC 8621 §2
    'Mailbox/changes': mail(mailboxChanges),
    'Mailbox/query': mail(mailboxQuery),
    'Mailbox/queryChanges': mail(mailboxQueryChanges),
    'Mailbox/set': mail(mailboxSet),
    'Thread/get': mail(threadGet), // §3
    'Thread/changes': mail(threadChanges),
    'Email/get': mail(emailGet), // §4
    'Email/changes': mail(emailChanges),
    'Email/query': mail(emailQuery),
    'Email/queryChanges': mail(emailQueryChanges),
    'Email/set': mail(emailSet),
    'Email/copy': mail(emailCopy),
    'Email/import': mail(emailImport),
    'Email/parse': mail(emailParse),
    'SearchSnippet/get': mail(snippetGet), // §5
    'Identity/get': submission(identityGet), // §6
    'Identity/changes': submission(identityChanges),
    'Identity/set': submission(identitySet),
    'EmailSubmission/get': submission(submissionGet), // §7
    'EmailSubmission/changes': submission(submissionChanges),
    'EmailSubmission/query': submission(submissionQuery),
    'EmailSubmission/queryChanges': submission(submissionQueryChanges),
    'EmailSubmission/set': submission(submissionSet),
    'VacationResponse/get': vacation(vacationGet), // §8
    'VacationResponse/set': vacation(vacationSet),
  }),
);
