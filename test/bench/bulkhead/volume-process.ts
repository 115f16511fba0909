/** Variant C's process of one volume: operations come over descriptor 3, results go back. */
import { Socket } from 'node:net';
import { nodeFs } from '#maildir';
import { type Call, performer } from './calls.ts';
import { type EngineSetting, openEngine } from './engine.ts';
import { frame, FrameReader } from './frame.ts';

const setting = JSON.parse(process.argv[2] ?? '{}') as EngineSetting;
const carry = performer(openEngine(nodeFs, setting), nodeFs);
const socket = new Socket({ fd: 3, readable: true, writable: true });

async function answer(id: number, call: Call): Promise<void> {
  const { bytes, ...rest } = await carry(call);
  socket.cork();
  for (const part of frame({ id, ...rest }, bytes)) socket.write(part);
  process.nextTick(() => socket.uncork());
}

const reader = new FrameReader((head, bytes) => {
  const { id, op, args } = head as Call & { id: number };
  void answer(id, { op, args, bytes });
});
socket.on('data', (chunk) => reader.push(chunk));
socket.on('error', () => undefined);
// Whoever asked is gone. exit() would wait for stuck calls.
socket.on('close', () => process.kill(process.pid, 'SIGKILL'));
for (const part of frame({ id: 0 }, undefined)) socket.write(part);
