import { describe, expect, test } from 'vitest';

import { checkLayers } from './layers.ts';
import { plant, texts } from './planted.ts';

/** A tree that is right, so that each test's planted error is the only one. */
const RIGHT = {
  'maildir/src/index.ts': "export * from './node-fs.ts';\n",
  'maildir/src/node-fs.ts': "import { rename } from 'node:fs';\nexport const a = rename;\n",
  'src/base/clock.ts': 'export const clock = 1;\n',
  'src/base/clock.test.ts':
    "import { test } from 'vitest';\nimport './clock.ts';\ntest('', () => {});\n",
  'src/config/options.ts': "import { clock } from '../base/clock.ts';\nexport const o = clock;\n",
  'src/volumes/volume.ts': "export { a } from '#maildir';\n",
  'src/pop3/session.ts': "import { o } from '../config/options.ts';\nexport const s = o;\n",
};

const check = (files: Readonly<Record<string, string>>, exceptions = {}): string[] =>
  texts(checkLayers(plant({ ...RIGHT, ...files }), exceptions));

test('a tree that is right passes', () => {
  expect(check({})).toEqual([]);
});

describe('order of modules', () => {
  test('an import upwards is found, however it is written', () => {
    const ways = [
      "import { s } from '../pop3/session.ts';\nexport const x = s;\n",
      "import type { s } from '../pop3/session.ts';\nexport type X = typeof s;\n",
      "export const x = await import('../pop3/session.ts');\n",
      "export type X = typeof import('../pop3/session.ts').s;\n",
      "export * from '../pop3/session.ts';\n",
    ];
    for (const way of ways) {
      const found = check({ 'src/base/up.ts': way });
      expect(found, way).toEqual(['base may not import pop3 (upwards): src/pop3/session.ts']);
    }
  });

  test('an import sideways is found', () => {
    const found = check({ 'src/imap/x.ts': "export { s } from '../pop3/session.ts';\n" });
    expect(found).toEqual(['imap may not import pop3 (sideways): src/pop3/session.ts']);
  });

  test('a comment or a string is no import', () => {
    const text =
      "// import '../pop3/session.ts';\nexport const x = \"import '../pop3/session.ts'\";\n";
    expect(check({ 'src/base/x.ts': text })).toEqual([]);
  });

  test('a folder without a row is found', () => {
    const found = check({ 'src/novelty/x.ts': 'export const x = 1;\n' });
    expect(found).toEqual(['is in no row of LAYERS in scripts/layers.ts']);
  });

  test('a tree in which no import is seen is an error', () => {
    const root = plant({ 'src/base/clock.ts': 'export const clock = 1;\n' });
    expect(texts(checkLayers(root, {}))).toEqual(['no import was seen at all: the check is blind']);
  });

  test('an import of nothing is found', () => {
    const found = check({ 'src/base/x.ts': "export * from './gone.ts';\n" });
    expect(found).toEqual(['imports src/base/gone.ts, which does not exist']);
  });

  test('tests may look up, the product may not look at tests', () => {
    expect(check({ 'src/base/x.test.ts': "import '../pop3/session.ts';\n" })).toEqual([]);
    const text = "import '../../test/harness/a.ts';\n";
    const found = check({ 'src/base/x.ts': text, 'test/harness/a.ts': 'export {};\n' });
    expect(found).toEqual(['the product may not import test/harness/a.ts']);
    const testing = { 'src/base/testing/a.ts': 'export {};\n' };
    const own = check({ ...testing, 'src/base/x.ts': "import './testing/a.ts';\n" });
    expect(own).toEqual(['the product may not import src/base/testing/a.ts']);
  });

  test('a circle of files is found', () => {
    const files = {
      'src/base/a.ts': "import { b } from './b.ts';\nexport const a = (): number => b();\n",
      'src/base/b.ts': "import { a } from './a.ts';\nexport const b = (): number => a();\n",
    };
    const types = "import type { a } from './a.ts';\nexport const b = (c: a): unknown => c;\n";
    expect(check({ ...files, 'src/base/b.ts': types })).toEqual([]);
    const found = check(files);
    expect(found).toEqual([
      'imports itself in a circle: src/base/a.ts → src/base/b.ts → src/base/a.ts',
    ]);
  });
});

describe('the storage engine', () => {
  test('it imports nothing of ours and no package', () => {
    expect(check({ 'maildir/src/x.ts': "import '../../src/base/clock.ts';\n" })).toEqual([
      'maildir imports nothing outside itself, not src/base/clock.ts',
    ]);
    expect(check({ 'maildir/src/x.ts': "import 'fs-extra';\n" })).toEqual([
      'maildir has no dependency: fs-extra',
    ]);
  });

  test('it reaches the file system through one door', () => {
    const found = check({ 'maildir/src/x.ts': "import { open } from 'node:fs';\nopen();\n" });
    expect(found).toEqual([
      'only maildir/src/node-fs.ts reaches the file system; take an Fs as a parameter',
    ]);
  });

  test('it is imported by its front, and by few', () => {
    const past = check({ 'src/volumes/x.ts': "import '../../maildir/src/index.ts';\n" });
    expect(past).toEqual(["use '#maildir', the front of the storage engine"]);
    const stranger = check({ 'src/pop3/x.ts': "import '#maildir';\n" });
    expect(stranger).toEqual(['only volumes, mailbox, spool import the storage engine']);
  });
});

describe('packages and system calls with a home', () => {
  test('an LDAP package outside directory is found', () => {
    const found = check({ 'src/mx/x.ts': "import { Client } from 'ldapts';\nnew Client({});\n" });
    expect(found).toEqual(['only directory import ldapts']);
  });

  test('a package without a row is found', () => {
    const found = check({ 'src/mx/x.ts': "import 'left-pad';\n" });
    expect(found).toEqual(['left-pad is in no row of PACKAGES in scripts/layers.ts']);
  });

  test('a socket opened in a protocol is found, its type is not', () => {
    const found = check({ 'src/mx/x.ts': "import { connect } from 'node:net';\nconnect(25);\n" });
    expect(found).toEqual([
      'sockets are opened in net, http, dns, directory, spool, not here: connect',
    ]);
    const type = "import type { Socket } from 'node:net';\nexport type S = Socket;\n";
    expect(check({ 'src/mx/x.ts': type })).toEqual([]);
  });

  test('a computed import is found', () => {
    const text = 'export const load = (name: string): unknown => import(name);\n';
    expect(check({ 'src/mx/x.ts': text })).toEqual(['a computed import() hides what is imported']);
  });

  test('a rename is found, however it is reached', () => {
    const ways = [
      "import { rename } from 'node:fs/promises';\nawait rename('a', 'b');\n",
      "import fs from 'node:fs';\nfs.renameSync('a', 'b');\n",
      "import * as fs from 'node:fs';\nawait fs.promises.rename('a', 'b');\n",
    ];
    for (const way of ways) expect(check({ 'src/mx/x.ts': way }), way).toHaveLength(1);
    const handle = "import { open } from 'node:fs/promises';\nawait (await open('a')).sync();\n";
    expect(check({ 'src/mx/x.ts': handle })).toHaveLength(1);
  });

  test('an exception lets a file through, and is an error when nothing needs it', () => {
    const text = "import { mkdirSync } from 'node:fs';\nmkdirSync('a');\n";
    expect(check({ 'src/mx/x.ts': text }, { 'src/mx/x.ts': 'a cache' })).toEqual([]);
    expect(check({}, { 'src/mx/x.ts': 'a cache' })).toEqual([
      'is excepted in scripts/layers.ts and need not be',
    ]);
  });
});
