/** Mail that leaves and waits, seen and changed by commands over a real directory and spool. */
import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { systemClock as clock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import { EXIT } from '../../config/exit.ts';
import type { VolumeEntry } from '../../directory/types.ts';
import { silentLogger as log } from '../../log/types.ts';
import type { Route } from '../../spool/outbound.ts';
import { openOutboundSpools, type OutboundTrees } from '../../spool/outbound-spools.ts';
import { withNotBefore } from '../../spool/sender/not-before.ts';
import { envelopeTo, post, TEXT } from '../../spool/testing/letters.ts';
import { openVolumes, type Volumes } from '../../volumes/open.ts';
import { startTestCli, type Around, type Said, type TestCli } from '../testing/cli.ts';

const MISSING = EXIT['volume-missing'].code;
const GONE = EXIT['no-input'].code;
const BUSY = EXIT.tempfail.code;
const USAGE = EXIT.usage.code;
const TAKE = { limit: 1000, perRoute: () => 1000 };
const NAMES = ['spool1', 'spool2'];
const TROUBLE = '451 4.7.1 Greylisted\u001b[2J, come again';

interface Listed {
  readonly letters: readonly {
    readonly id: string;
    readonly state: string;
    readonly spool: string;
    readonly recipients: readonly string[];
    readonly tries: number;
    readonly next?: string;
    readonly troubles: readonly { readonly text: string; readonly at?: string }[];
  }[];
  readonly next?: string;
  readonly away: readonly string[];
}

let cli: TestCli;
let volumes: Volumes<never>;
let spools: OutboundTrees;

beforeAll(async () => {
  cli = await startTestCli({ server: 'embedded' });
  for (const name of NAMES) {
    mkdirSync(join(cli.dir, name));
    const add = ['volume', 'add', name, '--path', join(cli.dir, name), '--use', 'spool'];
    expect(await cli.run(add)).toMatchObject({ code: 0 });
  }
  const all = await cli.json<VolumeEntry[]>(['volume', 'list']);
  const entries = all.filter(({ use }) => use === 'spool');
  const directory = {
    volumes: async () => entries,
    assignVolume: () => Promise.reject(new Error('nobody is placed here')),
    volumeByRule: async () => undefined,
    storedVolume: async () => undefined,
  };
  volumes = openVolumes({ directory, clock, random, log, node: 'mx1' });
  const { table } = volumes;
  await table.loaded();
  await Promise.all(table.volumes.map((volume) => volume.ready()));
  const options = { 'spool.look': 10, 'spool.slot': 60_000 };
  spools = openOutboundSpools({ table, clock, random, node: 'mx1', options });
}, 60_000);
afterAll(async () => {
  volumes?.close();
  await cli?.close();
});
beforeEach(async () => {
  for (;;) {
    const { letters } = await listed('--limit', '1000');
    if (letters.length === 0) return;
    const ids = letters.map(({ id }) => id);
    expect(await cli.run(['queue', 'delete', ...ids, '--yes'])).toMatchObject({ err: '', code: 0 });
  }
});

const listed = (...words: string[]): Promise<Listed> => cli.json(['queue', 'list', ...words]);
const ask = (words: string, around: Around = {}): Promise<Said> =>
  cli.run(words.split(' '), around);
const said = async (words: string, around?: Around): Promise<string> => {
  const { code, out, err } = await ask(words, around);
  expect({ code, err }, words).toEqual({ code: 0, err: '' });
  return out;
};

/** A letter that a peer has put off for an hour. @returns its id */
async function putOff(domain: string, into = spools): Promise<string> {
  await post(into, [domain]);
  const [claim] = await into.take(TAKE);
  const now = await claim!.now();
  const dueAt = now + 3_600_000;
  const text = withNotBefore(TROUBLE, dueAt);
  const remote = 'mx.there.test [192.0.2.9]';
  const { recipients } = claim!.envelope;
  const troubles = [{ address: `bob@${domain}`, status: '4.7.1', text, remote, at: now }];
  await claim!.settle({ kind: 'later', dueAt, recipients, troubles, delayTold: true, tried: true });
  return claim!.envelope.id;
}

test('an empty queue says so; what no filter finds is not called empty', async () => {
  expect(await said('queue list')).toBe('no letter waits\n');
  expect(await listed()).toEqual({ letters: [], away: [] });
  expect(await said('queue flush')).toBe('no letter waits for its time; what is held stays held\n');
  expect(await said('queue wake there.test')).toBe('no letter for there.test waits for its time\n');
  await putOff('there.test');
  expect(await said('queue list --state hold')).toBe('no such letter waits\n');
  expect(await said('queue list --for else.test')).toBe('no such letter waits\n');
  expect(await said('queue list --sender nobody@me.test')).toBe('no such letter waits\n');
});

test('[N-15] a letter is shown with its recipients, its next try, what went wrong and when', async () => {
  const id = await putOff('there.test');
  const shown = await said(`queue show ${id}`);
  for (const row of [
    /^id +\d+\.\S+$/m,
    /^state +later: tried again in (?:59 min|1 h), 20\d\d-\d\d-\d\d \d\d:\d\d UTC$/m,
    /^sender +alice@example\.test$/m,
    /^for +bob@there\.test\nfor +eve@there\.test$/m,
    /^trouble +bob@there\.test: 4\.7\.1 451 4\.7\.1 Grey.*, mx\.there\.test \[192\.0\.2\.9\], 20/m,
    /^trouble .* UTC \((?:now|\d+ s ago)\)$/m,
    /^route +there\.test, by its MX$/m,
    /^origin +submission, of alice@example\.test$/m,
    /^delay +its sender has been told$/m,
    /^came +20.* UTC .*, at node mx1$/m,
    /^tries +1$/m,
  ]) {
    expect(shown).toMatch(row);
  }
  expect(shown).not.toContain('not again before');
  // oxlint-disable-next-line no-control-regex -- what a peer says must not reach the terminal
  expect(shown).not.toMatch(/\u001b/);
  const json = await cli.json<Listed['letters'][0]>(['queue', 'show', id]);
  expect(json).toMatchObject({ id, state: 'later', tries: 1, troubles: [{ text: TROUBLE }] });
  expect(Date.parse(json.next ?? '') - Date.parse(json.troubles[0]?.at ?? '')).toBeGreaterThan(
    3_500_000,
  );
  expect((await ask(`queue show ${id} --message`)).bytes).toEqual(TEXT);
});

test('on a narrow terminal each id is whole, on a line of its own; on a wide one in its row', async () => {
  const id = await putOff('a-rather-long-name-of-a-domain.there.test');
  const narrow = (await said('queue list', { columns: 80 })).split('\n');
  expect(narrow).toContain(id);
  for (const line of narrow) expect(line.length).toBeLessThanOrEqual(90);
  expect(narrow.find((line) => line.startsWith('  later'))).toMatch(/in (?:59 min|1 h) .*…/);
  const wide = await said('queue list', { columns: 220 });
  expect(wide).toMatch(new RegExp(`^${id.replaceAll('.', '[.]')} +later  in`, 'm'));
});

test('[N-15] held, released, retried, deleted: one or many, and what cannot be is said', async () => {
  const ids = [await putOff('there.test'), await putOff('there.test')];
  const [one = '', two = ''] = ids;
  expect(await said(`queue hold ${one}`)).toContain(`mailfarm queue release ${one}`);
  expect(await said(`queue show ${one}`)).toMatch(/^state +held: by-hand; mailfarm queue release/m);
  expect((await listed('--state', 'hold')).letters.map(({ id }) => id)).toEqual([one]);
  expect(await said('queue wake There.TEST')).toBe('1 letter for There.TEST is due now\n');
  const some = await ask(`queue release ${one} 1.nix.nix ${two}`);
  expect(some).toMatchObject({
    code: GONE,
    err: 'mailfarm: No letter 1.nix.nix waits (any more)\n',
  });
  expect(some.out.trim().split('\n')).toHaveLength(2);
  expect((await listed('--state', 'waiting')).letters).toHaveLength(2);
  expect(await said(`queue retry ${one}`)).toContain('at the next look of a sender');
  expect(await ask(`queue delete ${one}`)).toMatchObject({ code: USAGE });
  expect(await ask(`queue delete ${one}`, { yes: false })).toMatchObject({ code: USAGE });
  expect(await said(`queue delete ${one}`, { yes: true })).toBe(`${one} is deleted\n`);
  expect(await cli.json<object[]>(['queue', 'delete', two, '--yes'])).toMatchObject({ id: two });
  for (const way of ['show', 'hold', 'release', 'retry', 'delete --yes', 'show --message']) {
    const gone = { code: GONE, err: `mailfarm: No letter ${one} waits (any more)\n` };
    expect(await ask(`queue ${way} ${one}`), way).toMatchObject(gone);
  }
});

test('[N-15] what a sender is at work on is neither held nor deleted; who, is said', async () => {
  await post(spools, ['there.test']);
  const [claim] = await spools.take(TAKE);
  const { id } = claim!.envelope;
  expect(await said(`queue show ${id}`)).toMatch(/^state +mx1\S* is at work on it, heard of 20/m);
  for (const way of ['hold', 'release', 'delete --yes']) {
    const refused = await ask(`queue ${way} ${id}`);
    expect(refused.code, way).toBe(BUSY);
    expect(refused.err).toMatch(/is being worked on by mx1\S*; try again .* in \d+ s if it died/);
  }
  await claim!.settle({ kind: 'done' });
});

test('two operators at once: one deletes a letter, the other is told that it is gone', async () => {
  const id = await putOff('there.test');
  const both = await Promise.all([1, 2].map(() => ask(`queue delete ${id} --yes`)));
  const codes = both.map(({ code }) => code).toSorted((a, b) => a - b);
  expect(codes[0]).toBe(0);
  expect([GONE, BUSY]).toContain(codes[1]);
  expect((await listed()).letters).toEqual([]);
});

test('wrong arguments: what is wrong, and what would be right', async () => {
  for (const [words, text] of [
    ['queue list --state bogus', 'is not one of waiting, later, taken, hold, failed'],
    ['queue list --kind bogus', 'is not one of outbound, parked'],
    ['queue list --limit 0', 'at least 1'],
    ['queue list --after 17', 'is not what the end of a page has said'],
    ['queue list --for bob@there.test', 'letters wait by domain: there.test'],
    ['queue wake bob@there.test', 'letters wait by domain: there.test'],
    ['queue wake', 'takes: DOMAIN'],
    ['queue show', 'takes: ID'],
    ['queue delet x', 'did you mean "mailfarm queue delete"'],
  ] as const) {
    const wrong = await ask(words);
    expect(wrong, words).toMatchObject({ code: USAGE, out: '' });
    expect(wrong.err).toContain(text);
  }
  expect(await ask('queue show ../../etc/passwd')).toMatchObject({ code: GONE });
});

test('a customer’s domain that goes to a host is found and woken by its name', async () => {
  await said('domain add customer.test --transport 192.0.2.77:2525');
  const route: Route = { kind: 'host', host: '192.0.2.77', port: 2525, protocol: 'smtp' };
  const draft = spools.open(TEXT.length);
  await draft.write(0, TEXT, true);
  await draft.seal(TEXT.length, TEXT.length + 3, [envelopeTo('customer.test', { route })]);
  await draft.commit();
  const [claim] = await spools.take(TAKE);
  const dueAt = (await claim!.now()) + 7_200_000;
  const { recipients, troubles, delayTold } = claim!.envelope;
  await claim!.settle({ kind: 'later', dueAt, recipients, troubles, delayTold, tried: false });
  expect((await listed('--for', 'customer.test')).letters).toHaveLength(1);
  expect(await said('queue wake customer.test')).toBe('1 letter for customer.test is due now\n');
});

test('[N-15] a spool volume that is away: the others are shown, and nobody says that it is empty', async () => {
  const [here = '', lost = ''] = await Promise.all(
    NAMES.map((name) => {
      const table = { volumes: volumes.table.volumes.filter((volume) => volume.name === name) };
      return putOff('there.test', openOutboundSpools({ table, clock, random, node: 'mx1' }));
    }),
  );
  const all = (await listed()).letters.length;
  expect(all).toBe(2);
  const path = join(cli.dir, 'spool2');
  const away = /letters there are not seen: volume spool2: (?:no sentinel in|\S+ cannot be read)/;
  renameSync(path, `${path}-away`);
  try {
    const text = await ask('queue list');
    expect(text).toMatchObject({ code: MISSING, err: expect.stringMatching(away) });
    expect(text.out).toContain(here);
    const json = await ask('queue list --json');
    expect(json.code).toBe(MISSING);
    const page = JSON.parse(json.out) as Listed;
    expect(page.letters.length).toBeLessThan(all);
    expect(page.away).toEqual([expect.stringContaining('spool2')]);
    expect(await said(`queue hold ${here}`)).toContain('is held');
    const unknown = await ask(`queue show ${lost}`);
    expect(unknown).toMatchObject({ code: MISSING, out: '' });
    expect(unknown.err).toMatch(/where we can look\nvolume spool2/);
    for (const words of ['queue flush', 'queue wake there.test', 'list held']) {
      expect(await ask(words)).toMatchObject({ code: MISSING, err: expect.stringMatching(away) });
    }
    renameSync(join(cli.dir, 'spool1'), `${path}1-away`);
    await Promise.allSettled(volumes.table.volumes.map((volume) => volume.verify()));
    expect(() => spools.open(TEXT.length)).toThrow('No spool volume is up');
    expect(await ask('queue list')).toMatchObject({ code: MISSING, out: '' });
    expect(await ask('list held')).toMatchObject({ code: MISSING, out: '' });
    renameSync(`${path}1-away`, join(cli.dir, 'spool1'));
  } finally {
    renameSync(`${path}-away`, path);
  }
  // Our own process saw them away, and would look again in its own time only.
  for (const volume of volumes.table.volumes) {
    await expect.poll(() => volume.verify(), { timeout: 30_000 }).toBeUndefined();
  }
  expect((await listed()).letters).toHaveLength(all);
});

test('many letters by pages: each once, its place as a program passes it on', async () => {
  const domains = Array.from({ length: 60 }, (_, n) => `d${n}.test`);
  await post(spools, domains);
  const seen: string[] = [];
  let next: string | undefined;
  do {
    const page: Listed = await listed('--limit', '25', ...(next ? ['--after', next] : []));
    seen.push(...page.letters.map(({ id, recipients }) => `${id} ${recipients[0]}`));
    next = page.next;
  } while (next !== undefined);
  expect(new Set(seen).size).toBe(60);
  expect(seen).toHaveLength(60);
  const first = await ask('queue list --limit 25');
  const after = /^more: --after '(.+)'$/m.exec(first.err)?.[1] ?? '';
  expect((await cli.run(['queue', 'list', '--after', after])).out.split('\n')).toHaveLength(37);
});
