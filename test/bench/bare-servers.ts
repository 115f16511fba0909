/**
 * What our servers are held against: the same library and the same disk with nothing of ours in
 * between. Run as a child process: `bare-servers.ts loop DIR COUNT LANES | smtp`; prints JSON.
 */
import fs from 'node:fs';
import { SMTPServer } from 'smtp-server';

const call = <T>(start: (done: (error: Error | null, value?: T) => void) => void): Promise<T> =>
  new Promise((resolve, reject) =>
    start((error, value) => (error ? reject(error) : resolve(value as T))),
  );

/**
 * create, write, fsync, close, rename, fsync of the directory: the least a durable delivery does.
 */
async function deliver(dir: string, name: string, body: Buffer): Promise<void> {
  const tmp = `${dir}/tmp/${name}`;
  const fd = await call<number>((done) => fs.open(tmp, 'wx', 0o600, done));
  await call((done) => fs.write(fd, body, 0, body.length, null, done));
  await call<void>((done) => fs.fsync(fd, done));
  await call<void>((done) => fs.close(fd, done));
  await call<void>((done) => fs.rename(tmp, `${dir}/new/${name}`, done));
  const directory = await call<number>((done) => fs.open(`${dir}/new`, 'r', done));
  await call<void>((done) => fs.fsync(directory, done));
  await call<void>((done) => fs.close(directory, done));
}

async function loop(root: string, count: number, lanes: number): Promise<void> {
  const body = Buffer.alloc(4096, 'x');
  const dirs = Array.from({ length: 50 }, (_, i) => `${root}/bare${i}`);
  for (const dir of dirs)
    for (const sub of ['tmp', 'new']) fs.mkdirSync(`${dir}/${sub}`, { recursive: true });
  let next = 0;
  const cpu = process.cpuUsage();
  const started = performance.now();
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (let n = next++; n < count; n = next++) {
        await deliver(dirs[n % dirs.length] ?? root, `m${lanes}-${n}`, body);
      }
    }),
  );
  const used = process.cpuUsage(cpu);
  const seconds = (performance.now() - started) / 1000;
  process.stdout.write(`${JSON.stringify({ cpu: (used.user + used.system) / 1e6, seconds })}\n`);
}

function smtp(): void {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    logger: false,
    onData: (stream, _session, callback) => {
      stream.on('data', () => {});
      stream.on('end', () => callback(null));
    },
  });
  server.on('error', () => {});
  server.listen(0, '127.0.0.1', () => {
    const address = server.server.address();
    process.stdout.write(`${JSON.stringify(address)}\n`);
  });
}

const [mode, root = '', count = '0', lanes = '1'] = process.argv.slice(2);
if (mode === 'loop') await loop(root, Number(count), Number(lanes));
else smtp();
