import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { join } from 'node:path';
import { startFarm } from '../harness/farm.ts';
import { has } from '../harness/needs.ts';
import { makeCertificate, startDovecot } from '../harness/peers.ts';
import { residentBytes } from '../harness/processes.ts';
import type { BenchContext } from './context.ts';
import { compare, printRows } from './report.ts';

/** Connects `count` clients, each waiting after the greeting. */
async function connectAll(port: number, count: number, tls: boolean): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let done = 0; done < count; done += 50) {
    const batch = Array.from({ length: Math.min(50, count - done) }, (_, i) => {
      // One client address each: a limit per address is not what is measured here.
      const n = done + i;
      const localAddress = `127.1.${n >> 8}.${(n & 255) + 1}`.replace('.256', '.0');
      const where = { port, host: '127.0.0.1', localAddress };
      const socket = tls
        ? connectTls({ ...where, rejectUnauthorized: false })
        : connectPlain(where);
      return new Promise<Socket>((resolve, reject) => {
        socket.once('data', () => resolve(socket));
        socket.once('error', reject);
        socket.once('close', () => reject(new Error('closed before the greeting')));
      });
    });
    sockets.push(...(await Promise.all(batch)));
  }
  return sockets;
}

/** Octets that each idle connection adds to the server's processes. */
async function perConnection(
  server: { readonly pid: number; readonly port: number },
  count: number,
  tls: boolean,
): Promise<number> {
  const warm = await connectAll(server.port, 200, tls);
  for (const socket of warm) socket.destroy();
  await settle();
  const before = residentBytes([server.pid]);
  const sockets = await connectAll(server.port, count, tls);
  await settle();
  const after = residentBytes([server.pid]);
  for (const socket of sockets) socket.destroy();
  await settle();
  return (after - before) / count;
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 3000));

/** Memory of idle POP3 connections, plain and over TLS, beside Dovecot. */
export async function benchIdle(context: BenchContext): Promise<void> {
  const count = Math.round(5000 * context.scale);
  const farm = await startFarm({ dir: join(context.dir, 'farm') });
  let plain = 0;
  let secure = 0;
  try {
    plain = await perConnection({ pid: farm.pid, port: farm.ports.pop3 }, count, false);
    secure = await perConnection({ pid: farm.pid, port: farm.ports.pop3s }, count, true);
  } finally {
    await farm.stop();
  }
  let peer: { plain: number; secure: number } | undefined;
  if (has('dovecot')) {
    const server = await startDovecot({
      directory: context.dir,
      maildir: `${context.dir}/none/%u`,
      users: { 'u@example.test': 'demo' },
      tuned: true,
      tls: await makeCertificate(context.dir),
    });
    const pid = server.process.pid;
    try {
      peer = {
        plain: await perConnection({ pid, port: server.pop3 }, count, false),
        secure: await perConnection({ pid, port: server.pop3s }, count, true),
      };
    } finally {
      await server.stop();
    }
  }
  printRows(`idle POP3 connections, ${count}, before login`, [
    compare({ what: 'plain', ours: plain / 1024, peer: peer && peer.plain / 1024, unit: 'KB' }),
    compare({ what: 'TLS', ours: secure / 1024, peer: peer && peer.secure / 1024, unit: 'KB' }),
    compare({
      what: 'plain against the aim of 12 KB',
      ours: plain / 1024,
      peer: 12,
      unit: 'KB',
      aim: '< 1',
    }),
  ]);
}
