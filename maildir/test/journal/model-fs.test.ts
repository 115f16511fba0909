import { expect, test } from 'vitest';
import { isErrno } from '../../src/index.ts';
import { type Caches, ModelClient } from './model-client.ts';
import { ModelServer } from './model-server.ts';

// The model lies as NFS was measured to (and no more): where it did not, the races that the journal
// is made for would not be in it.

function hosts(caches: Caches = 'positive') {
  const server = new ModelServer();
  const [a, b] = [new ModelClient('a', server, caches), new ModelClient('b', server, caches)];
  a.perform('mkdir', ['/log']);
  return { server, a, b };
}
const errnoOf = (work: () => unknown): string => {
  try {
    work();
    return '';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? '';
  }
};
function write(client: ModelClient, path: string, text: string, fsync = true): void {
  const fd = client.perform('create', [path]);
  client.perform('write', [fd, Buffer.from(text), 0]);
  if (fsync) client.perform('fsync', [fd]);
  client.perform('close', [fd]);
}
function read(client: ModelClient, path: string): string {
  const fd = client.perform('openRead', [path]);
  const into = Buffer.alloc(100);
  const length = client.perform('read', [fd, into, 0]) as number;
  client.perform('close', [fd]);
  return into.toString('utf8', 0, length);
}

test('a listing is fresh, whatever is cached', () => {
  const { a, b } = hosts('all');
  expect(errnoOf(() => read(b, '/log/1'))).toBe('ENOENT');
  write(a, '/log/1', 'one');
  expect(b.perform('list', ['/log'])).toEqual(['1']);
  expect(read(b, '/log/1')).toBe('one');
});

test('an absent name is believed for a minute, unless mounted with lookupcache=positive', () => {
  const { server, a, b } = hosts('all');
  expect(errnoOf(() => read(b, '/log/1'))).toBe('ENOENT');
  write(a, '/log/1', 'one');
  expect(errnoOf(() => read(b, '/log/1'))).toBe('ENOENT');
  server.nowMs += 60_000;
  expect(read(b, '/log/1')).toBe('one');
  const positive = hosts('positive');
  expect(errnoOf(() => read(positive.b, '/log/1'))).toBe('ENOENT');
  write(positive.a, '/log/1', 'one');
  expect(read(positive.b, '/log/1')).toBe('one');
});

test('a file opened by a cached name may be the one of before, as long as it has another name', () => {
  const { a, b } = hosts();
  write(a, '/log/1', 'one');
  a.perform('link', ['/log/1', '/kept']);
  expect(read(b, '/log/1')).toBe('one');
  a.perform('unlink', ['/log/1']);
  write(a, '/log/1', 'other');
  expect(read(b, '/log/1')).toBe('one');
  a.perform('unlink', ['/kept']);
  expect(read(b, '/log/1')).toBe('other');
});

test('a folder that was renamed is reached by its old name until the parent is listed', () => {
  const { server, a, b } = hosts();
  write(a, '/log/1', 'one');
  expect(read(b, '/log/1')).toBe('one');
  a.perform('rename', ['/log', '/old']);
  a.perform('mkdir', ['/log']);
  write(b, '/log/2', 'two');
  expect(server.names('/old')).toEqual(['1', '2']);
  b.perform('list', ['/']);
  expect(b.perform('list', ['/log'])).toEqual([]);
});

test('link says EEXIST for a name that was removed elsewhere, until its directory is listed', () => {
  const { a, b } = hosts();
  write(a, '/log/1', 'one');
  read(b, '/log/1');
  write(b, '/log/x', 'x');
  a.perform('unlink', ['/log/1']);
  a.perform('link', ['/log/x', '/log/1']);
  expect(errnoOf(() => b.perform('link', ['/log/x', '/log/1']))).toBe('EEXIST');
  expect(b.perform('list', ['/log'])).toEqual(['1', 'x']);
});

test('bytes are others’ when the file is closed, safe from a power cut when it was fsynced', () => {
  const { server, a, b } = hosts('none');
  const fd = a.perform('create', ['/log/1']);
  a.perform('write', [fd, Buffer.from('12345678'), 0]);
  expect(read(b, '/log/1')).toBe('');
  a.perform('close', [fd]);
  expect(read(b, '/log/1')).toBe('12345678');
  server.powerCut('half');
  expect(read(b, '/log/1')).toBe('1234');
  write(a, '/log/2', 'safe');
  write(a, '/log/3', 'lost', false);
  server.powerCut('nothing');
  expect([read(b, '/log/2'), read(b, '/log/3')]).toEqual(['safe', '']);
});

test('a full volume says so at fsync and close only, and the file is empty', () => {
  const { server, a } = hosts();
  server.full = 'bytes';
  const fd = a.perform('create', ['/log/1']);
  a.perform('write', [fd, Buffer.from('one'), 0]);
  let met: unknown;
  try {
    a.perform('fsync', [fd]);
  } catch (error) {
    met = error;
  }
  expect(isErrno(met, 'ENOSPC')).toBe(true);
  a.perform('close', [fd]);
  expect(read(a, '/log/1')).toBe('');
});

test('the number of a removed directory is used again; its state is another', () => {
  const { server, a } = hosts('none');
  a.perform('mkdir', ['/log/f']);
  const before = String(a.perform('changed', ['/log/f'])).split(':')[1];
  a.perform('rmdir', ['/log/f']);
  const digest = server.digest;
  a.perform('mkdir', ['/log/f']);
  expect(String(a.perform('changed', ['/log/f'])).split(':')[1]).toBe(before);
  expect(server.digest).not.toBe(digest);
});

test('two orders of calls that touch different names end in one state, others do not', () => {
  const states = [
    ['a', 'b'],
    ['b', 'a'],
  ].map((order) => {
    const { server, a, b } = hosts();
    for (const name of order) write(name === 'a' ? a : b, `/log/${name}`, name);
    return server.digest;
  });
  expect(states[0]).toBe(states[1]);
  const { server, a } = hosts();
  write(a, '/log/a', 'a');
  expect(server.digest).not.toBe(states[0]);
  const copy = server.clone();
  expect(copy.digest).toBe(server.digest);
  write(new ModelClient('b', copy, 'none'), '/log/b', 'b');
  expect(copy.digest).toBe(states[0]);
  expect(server.names('/log')).toEqual(['a']);
});
