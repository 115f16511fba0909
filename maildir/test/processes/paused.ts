import { nodeFs, openMaildirs, systemClock, systemRandom } from '../../src/index.ts';
import { wrapFs } from '../call-fs.ts';
import { deliver } from '../engine.ts';

// A child of sigkill.test.ts: delivers to the Maildirs named, but stops before call `stopAt`
// and says so; its parent then kills it. Says 'acknowledged' when it came through.

// A channel that nobody listens to keeps no process: the parent ends it.
setInterval(() => {}, 60_000);

const [stopAt, content, ...maildirs] = process.argv.slice(2);
let calls = 0;
const fs = wrapFs(nodeFs, (_call, _args, perform) => {
  if (calls++ !== Number(stopAt)) return perform();
  process.send?.('stopped');
  return new Promise(() => {});
});
const engine = openMaildirs({
  fs,
  clock: systemClock,
  random: systemRandom,
  node: 'child',
  pid: process.pid,
  directorySync: 'always',
});
const { errors } = await deliver(engine, maildirs, Buffer.from(content ?? ''));
if (errors.every((error) => error === undefined)) process.send?.('acknowledged');
