import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { stringify } from 'yaml';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { layout as directoryLayout, DEFAULT_SUFFIX } from '../../directory/schema.ts';
import { selfSigned } from '../../net/x509/self-signed.ts';
import { DEMO_HOST, DEMO_NODE, demoPort, type DemoLayout } from './layout.ts';

/** Writes what is not there yet; what is there stays, so that a second start finds everything. */
export async function writeDemoFiles(demo: DemoLayout): Promise<void> {
  await mkdir(demo.dir, { recursive: true, mode: 0o700 });
  for (const secret of [demo.adminSecret, demo.frontendSecret]) {
    await writeOnce(secret, `${randomBytes(24).toString('base64url')}\n`);
  }
  await certificate(demo);
  await mkdir(demo.state, { recursive: true, mode: 0o700 });
  for (const { path } of demo.volumes) await mkdir(path, { recursive: true, mode: 0o700 });
  const names = directoryLayout(DEFAULT_SUFFIX);
  // These two follow the ports of this start.
  await writeFile(demo.nodeFile, file(demo, { dn: names.frontend, secret: demo.frontendSecret }));
  await writeFile(demo.adminFile, file(demo, { dn: names.admin, secret: demo.adminSecret }));
}

function file(demo: DemoLayout, bind: { readonly dn: string; readonly secret: string }): string {
  return stringify({
    name: DEMO_NODE,
    data: demo.state,
    workers: demo.workers,
    directory: {
      urls: [`ldap://${DEMO_HOST}:${demoPort(demo, 'ldap')}`],
      base: DEFAULT_SUFFIX,
      'bind-dn': bind.dn,
      'password-file': bind.secret,
    },
    tls: { default: { cert: demo.cert, key: demo.key } },
  });
}

async function certificate(demo: DemoLayout): Promise<void> {
  if (await exists(demo.cert)) return;
  const pair = selfSigned({
    names: ['localhost', DEMO_HOST],
    days: 825,
    clock: systemClock,
    random: systemRandom,
  });
  await writeOnce(demo.key, pair.key);
  await writeOnce(demo.cert, pair.cert);
}

async function writeOnce(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFile(path, text, { mode: 0o600, flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}

const exists = (path: string): Promise<boolean> =>
  readFile(path).then(
    () => true,
    () => false,
  );
