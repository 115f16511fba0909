import { isDomain } from '../address.ts';
import { ReplyError, type Reply } from '../replies.ts';
import type { SmtpSession } from '../session.ts';
import type { EtrnAnswer, EtrnRequest } from '../types.ts';

const QUEUE_NAME = /^[A-Za-z0-9._-]{1,255}$/;

/** ETRN node, @domain or #queue (RFC 1985 §5): asks that mail which waits be sent now. */
export async function etrn(session: SmtpSession, args: string): Promise<void> {
  const { policy } = session.engine;
  if (!policy.etrn) throw new ReplyError('unknownCommand');
  if (session.transaction) throw new ReplyError('etrnInMail');
  const request = parse(args);
  if (!request) throw new ReplyError('badSyntax');
  session.reply(replyTo(await policy.etrn(session, request), request.name));
}

function parse(args: string): EtrnRequest | undefined {
  const mark = args[0];
  const name = args.slice(1);
  if (mark === '#') return QUEUE_NAME.test(name) ? { kind: 'queue', name } : undefined;
  const kind = mark === '@' ? 'subdomains' : 'node';
  const domain = (kind === 'node' ? args : name).toLowerCase();
  return isDomain(domain) ? { kind, name: domain } : undefined;
}

function replyTo(answer: EtrnAnswer, node: string): Reply {
  switch (answer.kind) {
    case 'started':
      return { name: 'etrnStarted', detail: node };
    case 'none':
      return { name: 'etrnNone', detail: node };
    case 'pending':
      return answer.count === undefined
        ? { name: 'etrnPending', detail: node }
        : { name: 'etrnCount', detail: `${answer.count} for ${node}` };
    case 'unable':
      return { name: 'etrnUnable', detail: node };
    case 'not-allowed':
      return { name: 'etrnRefused', detail: `${node}, ${answer.reason}` };
  }
}
