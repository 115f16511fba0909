import { systemClock as clock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import { readNodeFile } from '../../config/node-file.ts';
import { openAdmin, type Admin } from '../../directory/admin/admin.ts';
import { isKind } from '../../directory/admin/error.ts';
import { directoryAccess } from '../../roles/directory.ts';
import { SERVICES } from '../../roles/services.ts';
import { makeVolume } from '../../volumes/make.ts';
import { ConfigError } from '../place.ts';
import {
  DEMO_DOMAIN,
  DEMO_HOST,
  DEMO_NODE,
  DEMO_PASSWORD,
  DEMO_USERS,
  demoPort,
  type DemoLayout,
} from './layout.ts';

const KEY_TRIES = 40;
const KEY_PAUSE_MS = 250;

async function withDemoAdmin(demo: DemoLayout, work: (admin: Admin) => Promise<void>) {
  const read = await readNodeFile(demo.adminFile);
  if (!read.ok) throw new ConfigError(read.problems.map(({ message }) => message));
  const admin = await openAdmin({ ...directoryAccess(read.value), clock });
  try {
    await work(admin);
  } finally {
    await admin.close();
  }
}

/**
 * The node may read keys, so that mail is signed as soon as its domain has one. It gives itself a
 * key of its own after its start: before that nobody lets it.
 */
export async function makeDemoSender(demo: DemoLayout): Promise<void> {
  await withDemoAdmin(demo, async (admin) => {
    for (let tries = 1; ; tries += 1) {
      try {
        await admin.nodes.set(DEMO_NODE, { sends: true });
        return;
      } catch (error) {
        if (!isKind(error, 'invalid') || tries === KEY_TRIES) throw error;
        await clock.sleep(KEY_PAUSE_MS);
      }
    }
  });
}

/** Writes the demo's entries where they are missing, and settings, as an administrator would. */
export async function writeDemoEntries(
  demo: DemoLayout,
  settings: readonly (readonly [name: string, value: string])[],
): Promise<void> {
  await withDemoAdmin(demo, async (admin) => {
    for (const [name, value] of settings) await admin.settings.set(name, value);
    await unlessThere(() => admin.domains.add(DEMO_DOMAIN));
    for (const { name, path, use } of demo.volumes) {
      const identity = await makeVolume({ path, name, random });
      await unlessThere(() => admin.volumes.add(name, { path, identity, use }));
      await admin.volumes.set(name, { path }); // The data may have been moved.
    }
    for (const name of DEMO_USERS) {
      const login = `${name}@${DEMO_DOMAIN}`;
      await unlessThere(() => admin.users.add({ login, password: DEMO_PASSWORD }));
    }
    if (!(await admin.secrets.has('web', 'current'))) await admin.secrets.rotateWeb(random);
    // A list and a second name of the domain: something to look at, and to send to.
    await unlessThere(() => admin.domains.add(`www.${DEMO_DOMAIN}`, { aliasOf: DEMO_DOMAIN }));
    const members = ['alice', 'bob'].map((name) => `${name}@${DEMO_DOMAIN}`);
    await unlessThere(() => admin.lists.add(`team@${DEMO_DOMAIN}`, { members }));
    await unlessThere(() =>
      admin.users.addAlias(`admin@${DEMO_DOMAIN}`, `postmaster@${DEMO_DOMAIN}`),
    );
    if (!(await admin.settings.all()).has('postmaster')) {
      await admin.settings.set('postmaster', `admin@${DEMO_DOMAIN}`); // For RCPT TO:<postmaster>.
    }
    await writeNode(admin, demo);
  });
}

async function writeNode(admin: Admin, demo: DemoLayout): Promise<void> {
  const services = [...(Object.keys(SERVICES) as (keyof typeof SERVICES)[]), 'health'] as const;
  const listen = services.map((name) => `${name} ${DEMO_HOST}:${demoPort(demo, name)}`);
  await unlessThere(() =>
    admin.nodes.add(DEMO_NODE, { nid: 1, listen, server: 'localhost', status: 'spm' }),
  );
  await admin.nodes.set(DEMO_NODE, { listen });
}

async function unlessThere(add: () => Promise<unknown>): Promise<void> {
  try {
    await add();
  } catch (error) {
    if (!isKind(error, 'exists')) throw error;
  }
}
