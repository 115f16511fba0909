import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT } from '../../config/exit.ts';
import { TEST_SERVERS } from '../../directory/testing.ts';
import { startTestCli, type TestCli } from '../testing/cli.ts';

describe.each(TEST_SERVERS)('the farm, on %s', (server) => {
  let cli: TestCli;
  beforeAll(async () => {
    cli = await startTestCli({ server });
  }, 60_000);
  afterAll(async () => await cli?.close());

  const lines = async (...words: string[]): Promise<string[]> => {
    const said = await cli.run(words, { columns: 100 });
    expect(said, words.join(' ')).toMatchObject({ code: 0, err: '' });
    // oxlint-disable-next-line no-control-regex -- the bold header
    return said.out
      .replaceAll(/\u001b\[\d+m/g, '')
      .trimEnd()
      .split('\n');
  };

  test('[S0-30] domains: added, an alias of another, catch-all, all@, in use', async () => {
    expect(await lines('domain', 'add', 'Second.Test')).toEqual(['second.test is local']);
    await lines('domain', 'add', 'third.test', '--alias-of', 'example.test');
    await lines('domain', 'set', 'second.test', '--catch-all', 'alice@example.test');
    const shown = await lines('domain', 'set', 'second.test', '--all', 'members');
    expect(shown).toContain('all@       members');
    const list = await lines('domain', 'list');
    expect(list[0]).toMatch(/^domain +alias of +catch-all +all@ +passed on$/);
    expect(list).toContainEqual(expect.stringMatching(/^third.test +example.test/));
    expect(await cli.json(['domain', 'set', 'second.test', '--catch-all', ''])).not.toHaveProperty(
      'catchAll',
    );
    expect(await cli.run(['domain', 'remove', 'example.test'])).toMatchObject({
      code: EXIT.data.code,
    });
    expect(await cli.run(['domain', 'set', 'second.test', '--all', 'some'])).toMatchObject({
      code: EXIT.usage.code,
      err: expect.stringContaining('"some" is not one of off, members, anyone'),
    });
    await lines('domain', 'remove', 'third.test');
    expect((await cli.run(['domain', 'show', 'third.test'])).code).not.toBe(0);
  });

  test('[S0-30] lists: members one by one, posting, moderators, a filter', async () => {
    const list = 'team@example.test';
    await lines(
      'list',
      'add',
      list,
      '--member',
      'alice@example.test',
      '--owner',
      'bob@example.test',
    );
    expect(await lines('list', 'member', 'add', list, 'bob@example.test', 'x@far.test')).toEqual([
      'team@example.test has 3 members',
    ]);
    await lines('list', 'member', 'remove', list, 'x@far.test');
    expect(await cli.json(['list', 'show', list])).toMatchObject({
      members: ['alice@example.test', 'bob@example.test'],
      owner: 'bob@example.test',
    });
    await lines('list', 'set', list, '--posting', 'moderated', '--moderator', 'alice@example.test');
    expect((await lines('list', 'list'))[1]).toMatch(/^team@example.test +2 +moderated/);
    const twice = await cli.run(['list', 'add', 'alice@example.test']);
    expect(twice).toMatchObject({ code: EXIT.data.code });
    const wrong = await cli.run(['list', 'set', list, '--filter', '(uid=*']);
    expect(wrong).toMatchObject({
      code: EXIT.data.code,
      err: expect.stringContaining('character'),
    });
  });

  test('what would happen to a letter: steps and destinations', async () => {
    await lines(
      'list',
      'add',
      'two@example.test',
      '--member',
      'alice@example.test',
      '--member',
      'far@far.test',
    );
    await lines('list', 'set', 'two@example.test', '--posting', 'members');
    await lines('alias', 'add', 'al@example.test', 'alice@example.test');
    expect(await lines('resolve', 'AL+news@example.test')).toEqual([
      'example.test is a domain of this farm',
      'al@example.test is an alias of alice@example.test',
      'a letter to AL+news@example.test is accepted',
      '',
      'goes to             as       note',
      'alice@example.test  mailbox  no mailbox yet: made by the first letter',
    ]);
    const refused = await cli.run(['resolve', 'two@example.test', '--from', 'stranger@far.test']);
    expect(refused).toMatchObject({ code: 67, out: expect.stringContaining('members only') });
    const sent = await lines('resolve', 'two@example.test', '--from', 'alice@example.test');
    expect(sent).toContainEqual(expect.stringMatching(/^far@far.test +remote +leaves the farm/));
    expect((await cli.run(['resolve', 'nobody@example.test'])).out).toContain('550, no such user');
    expect((await cli.run(['resolve', 'x@unknown.test'])).out).toContain('not a domain of this');
  });

  test('the whole way of a letter: lists, forwards, a loop, who is left out', async () => {
    const user = async (name: string): Promise<void> => {
      const words = ['user', 'add', `${name}@example.test`, '--password-stdin'];
      await cli.run(words, { input: 'secret\n' });
    };
    await user('w1');
    await user('w2');
    await lines('forward', 'add', 'w1@example.test', 'w2@example.test');
    await lines('forward', 'add', 'w2@example.test', 'out@far.test');
    await lines('domain', 'add', 'way.test', '--alias-of', 'example.test');
    const members = ['w1', 'w2', 'nobody-here'].flatMap((one) => [
      '--member',
      `${one}@example.test`,
    ]);
    await lines('list', 'add', 'way@example.test', ...members);
    const said = await lines('resolve', 'way@way.test');
    expect(said.slice(0, 7)).toEqual([
      'way.test is an alias of example.test',
      'way@way.test is a list (posting: anyone), to w1@example.test, w2@example.test, nobody-here@example.test',
      'way@example.test → w1@example.test is a user, forwards to w2@example.test',
      'way@example.test → w2@example.test is a user, forwards to out@far.test',
      'way@example.test → nobody-here@example.test is nobody and left out',
      'w1@example.test → w2@example.test is a user, forwards to out@far.test',
      'w2@example.test → out@far.test is not of this farm: the letter leaves',
    ]);
    expect(said).toContain('a letter to way@way.test is accepted');
  });

  test('[S1-03] rules: in their order, and which of them decides', async () => {
    const add = (name: string, order: string, pattern: string, target: string) =>
      lines('rule', 'add', name, '--order', order, '--pattern', pattern, '--target', target);
    await add('late', '20', '.*@example\\.test', 'volume:mail2');
    await add('early', '10', 's.*@example\\.test', 'host:old.example.test:2525');
    expect((await lines('rule', 'list')).map((line) => line.trim().split(/ +/)[1])).toEqual([
      'rule',
      'early',
      'late',
    ]);
    expect(await lines('rule', 'test', 'Sam@example.test')).toEqual([
      'early: decides',
      'sam@example.test goes to host:old.example.test:2525 by rule early',
    ]);
    expect(await lines('rule', 'test', 'alice@example.test')).toEqual([
      'early: does not match',
      'late: decides',
      'alice@example.test goes to volume:mail2 by rule late',
    ]);
    expect(await lines('rule', 'test', 'a@far.test')).toContain('no rule matches a@far.test');
    const wrong = await cli.run(['rule', 'set', 'late', '--pattern', '(']);
    expect(wrong.code).toBe(EXIT.data.code);
    await lines('rule', 'set', 'late', '--order', '5');
    expect(await lines('rule', 'test', 'sam@example.test')).toContain('late: decides');
    await lines('rule', 'remove', 'late');
    await lines('rule', 'remove', 'early');
    expect(await cli.run(['rule', 'add', 'x', '--order', '1'])).toMatchObject({ code: 64 });
  });

  test('sites, and users of one', async () => {
    await lines('site', 'add', 'north', '--domain', 'north.example.test', '--level', '1');
    await lines('user', 'set', 'bob@example.test', '--site', 'north');
    expect((await lines('user', 'list', '--site', 'north')).at(-1)).toMatch(/^bob@/);
    expect((await lines('site', 'list'))[1]).toMatch(/^north +1 +north.example.test/);
    expect((await cli.run(['site', 'remove', 'north'])).code).toBe(EXIT.data.code);
    await lines('user', 'set', 'bob@example.test', '--site', '');
    await lines('site', 'set', 'north', '--level', '2');
    await lines('site', 'remove', 'north');
  });

  test('volumes and nodes', async () => {
    expect((await lines('volume', 'list'))[1]).toMatch(/^mail1 +\/mail1 +mail +active +1 +v$/);
    await lines('volume', 'set', 'mail2', '--state', 'closed', '--weight', '3');
    expect(await cli.json(['volume', 'show', 'mail2'])).toMatchObject([
      { state: 'closed', weight: 3 },
    ]);
    await lines('node', 'add', 'front9', '--listen', 'mx 127.0.0.1:2525');
    expect((await lines('node', 'list'))[0]).toMatch(/^node +nid +server +status +beat +version/);
    expect(await cli.json<object[]>(['node', 'list'])).toHaveLength(2);
    await lines('node', 'remove', 'front9');
    await lines('volume', 'remove', 'mail2');
  });

  test('administrators: granted, listed, and the last one keeps the level', async () => {
    await lines('administrator', 'grant', 'bob@example.test', 'operator');
    expect(await lines('administrator', 'list')).toEqual([
      'administrator       level',
      'admin@example.test  administrator',
      'bob@example.test    operator',
    ]);
    const last = await cli.run(['administrator', 'revoke', 'admin@example.test']);
    expect(last).toMatchObject({ code: EXIT.data.code, err: expect.stringContaining('last') });
    await lines('administrator', 'revoke', 'bob@example.test');
    expect((await cli.run(['administrator', 'grant', 'bob@example.test', 'king'])).code).toBe(64);
  });
});
