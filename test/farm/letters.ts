import type { Farm } from '../harness/farm.ts';
import { Pop3Chat } from '../harness/pop3-chat.ts';
import { SmtpChat, type SmtpReply } from '../harness/smtp-chat.ts';

/** Sends one letter; the reply that ended the transaction, at whatever command. */
export async function send(
  port: number,
  to: readonly string[],
  text = 'Subject: test\r\n\r\nhello\r\n',
): Promise<SmtpReply> {
  const { chat } = await SmtpChat.open({ port });
  try {
    await chat.hello();
    let reply = await chat.command('MAIL FROM:<sender@world.example>');
    for (const address of to) {
      if (reply.code === 250) reply = await chat.command(`RCPT TO:<${address}>`);
    }
    return reply.code === 250 ? await chat.data(Buffer.from(text)) : reply;
  } finally {
    chat.stream.destroy();
  }
}

/** Messages of a user, as POP3 gives them. */
export async function fetch(port: number, user: string, password = 'demo'): Promise<string[]> {
  const chat = await Pop3Chat.login({ port }, user, password);
  try {
    const [count = '0'] = (await chat.expect('STAT')).text.split(' ');
    const messages: string[] = [];
    for (let n = 1; n <= Number(count); n++) {
      await chat.expect(`RETR ${n}`);
      messages.push((await chat.lines()).map((line) => line.toString('latin1')).join('\n'));
    }
    await chat.expect('QUIT');
    return messages;
  } finally {
    chat.stream.destroy();
  }
}

/** Runs `mailfarm …` and reads its JSON. @throws Error with what it said. */
export async function asked<T>(
  farm: Pick<Farm, 'command'>,
  words: readonly string[],
  input?: string,
): Promise<T> {
  const done = await farm.command([...words, '--json'], input);
  if (done.code !== 0) throw new Error(`mailfarm ${words.join(' ')}: ${done.stderr}`);
  return JSON.parse(done.stdout.toString()) as T;
}
