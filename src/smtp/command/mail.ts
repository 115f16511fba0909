import { parsePath, type Mailbox } from '../address.ts';
import { workarounds } from '../metrics.ts';
import {
  checkAuthParameter,
  checkBody,
  envidParameter,
  parseParameters,
  retParameter,
  sizeParameter,
} from '../parameters.ts';
import { ReplyError } from '../replies.ts';
import type { SmtpSession } from '../session.ts';
import type { Sender } from '../types.ts';

const PARAMETERS: readonly string[] = ['SIZE', 'BODY', 'SMTPUTF8'];
const DSN_PARAMETERS: readonly string[] = ['RET', 'ENVID'];

/** Parameters of what this session was told of at EHLO. */
const knownParameters = ({ policy }: SmtpSession['engine']): readonly string[] => [
  ...PARAMETERS,
  ...(policy.dsn === true ? DSN_PARAMETERS : []),
  ...(policy.authenticate ? ['AUTH'] : []),
];

/** MAIL FROM:<path> [parameters] (RFC 5321 §4.1.1.2). */
export async function mail(session: SmtpSession, args: string): Promise<void> {
  if (session.transaction) throw new ReplyError('nestedMail');
  if (session.transactions >= session.engine.limits['smtp.transactions.max']) {
    return session.fatal('tooManyMessages', 'limit');
  }
  const rest = afterKeyword(session, args, 'FROM:');
  const path = rest === undefined ? undefined : parsePath(rest);
  if (rest === undefined || !path || isPostmaster(path)) throw new ReplyError('badSender');
  const known = knownParameters(session.engine);
  const parameters = parseParameters(parameterText(rest, path.end, 'badSender'), known);
  checkBody(parameters.get('BODY'));
  const size = sizeParameter(parameters.get('SIZE'));
  if (size > session.engine.limits['smtp.message.max']) throw new ReplyError('messageTooBig');
  const utf8 = parameters.get('SMTPUTF8');
  if (utf8 !== undefined && utf8 !== '') throw new ReplyError('badSyntax');
  const address = path.kind === 'null' ? undefined : path.mailbox;
  if (address?.international && utf8 === undefined) throw new ReplyError('utf8Needed');
  checkAuthParameter(parameters.get('AUTH'));
  const ret = retParameter(parameters.get('RET'));
  const envid = envidParameter(parameters.get('ENVID'));
  const sender: Sender = { address, size, smtpUtf8: utf8 !== undefined, ret, envid };
  await session.engine.policy.sender(session, sender);
  session.transaction = { sender, recipients: [] };
  session.reply('senderOk');
}

const isPostmaster = (path: { kind: string; mailbox?: Mailbox }): boolean =>
  path.mailbox !== undefined && path.mailbox.domain === undefined;

/** What follows `FROM:` or `TO:` in any case; undefined when it is not there. */
export function afterKeyword(
  session: SmtpSession,
  args: string,
  keyword: 'FROM:' | 'TO:',
): string | undefined {
  if (args.slice(0, keyword.length).toUpperCase() !== keyword) return undefined;
  const rest = args.slice(keyword.length);
  if (!rest.startsWith(' ')) return rest;
  if (!session.engine.allows('address-space')) return undefined;
  workarounds.inc('address-space');
  return rest.trimStart();
}

/** What follows the path: nothing, or a space and parameters. @throws ReplyError */
export function parameterText(
  rest: string,
  end: number,
  otherwise: 'badSender' | 'badRecipient',
): string {
  const text = rest.slice(end);
  if (text !== '' && !text.startsWith(' ')) throw new ReplyError(otherwise);
  return text;
}
