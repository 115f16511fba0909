/** The whole product as its operators use it: commands, entries in the directory, two volumes. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { freePortBase, startFarm, type Farm } from '../harness/farm.ts';
import { needs } from '../harness/needs.ts';
import { run, start } from '../harness/process.ts';
import { asked, fetch, send } from './letters.ts';

const ROOT = join(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'src/cli/main.ts');

let farm: Farm;
let directory: string;

beforeAll(async () => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'mailfarm-farm-')));
  farm = await startFarm({ dir: join(directory, 'farm') });
});

afterAll(async () => {
  await farm?.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** Workers take a setting up and volumes come back by themselves, on a busy machine late. */
const SETTLED = { timeout: 120_000 };

interface User {
  readonly id: string;
  readonly uid: number;
  readonly volume?: string;
  readonly customerId?: string;
}

/** Files of a Maildir below both volumes that belongs to an account. */
function maildirOf(id: string): string {
  const found = ['mail1', 'mail2'].flatMap((volume) => {
    const root = join(farm.dir, volume);
    return readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith(`/${id}`))
      .map((path) => join(root, path));
  });
  expect(found).toHaveLength(1);
  return found[0] ?? '';
}

test('[S0-07] [S0-10] one node takes a letter by SMTP, delivers it itself and serves it by POP3', async () => {
  const reply = await send(farm.ports.smtp, ['alice@example.test']);
  expect(reply).toMatchObject({ code: 250, enhanced: '2.6.0' });
  const [letter = ''] = await fetch(farm.ports.pop3, 'alice@example.test');
  expect(letter).toMatch(
    /^Return-Path: <sender@world.example>\nDelivered-To: alice@example.test\n/,
  );
  expect(letter).toMatch(/\n\nhello$/);
});

test('[S0-08] [S2-01] [S2-02] a second front end on the same volumes: in at one, out at the other', async () => {
  const base = await freePortBase();
  const listen = ['mx', 'pop3', 'health'].map((name, i) => `${name} 127.0.0.1:${base + i}`);
  const flags = listen.flatMap((text) => ['--listen', text]);
  await asked(farm, ['node', 'add', 'front2', ...flags]);
  const file = join(farm.dir, 'front2.yaml');
  const mine = readFileSync(join(farm.dir, 'node.yaml'), 'utf8');
  mkdirSync(join(farm.dir, 'state2'));
  writeFileSync(
    file,
    mine.replace(/^name: .*$/m, 'name: front2').replace(/^data: .*$/m, `data: ${farm.dir}/state2`),
  );
  const second = start([process.execPath, MAIN, 'serve', '--config', file], { cwd: ROOT });
  try {
    await second.waitFor(/^mailfarm is ready/m, 240_000);
    expect((await send(base, ['bob@example.test'])).code).toBe(250);
    expect((await send(farm.ports.smtp, ['bob@example.test'])).code).toBe(250);
    const one = await fetch(base + 1, 'bob@example.test');
    const other = await fetch(farm.ports.pop3, 'bob@example.test');
    expect(one).toHaveLength(2);
    expect(other).toEqual(one);
  } finally {
    await second.stop(30_000);
    await asked(farm, ['node', 'remove', 'front2']);
  }
});

test('[S2-05] [S2-32] volumes are places of their own; mailboxes lie under a hashed path', async () => {
  const volumes = await asked<{ name: string; path: string }[]>(farm, ['volume', 'list']);
  const names = ['mail1', 'mail2', 'spool1'];
  expect(volumes.map(({ path }) => path)).toEqual(names.map((name) => `${farm.dir}/${name}`));
  const used = new Set<string>();
  for (const [i, volume] of ['mail1', 'mail2'].entries()) {
    const login = `on${volume}@example.test`;
    await asked(farm, ['user', 'add', login, '--password-stdin', '--volume', volume], 'demo');
    expect((await send(farm.ports.smtp, [login])).code).toBe(250);
    const user = await asked<User>(farm, ['user', 'show', login]);
    const maildir = maildirOf(user.id);
    expect(maildir).toMatch(
      new RegExp(`^${farm.dir}/mail${i + 1}/[0-9a-f]{2}/[0-9a-f]{2}/${user.id}$`),
    );
    expect(statSync(maildir).mode & 0o777).toBe(0o700);
    const [file = ''] = readdirSync(join(maildir, 'new'));
    expect(statSync(join(maildir, 'new', file)).mode & 0o777).toBe(0o600);
    used.add(volume);
  }
  expect(used.size).toBe(2);
});

test('[S2-29] tevie, uid 2001 and the path of an older system, gets and reads mail', async () => {
  await asked(farm, ['domain', 'add', 'cluster.t1.ws.afnog.org']);
  const login = 'tevie@cluster.t1.ws.afnog.org';
  const path = `${farm.dir}/mail1/12/34/tevie`;
  const taken = await asked<{ login: string; uid: number }[]>(farm, ['user', 'list']);
  const uid = taken.some((user) => user.uid === 2001) ? 12_001 : 2001;
  const words = ['user', 'add', login, '--password-stdin', '--uid', String(uid), '--path', path];
  await asked(farm, words, 'afnog');
  expect((await send(farm.ports.smtp, [login])).code).toBe(250);
  expect(await fetch(farm.ports.pop3, login, 'afnog')).toHaveLength(1);
  expect(readdirSync(join(path, 'new'))).toHaveLength(1);
});

test('[S2-31] [S2-18] a domain, a user, an alias and a password are in effect at once, without a restart', async () => {
  const address = 'new@later.example';
  expect((await send(farm.ports.smtp, [address])).code).toBe(550);
  await asked(farm, ['domain', 'add', 'later.example']);
  await asked(farm, ['user', 'add', address, '--password-stdin'], 'one');
  expect((await send(farm.ports.smtp, [address])).code).toBe(250);
  expect((await send(farm.ports.smtp, ['info@later.example'])).enhanced).toBe('5.1.1');
  await asked(farm, ['alias', 'add', 'info@later.example', address]);
  expect((await send(farm.ports.smtp, ['info@later.example'])).code).toBe(250);
  expect(await fetch(farm.ports.pop3, address, 'one')).toHaveLength(2);
  await asked(farm, ['user', 'set', address, '--password-stdin'], 'two');
  await expect(fetch(farm.ports.pop3, address, 'one')).rejects.toThrow('AUTH');
  expect(await fetch(farm.ports.pop3, address, 'two')).toHaveLength(2);
});

test('[S2-23] a new login keeps the mailbox; the old name given to another begins empty', async () => {
  const old = 'first@example.test';
  const before = await asked<User>(
    farm,
    ['user', 'add', old, '--password-stdin', '--customer', 'C-17'],
    'demo',
  );
  expect((await send(farm.ports.smtp, [old])).code).toBe(250);
  const after = await asked<User>(farm, ['user', 'rename', old, 'renamed@example.test']);
  expect(after).toMatchObject({ id: before.id, customerId: 'C-17' });
  await asked(farm, ['user', 'add', old, '--password-stdin'], 'demo');
  expect(await fetch(farm.ports.pop3, 'renamed@example.test')).toHaveLength(1);
  expect(await fetch(farm.ports.pop3, old)).toHaveLength(0);
});

test('suspended, over quota and removed users: each its own answer, and back again', async () => {
  const login = 'billed@example.test';
  await asked(farm, ['user', 'add', login, '--password-stdin'], 'demo');
  await asked(farm, ['user', 'set', login, '--suspend', 'mail', '--suspend', 'pop3']);
  expect(await send(farm.ports.smtp, [login])).toMatchObject({ code: 550, enhanced: '5.2.1' });
  await expect(fetch(farm.ports.pop3, login)).rejects.toThrow('AUTH');
  await asked(farm, ['user', 'set', login, '--suspend', '', '--quota', '2000']);
  const large = `Subject: x\r\n\r\n${'x'.repeat(70)}\r\n`.padEnd(1900, 'y').concat('\r\n');
  expect((await send(farm.ports.smtp, [login], large)).code).toBe(250);
  expect(await send(farm.ports.smtp, [login], large)).toMatchObject({
    code: 452,
    enhanced: '4.2.2',
  });
  await asked(farm, ['user', 'set', login, '--quota', '0']);
  expect((await send(farm.ports.smtp, [login], large)).code).toBe(250);
  await asked(farm, ['user', 'remove', login]);
  expect((await send(farm.ports.smtp, [login])).code).toBe(550);
  await asked(farm, ['user', 'restore', login]);
  expect(await fetch(farm.ports.pop3, login)).toHaveLength(2);
});

interface Queued {
  readonly letters: readonly { id: string; login: string; volume: string; spool: string }[];
}
const queued = async (): Promise<Queued['letters']> =>
  (await asked<Queued>(farm, ['queue', 'list'])).letters;

/** Runs while an empty directory is where `volume` was mounted. */
async function withoutMount(volume: string, work: () => Promise<void>): Promise<void> {
  const { rename } = await import('node:fs/promises');
  const path = join(farm.dir, volume);
  await rename(path, `${path}.gone`);
  mkdirSync(path);
  try {
    await work();
    expect(readdirSync(path)).toEqual([]);
  } finally {
    rmSync(path, { recursive: true });
    await rename(`${path}.gone`, path);
  }
}

/** Every worker finds out by its own probe. */
const sixTimes = async (login: string): Promise<number[]> => {
  const codes: number[] = [];
  for (let i = 0; i < 6; i++) codes.push((await send(farm.ports.smtp, [login])).code);
  return codes;
};

test('[N-05] [N-03] a volume that is not mounted: its mail is parked and lands by itself', async () => {
  const [on1, on2] = ['onmail1@example.test', 'onmail2@example.test'];
  const before = await fetch(farm.ports.pop3, on1);
  const text = 'Subject: parked\r\n\r\nwhile you were out\r\n';
  await withoutMount('mail1', async () => {
    expect((await send(farm.ports.smtp, [on1], text)).code).toBe(250);
    expect((await send(farm.ports.smtp, [on1, on2], text)).code).toBe(250);
    expect((await send(farm.ports.smtp, [on2])).code).toBe(250);
    await expect(fetch(farm.ports.pop3, on1)).rejects.toThrow('SYS/TEMP');
    expect((await fetch(farm.ports.pop3, on2)).length).toBeGreaterThan(2);
    const letters = await queued();
    expect(letters).toHaveLength(2);
    const [first] = letters;
    expect(first).toMatchObject({ login: on1, volume: 'mail1', spool: 'spool1' });
    const shown = await farm.command(['queue', 'show', first?.id ?? '', '--message']);
    expect(shown.stdout.toString()).toContain('while you were out');
    const deleted = await farm.command(['queue', 'delete', letters[1]?.id ?? '', '--yes']);
    expect(deleted.code).toBe(0);
  });
  await expect
    .poll(() => fetch(farm.ports.pop3, on1).catch(() => []), SETTLED)
    .toHaveLength(before.length + 1);
  await expect.poll(queued, SETTLED).toEqual([]);
  const after = await fetch(farm.ports.pop3, on1);
  expect(after.filter((letter) => letter.includes('while you were out'))).toHaveLength(1);
  await expect.poll(() => sixTimes(on1), SETTLED).toEqual(Array(6).fill(250));
}, 480_000);

test('[N-03] policy defer: mail for users of a volume that is down gets 451 at its recipient', async () => {
  const login = 'onmail1@example.test';
  await asked(farm, ['config', 'set', 'delivery.degraded', 'defer']);
  await withoutMount('mail1', async () => {
    await expect.poll(async () => [...new Set(await sixTimes(login))], SETTLED).toEqual([451]);
  });
  await asked(farm, ['config', 'set', 'delivery.degraded', 'park']);
  await expect.poll(() => sixTimes(login), SETTLED).toEqual(Array(6).fill(250));
  await expect.poll(queued, SETTLED).toEqual([]);
}, 480_000);

test('[P-11] a node on which nothing is mounted is not ready, and is when it has its volumes', async () => {
  const ready = async (): Promise<string> =>
    (await globalThis.fetch(`http://127.0.0.1:${farm.ports.health}/health/ready`)).text();
  const without = (names: readonly string[], work: () => Promise<void>): Promise<void> => {
    const [name, ...more] = names;
    return name === undefined ? work() : withoutMount(name, () => without(more, work));
  };
  await without(['mail1', 'mail2'], async () => {
    await expect.poll(ready, SETTLED).toMatch(/volume mail1.*volume mail2/);
    expect(await ready()).toContain('"ready":true'); // Mail is parked.
  });
  await without(['mail1', 'mail2', 'spool1'], async () => {
    await expect.poll(ready, SETTLED).toContain('no volume is mounted here');
  });
  await expect.poll(ready, SETTLED).toContain('{"ready":true,"reasons":[]}');
}, 480_000);

test('[P-11] health, readiness and metrics over all processes; one log line a letter with its trace id', async () => {
  const reply = await send(farm.ports.smtp, ['alice@example.test']);
  const trace = /\(([0-9a-z-]+)\)$/.exec(reply.text)?.[1] ?? 'none';
  const at = `http://127.0.0.1:${farm.ports.health}`;
  const { default: http } = await import('node:http');
  const get = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      http
        .get(`${at}${path}`, (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => (text += chunk.toString()));
          response.on('end', () => resolve(`${response.statusCode} ${text}`));
        })
        .on('error', reject);
    });
  expect(await get('/health/live')).toMatch(/^200/);
  expect(await get('/health/ready')).toMatch(/^200 .*"ready":true/);
  const metrics = await get('/metrics');
  expect(metrics).toMatch(/^200/);
  expect(metrics).toMatch(/^mailfarm_node_workers [1-9]/m);
  expect(metrics).toMatch(/mailfarm_delivery_\w+\{\w+="delivered"\} [1-9]/);
  await expect.poll(() => farm.output(), SETTLED).toContain(`"trace":"${trace}"`);
  const line =
    farm
      .output()
      .split('\n')
      .find((text) => text.includes(trace)) ?? '';
  expect(JSON.parse(line)).toMatchObject({ to: 'alice@example.test', result: 'delivered' });
  const [letter = ''] = (await fetch(farm.ports.pop3, 'alice@example.test')).slice(-1);
  expect(letter).toContain(`id ${trace}`);
  expect(farm.output()).not.toContain('"demo"}'); // No password in any field.
});

test('SIGHUP and a changed setting replace the workers; a session that is open goes on', async () => {
  const { Pop3Chat } = await import('../harness/pop3-chat.ts');
  const chat = await Pop3Chat.login({ port: farm.ports.pop3 }, 'alice@example.test', 'demo');
  // Who is silent for seconds while its process drains is sent away: this one works all the time.
  let isOver = false;
  const working = (async () => {
    for (; !isOver; await sleep(50)) expect((await chat.expect('NOOP')).ok).toBe(true);
  })();
  working.catch(() => undefined); // Told below.
  onTestFinished(() => void (isOver = true));
  await asked(farm, ['config', 'set', 'smtp.message.max', '100KB']);
  const serving = (await run(['pgrep', '-f', `serve --config ${farm.dir}/node.yaml`])).stdout;
  process.kill(Number(serving.toString().trim().split('\n')[0]), 'SIGHUP');
  await expect
    .poll(() => farm.output(), SETTLED)
    .toContain('settings read again, workers are replaced');
  const large = `A: b\r\n\r\n${'x'.repeat(900)}\r\n`.padEnd(110_000, 'x\r\n') + '\r\n';
  await expect
    .poll(async () => (await send(farm.ports.smtp, ['bob@example.test'], large)).enhanced, SETTLED)
    .toBe('5.3.4');
  isOver = true;
  await working;
  expect((await chat.expect('NOOP')).ok).toBe(true);
  chat.stream.destroy();
});

test('a wrong setting is refused by the command, and one that got in otherwise stops nothing that runs', async () => {
  const refused = await farm.command(['config', 'set', 'smtp.mesage.max', '1MB']);
  expect(refused.code).toBe(64);
  expect(refused.stderr).toContain('smtp.message.max');
  expect((await farm.command(['config', 'set', 'smtp.message.max', '1'])).code).toBe(64);
});

test('check names a volume that is not mounted; users are given no place that could not be', async () => {
  expect((await farm.command(['check'])).code).toBe(0);
  const { rename } = await import('node:fs/promises');
  await rename(`${farm.dir}/mail2`, `${farm.dir}/mail2.gone`);
  const checked = await farm.command(['check']);
  await rename(`${farm.dir}/mail2.gone`, `${farm.dir}/mail2`);
  expect(checked.code).toBe(78);
  expect(checked.stdout.toString()).toContain(`volume mail2: no sentinel in ${farm.dir}/mail2`);
  const words = ['user', 'add', 'nowhere@example.test', '--password-stdin'];
  const path = await farm.command([...words, '--path', '/etc/mail'], 'demo');
  expect([path.code, path.stderr]).toEqual([64, expect.stringContaining('lies on no volume')]);
  const volume = await farm.command([...words, '--volume', 'mail9'], 'demo');
  expect([volume.code, volume.stderr]).toEqual([67, expect.stringContaining('mail9')]);
  expect((await farm.command(['user', 'show', 'nowhere@example.test'])).code).toBe(67);
  const moved = await farm.command(['user', 'set', 'onmail1@example.test', '--volume', 'mail2']);
  expect([moved.code, moved.stderr]).toEqual([64, expect.stringContaining('stay behind')]);
});

test('[S2-26] the farm runs as an ordinary user, who then owns everything on the volumes', async (ctx) => {
  needs(ctx, 'root', '/usr/bin/setpriv');
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'mailfarm-user-')));
  const { chownSync } = await import('node:fs');
  chownSync(home, 65_534, 65_534);
  const base = await freePortBase();
  const words = [
    '--reuid=65534',
    '--regid=65534',
    '--clear-groups',
    process.execPath,
    MAIN,
    'demo',
  ];
  const place = ['--data', `${home}/farm`, '--port-base', String(base)];
  const running = start(['/usr/bin/setpriv', ...words, ...place], { cwd: '/', withParent: 'TERM' });
  try {
    await running.waitFor(/^mailfarm is ready/m, 240_000);
    expect((await send(base + 25, ['alice@example.test'])).code).toBe(250);
    expect(await fetch(base + 110, 'alice@example.test')).toHaveLength(1);
    for (const volume of ['mail1', 'mail2']) {
      const root = `${home}/farm/${volume}`;
      for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
        expect(statSync(join(root, path)).uid).toBe(65_534);
      }
    }
    expect(existsSync(`${home}/farm/mail1/.mailfarm-volume`)).toBe(true);
  } finally {
    await running.stop(30_000);
    rmSync(home, { recursive: true, force: true });
  }
});
