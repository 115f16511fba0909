/**
 * A sink for SMTP and a maildrop for POP3 that do nothing but the protocol's framing, in memory.
 * They answer one question: what does a client change by itself? Never a stand-in for the farm.
 */
import { once } from 'node:events';
import { type Server, type Socket, createServer } from 'node:net';
import { dataBytes } from './chat.ts';

export interface ReferenceServer {
  readonly port: number;
  stop(): Promise<void>;
}

const END = Buffer.from('\r\n.\r\n');

/** An SMTP server that keeps what DATA brought, dots undone. */
export async function referenceSink(): Promise<ReferenceServer & { readonly messages: Buffer[] }> {
  const messages: Buffer[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.write('220 reference.test ESMTP\r\n');
    let data: Buffer[] | undefined;
    let rest: Buffer = Buffer.alloc(0);
    let tail: Buffer = Buffer.alloc(0);
    const takeData = (into: Buffer[], chunk: Buffer): void => {
      into.push(chunk);
      const seam = Buffer.concat([tail, chunk]);
      tail = seam.subarray(-(END.length - 1));
      if (!seam.includes(END)) return;
      const all = Buffer.concat([Buffer.from('\r\n'), ...into]);
      const at = all.indexOf(END);
      const text = all.subarray(0, at + 2).toString('latin1');
      messages.push(Buffer.from(text.replace(/\n\./g, '\n').slice(2), 'latin1'));
      rest = all.subarray(at + END.length);
      data = undefined;
      socket.write('250 2.0.0 kept\r\n');
    };
    socket.on('data', (chunk) => {
      if (data !== undefined) takeData(data, chunk);
      else rest = Buffer.concat([rest, chunk]);
      for (let at = rest.indexOf(10); at >= 0 && data === undefined; at = rest.indexOf(10)) {
        const verb = rest.subarray(0, 4).toString('latin1').toUpperCase();
        rest = rest.subarray(at + 1);
        socket.write(answer(verb));
        if (verb === 'QUIT') socket.end();
        if (verb !== 'DATA') continue;
        data = [];
        // As if a line had ended: an end at once is found like any other.
        tail = Buffer.from('\r\n');
        const early = rest;
        rest = Buffer.alloc(0);
        if (early.length > 0) takeData(data, early);
      }
    });
  });
  return { ...(await listen(server)), messages };
}

function answer(verb: string): string {
  if (verb === 'EHLO') return '250-reference.test\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE\r\n';
  if (verb === 'DATA') return '354 go\r\n';
  return verb === 'QUIT' ? '221 bye\r\n' : '250 2.0.0 OK\r\n';
}

/** A POP3 server with these messages, for any user and password; deletes nothing. */
export async function referenceMaildrop(messages: readonly Buffer[]): Promise<ReferenceServer> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.write('+OK reference\r\n');
    let rest = '';
    socket.on('data', (chunk) => {
      rest += chunk.toString('latin1');
      const lines = rest.split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) pop3(socket, messages, line);
    });
  });
  return listen(server);
}

function pop3(socket: Socket, messages: readonly Buffer[], line: string): void {
  const [verb = '', argument] = line.split(' ');
  const each = (of: (message: Buffer, at: number) => string): string =>
    argument === undefined
      ? `+OK\r\n${messages.map((m, at) => `${at + 1} ${of(m, at)}\r\n`).join('')}.\r\n`
      : `+OK ${argument} ${of(messages[Number(argument) - 1]!, Number(argument) - 1)}\r\n`;
  const size = messages.reduce((sum, message) => sum + message.length, 0);
  switch (verb.toUpperCase()) {
    case 'CAPA':
      return void socket.write('+OK\r\nUSER\r\nUIDL\r\nTOP\r\nPIPELINING\r\n.\r\n');
    case 'STAT':
      return void socket.write(`+OK ${messages.length} ${size}\r\n`);
    case 'LIST':
      return void socket.write(each((message) => String(message.length)));
    case 'UIDL':
      return void socket.write(each((_, at) => `unique-${at}`));
    case 'RETR':
      socket.write('+OK\r\n');
      return void socket.write(dataBytes(messages[Number(argument) - 1]!));
    case 'USER':
    case 'PASS':
    case 'NOOP':
    case 'RSET':
    case 'DELE':
      return void socket.write('+OK\r\n');
    case 'QUIT':
      return void socket.end('+OK\r\n');
    default:
      return void socket.write('-ERR not here\r\n');
  }
}

async function listen(server: Server): Promise<ReferenceServer> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const stop = async (): Promise<void> => {
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, 'close');
  };
  return { port: address.port, stop };
}
