import { beforeEach, expect, test } from 'vitest';
import type { Logger } from '../log/types.ts';
import { Room } from './room.ts';
import type { Space } from './space.ts';

let now = 0;
let log: string[];
let room: Room;

beforeEach(() => {
  now = 1_000_000;
  log = [];
  const logger: Logger = {
    debug() {},
    info: (_fields: object, message: string) => void log.push(message),
    warn() {},
    error: (fields: object) => void log.push('code' in fields ? String(fields.code) : '?'),
    child: () => logger,
  };
  const reserve = { bytes: 1000, inodes: 10 };
  room = new Room({ volume: 'v1', log: logger, now: () => now, reserve, retryMs: 15_000 });
});

const space = (more: Partial<Space> = {}): Space => ({
  freeBytes: 100_000,
  freeInodes: 100,
  fileSystem: 'nfs',
  mode: 'writable',
  ...more,
});

const AGAIN = 'volume takes new mail again';

test('before it was asked a volume is taken to have room', () => {
  expect([room.writable, room.fits(1e15)]).toEqual(['yes', true]);
});

test('the reserve is what is left free; at its edge, in bytes and in inodes', () => {
  room.seen(space({ freeBytes: 1000 }));
  expect([room.writable, room.fits(0), room.fits(1)]).toEqual(['yes', true, false]);
  room.seen(space({ freeBytes: 999 }));
  expect([room.writable, room.fits(0)]).toEqual(['full', false]);
  room.seen(space({ freeInodes: 11 }));
  expect(room.writable).toBe('yes');
  room.seen(space({ freeInodes: 10 }));
  expect(room.writable).toBe('full');
  room.seen(space({ freeInodes: undefined }));
  expect(room.writable).toBe('yes');
  expect(log).toEqual(['MF-VOL-005', AGAIN, 'MF-VOL-005', AGAIN]);
});

test('a quota that no probe sees stands until a write may try, and is logged once', () => {
  room.seen(space());
  for (let trial = 0; trial < 3; trial++) {
    room.refused('full', new Error('EDQUOT'));
    now += 14_999;
    room.seen(space());
    expect(room.writable).toBe('full');
    now += 1;
    expect(room.writable).toBe('yes');
  }
  expect(log).toEqual(['MF-VOL-005']);
  room.written();
  expect([room.writable, ...log]).toEqual(['yes', 'MF-VOL-005', AGAIN]);
});

test('more free space than when a write failed is room at once', () => {
  room.seen(space({ freeBytes: 5000 }));
  room.refused('full', new Error('ENOSPC'));
  room.seen(space({ freeBytes: 4000 }));
  expect(room.writable).toBe('full');
  room.seen(space({ freeBytes: 5001 }));
  expect([room.writable, ...log]).toEqual(['yes', 'MF-VOL-005']);
  room.written();
  expect(log).toEqual(['MF-VOL-005', AGAIN]);
});

test('read-only: seen at the mount, or said by a write and taken back by a mount that is not', () => {
  room.seen(space({ mode: 'read-only' }));
  expect(room.writable).toBe('read-only');
  room.seen(space());
  room.refused('read-only', new Error('EROFS'));
  room.seen(space({ mode: 'unknown', freeBytes: 1e9 }));
  expect(room.writable).toBe('read-only');
  room.seen(space());
  expect(room.writable).toBe('yes');
  room.written();
  expect(log).toEqual(['MF-VOL-006', AGAIN, 'MF-VOL-006', AGAIN]);
});
