/** Variant B's thread: one operation at a time, by synchronous calls. */
import { parentPort, workerData } from 'node:worker_threads';
import { type Call, performer } from './calls.ts';
import { type EngineSetting, openEngine } from './engine.ts';
import { syncFs } from './sync-fs.ts';

const carry = performer(openEngine(syncFs, workerData as EngineSetting), syncFs);

async function answer(call: Call): Promise<void> {
  const result = await carry(call);
  const { bytes } = result;
  // A buffer of its own is handed over, a piece of Node's pool copied.
  const own = bytes?.byteLength !== 0 && bytes?.buffer.byteLength === bytes?.byteLength;
  const transfer = bytes && own && bytes.buffer instanceof ArrayBuffer ? [bytes.buffer] : [];
  parentPort?.postMessage(result, transfer);
}

parentPort?.on('message', (call: Call) => void answer(call));
parentPort?.postMessage('ready');
