/** What webmail sends, by the policy of submission; its replies as errors of JMAP. */
import type { SetError, Submission, Submitter, SubmitReply, SubmitVerdict } from '../jmap/types.ts';
import { nameOf, REPLIES, type Reply, type ReplyName } from '../smtp/replies.ts';
import type { Letters, LetterVerdict } from '../submission/letters.ts';

export interface WebSubmitterParts {
  readonly letters: Letters;
  /** Octets of a message in wire form. */
  readonly messageMax: number;
}

export const createWebSubmitter = ({ letters, messageMax }: WebSubmitterParts): Submitter => ({
  submit: async ({ account, trace, address, from, recipients, message }: Submission) => {
    const verdict = await letters.submit({
      session: {
        id: trace,
        peer: { id: trace, remoteAddress: address, remotePort: 0, localAddress: '', localPort: 0 },
        mode: 'smtp',
        helo: '',
        extended: true,
        tls: undefined,
        account: { id: account.id, login: account.login },
        over: 'http',
      },
      from,
      recipients,
      message,
      octetsMax: messageMax,
    });
    return verdictOf(verdict, messageMax);
  },
});

/** RFC 8621 §7.5: what each refusal of the sender or of the letter is called. */
const ERRORS: Partial<Record<ReplyName, SetError['type']>> = {
  senderNotYours: 'forbiddenMailFrom',
  fromNotYours: 'forbiddenFrom',
  sendingSuspended: 'forbiddenToSend',
  sendingLimit: 'rateLimit',
  recipientLimit: 'rateLimit',
  badHeader: 'invalidEmail',
  headerTooLong: 'tooLarge',
  messageTooBig: 'tooLarge',
  tooManyRecipients: 'tooManyRecipients',
};

function verdictOf(verdict: LetterVerdict, maxSize: number): SubmitVerdict {
  if (verdict.kind === 'accepted') return { kind: 'accepted', reply: shown(verdict.reply) };
  if (verdict.kind === 'recipients') return recipientsVerdict(verdict.replies);
  const name = nameOf(verdict.reply);
  const description = shown(verdict.reply).text;
  const type = ERRORS[name];
  if (type === undefined && REPLIES[name].code < 500)
    return { kind: 'unavailable', text: description };
  const error: SetError = {
    type: type ?? (verdict.kind === 'sender' ? 'invalidProperties' : 'forbiddenToSend'),
    description,
    ...(type === undefined && verdict.kind === 'sender' && { properties: ['envelope'] }),
    ...(type === 'tooLarge' && { maxSize }),
  };
  return { kind: 'refused', error, recipients: new Map() };
}

/** Whom nobody can ever write to decides; else a limit; else it may be tried again. */
function recipientsVerdict(replies: ReadonlyMap<string, Reply>): SubmitVerdict {
  const recipients = new Map([...replies].map(([address, reply]) => [address, shown(reply)]));
  const final = [...recipients].filter(([, { code }]) => code >= 500);
  const [first] = final;
  if (first !== undefined) {
    const description = `${first[0]}: ${first[1].text}`;
    const invalidRecipients = final.map(([address]) => address);
    const error: SetError = { type: 'invalidRecipients', invalidRecipients, description };
    return { kind: 'refused', error, recipients };
  }
  for (const [address, reply] of replies) {
    const type = ERRORS[nameOf(reply)];
    const text = `${address}: ${shown(reply).text}`;
    if (type === undefined) return { kind: 'unavailable', text };
    return { kind: 'refused', error: { type, description: text }, recipients };
  }
  return { kind: 'unavailable', text: 'Nobody took the letter' };
}

function shown(reply: Reply): SubmitReply {
  const { code, enhanced, text } = REPLIES[nameOf(reply)];
  const detail = typeof reply === 'string' ? '' : `: ${reply.detail}`;
  return { code, enhanced, text: `${text}${detail}` };
}
