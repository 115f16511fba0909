import { connect } from 'node:net';

/** What is said, line by line, to a server of our own that answers each with a reply of SMTP. */
export interface DialogueOptions {
  readonly host: string;
  readonly port: number;
  /** For the whole of it. */
  readonly timeoutMs: number;
  /** Without line ends; each is sent when the one before was answered. */
  readonly commands: readonly string[];
}

/** More than any reply of ours. */
const REPLY_OCTETS_MAX = 65_536;

/**
 * Says the commands and collects the replies, the greeting first; a reply that is no success ends
 * it, and is the last. @throws Error when the server cannot be reached, hangs up or is too slow
 */
export function dialogue(options: DialogueOptions): Promise<readonly string[]> {
  const { host, port, timeoutMs, commands } = options;
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const replies: string[] = [];
    let input = '';
    const end = (error?: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      if (error === undefined) resolve(replies);
      else reject(error);
    };
    const place = `${host} port ${port}`;
    const timer = setTimeout(() => end(new Error(`${place}: no answer in time`)), timeoutMs);
    socket.on('error', end);
    socket.on('close', () => end(new Error(`${place} hung up`)));
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      input += text;
      if (input.length > REPLY_OCTETS_MAX) return end(new Error(`${place} talks without end`));
      const [reply] = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\n/.exec(input) ?? [];
      if (reply === undefined) return;
      input = input.slice(reply.length);
      replies.push(reply.trimEnd());
      const next = commands[replies.length - 1];
      if (next === undefined || !reply.startsWith('2')) end();
      else socket.write(`${next}\r\n`);
    });
  });
}
