import { join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import { testDirectory } from '../harness/directory.ts';
import { Desk } from './desk.ts';
import { Judge, type Listing } from './judge.ts';
import { makeLetter } from './letter.ts';
import { now, settle, type WitnessOptions } from './options.ts';

const BASE = { smtp: ['h:1'], pop3: ['h:2'], users: [{ login: 'u', password: 'p' }] };
const TRACE = Buffer.from('Return-Path: <w@w.example>\r\nReceived: from a\r\n\tby b; c\r\n');

/** A run with times of its own: letters and sessions happen when a test says. */
class Story {
  readonly desk: Desk;
  readonly judge: Judge;
  readonly #settings;

  constructor(ctx: TestContext, options: Partial<WitnessOptions> = {}) {
    this.desk = new Desk(join(testDirectory(ctx), 'ledger'));
    this.#settings = settle({ ...BASE, ...options });
    const settings = this.#settings;
    this.desk.put({ kind: 'begin', at: 0, series: 's', start: 1, settings });
    this.judge = new Judge(this.desk, settings);
  }

  letter(id: string, to: readonly string[] = ['u']): this {
    const { payload, hash, body } = makeLetter(this.#settings, id);
    this.desk.put({ kind: 'letter', id, to, octets: payload.length, hash, body });
    return this;
  }

  tried(id: string, n: number, end?: 'acked' | 'temporary' | 'unclear', at = 10): this {
    const to = ['u'];
    this.desk.put({ kind: 'try', id, n, at: at - 1, frontEnd: 'h:1', to });
    if (end) this.desk.put({ kind: 'end', id, n, at, end, to, reply: '' });
    return this;
  }

  /** A letter that was acknowledged at 10. */
  sent(id: string): this {
    return this.letter(id).tried(id, 1, 'acked');
  }

  text(id: string): Buffer {
    return Buffer.concat([TRACE, makeLetter(this.#settings, id).payload]);
  }

  /** A session that shows messages, each with what comes when it is fetched. */
  session(
    from: number,
    until: number,
    shown: Readonly<Record<string, string | Buffer>>,
    { complete = true } = {},
  ): this {
    const box = this.desk.book.box('u');
    const content = Object.entries(shown).map(
      ([uidl, what]) => [uidl, typeof what === 'string' ? this.text(what) : what] as const,
    );
    const rows = new Map(content.map(([uidl, octets]) => [uidl, octets.length]));
    const listing: Listing = { box, frontEnd: 'h:2', from, until, rows, expected: [...box.unseen] };
    for (const [uidl, octets] of content) this.judge.fetched(listing, uidl, octets);
    this.judge.listing(listing, complete);
    return this;
  }

  deletion(uidl: string, askedAt: number, confirmedAt?: number): this {
    this.desk.put({ kind: 'ask', box: 'u', uidls: [uidl], at: askedAt });
    if (confirmedAt !== undefined) {
      this.desk.put({ kind: 'deleted', box: 'u', uidls: [uidl], at: confirmedAt });
    }
    return this;
  }

  get kinds(): string[] {
    return this.desk.book.violations.map(({ kind }) => kind);
  }
}

test('what was acknowledged before the session has to be shown, what came later may', (ctx) => {
  const story = new Story(ctx).sent('a').sent('b');
  story.session(20, 21, { x: 'a', y: 'b' });
  expect(story.kinds).toEqual([]);
  story.session(30, 31, { x: 'a' }).session(32, 33, { x: 'a' });
  expect(story.kinds).toEqual(['missing']);
  story.session(40, 41, {});
  expect(story.kinds).toEqual(['missing', 'empty']);
  expect(new Story(ctx).letter('a').tried('a', 1, 'unclear').session(20, 21, {}).kinds).toEqual([]);
  expect(new Story(ctx).sent('a').session(5, 21, {}).kinds, 'while it listed').toEqual([]);
});

test('a letter that nobody has fetched is missed too, unless something is unidentified or parked', (ctx) => {
  expect(new Story(ctx).sent('a').sent('b').session(20, 21, { x: 'b' }).kinds).toEqual(['missing']);
  const parked = new Story(ctx).letter('a');
  parked.tried('a', 1);
  parked.desk.put({
    kind: 'end',
    id: 'a',
    n: 1,
    at: 10,
    end: 'acked',
    to: ['u'],
    reply: '',
    parking: true,
  });
  parked.session(20, 21, {});
  expect(parked.kinds).toEqual([]);
  parked.session(30, 31, { x: 'a' }).session(40, 41, {});
  expect(parked.kinds, 'once seen it stays').toEqual(['empty']);
  expect(parked.judge.lost(parked.desk.book.box('u'), new Map())).toHaveLength(1);
});

test('deletions: asked for, it may go at any time; confirmed or once gone, it stays away', (ctx) => {
  const seen = (): Story => new Story(ctx).sent('a').sent('b').session(20, 21, { x: 'a', y: 'b' });
  expect(seen().deletion('x', 30).session(29, 31, { y: 'b' }).kinds).toEqual([]);
  expect(seen().deletion('x', 30).session(40, 41, { x: 'a', y: 'b' }).kinds).toEqual([]);
  expect(seen().deletion('x', 30).session(28, 29, { y: 'b' }).kinds, 'not asked for').toEqual([
    'missing',
  ]);
  const confirmed = seen().deletion('x', 30, 35);
  confirmed.session(34, 40, { x: 'a', y: 'b' });
  expect(confirmed.kinds, 'begun before').toEqual([]);
  confirmed.session(36, 40, { x: 'a', y: 'b' });
  expect(confirmed.kinds).toEqual(['came-back']);
  const gone = seen().deletion('x', 30).session(40, 41, { y: 'b' });
  gone.session(50, 51, { x: 'a', y: 'b' });
  expect(gone.kinds).toEqual(['came-back']);
});

test('a listing from before a message came is no proof that it was deleted', (ctx) => {
  const story = new Story(ctx).sent('b').sent('a').session(20, 21, { x: 'a', y: 'b' });
  story.deletion('x', 30).session(15, 40, { y: 'b' }).session(45, 46, { x: 'a', y: 'b' });
  expect(story.kinds).toEqual([]);
});

test('a deletion nobody confirmed: sessions judged in another order, a loss of power', (ctx) => {
  const asked = (powerCuts: boolean): Story =>
    new Story(ctx, { powerCuts }).sent('a').sent('b').session(20, 21, { x: 'a', y: 'b' });
  for (const powerCuts of [false, true]) {
    const late = asked(powerCuts).deletion('x', 30).session(50, 51, { x: 'a', y: 'b' });
    late.session(40, 41, { y: 'b' });
    expect(late.kinds).toEqual(powerCuts ? [] : ['came-back']);
    const back = asked(powerCuts).deletion('x', 30).session(40, 41, { y: 'b' });
    back.session(50, 51, { x: 'a', y: 'b' }).session(60, 61, { y: 'b' });
    back.session(55, 61, { x: 'a', y: 'b' });
    expect(back.kinds).toEqual(powerCuts ? [] : ['came-back']);
    const confirmed = asked(powerCuts).deletion('x', 30, 35).session(50, 51, { x: 'a', y: 'b' });
    expect(confirmed.kinds).toEqual(['came-back']);
  }
});

test('a copy of an earlier attempt does not stand for the one that was acknowledged', (ctx) => {
  const twice = (): Story =>
    new Story(ctx)
      .sent('b')
      .letter('a')
      .tried('a', 1, 'unclear')
      .session(20, 21, { x: 'a', y: 'b' });
  const box = (story: Story) => story.desk.book.box('u');
  const rows = new Map([['x', 1]]).set('y', 1);
  const shown = twice().tried('a', 2, 'acked', 30);
  shown.session(40, 41, { x: 'a', y: 'b', z: 'a' }).session(50, 51, { x: 'a', y: 'b', z: 'a' });
  expect(shown.kinds).toEqual([]);
  const missed = twice().tried('a', 2, 'acked', 30).session(40, 41, { x: 'a', y: 'b' });
  expect(missed.kinds).toEqual(['missing']);
  expect(missed.judge.lost(box(missed), rows)).toHaveLength(1);
  const deleted = twice().tried('a', 2, 'acked', 30).deletion('x', 32, 33);
  expect(deleted.session(40, 41, { y: 'b' }).kinds).toEqual(['missing']);
  // Seen after the end of the data went out: it may be either.
  const either = new Story(ctx).letter('a').tried('a', 1, 'unclear').tried('a', 2, 'acked', 30);
  either.session(28, 29, { x: 'a' }).deletion('x', 40, 41).session(50, 51, {});
  expect(either.kinds).toEqual([]);
  expect(either.judge.lost(box(either), new Map())).toEqual([]);
});

test('copies: as many as attempts sent the end of data', (ctx) => {
  const double = { x: 'a', y: 'a' };
  expect(new Story(ctx).sent('a').session(20, 21, double).kinds).toEqual(['doubled']);
  for (const end of ['unclear', 'temporary'] as const) {
    const again = new Story(ctx).letter('a').tried('a', 1, end).tried('a', 2, 'acked');
    expect(again.session(20, 21, double).kinds).toEqual([]);
    expect(again.session(30, 31, { ...double, z: 'a' }).kinds).toEqual(['doubled']);
  }
  const landed = new Story(ctx).sent('a').session(20, 21, { x: 'a' }).deletion('x', 30, 31);
  expect(landed.session(40, 41, { y: 'a' }).kinds, 'again after its deletion').toEqual(['doubled']);
});

test('unique ids: they stay, and mean one message', (ctx) => {
  const changed = new Story(ctx).sent('a').session(20, 21, { x: 'a' }).session(30, 31, { y: 'a' });
  expect(changed.session(40, 41, { y: 'a' }).kinds).toEqual(['uidl-changed']);
  const reused = new Story(ctx).sent('a').sent('b').session(20, 21, { x: 'a', y: 'b' });
  reused.deletion('y', 30, 31);
  expect(reused.session(40, 41, { x: 'b' }).kinds).toContain('uidl-reused');
});

test('contents: spoiled, cut short, of another, of nobody, never sent, sent to others', (ctx) => {
  const story = (): Story => new Story(ctx).sent('a').sent('b');
  const spoil = (change: (octets: Buffer) => Buffer): string | undefined =>
    story().session(5, 6, { x: change(story().text('a')) }).kinds[0];
  expect(spoil((octets) => octets)).toBeUndefined();
  expect(spoil((octets) => octets.subarray(0, -2))).toBe('truncated');
  expect(spoil((octets) => octets.fill(0, octets.length - 4, octets.length - 3))).toBe('corrupt');
  expect(spoil((octets) => Buffer.concat([octets, Buffer.from('more\r\n')]))).toBe('corrupt');
  expect(spoil((octets) => Buffer.concat([Buffer.from('X-Spam: no\r\n'), octets]))).toBe('corrupt');
  const end = (octets: Buffer): number => octets.indexOf('\r\n\r\n') + 4;
  const other = spoil((octets) => {
    const b = story().text('b');
    return Buffer.concat([octets.subarray(0, end(octets)), b.subarray(end(b))]);
  });
  expect(other).toBe('wrong-body');
  expect(spoil(() => Buffer.from('Subject: hello\r\n\r\n'))).toBe('foreign');
  expect(new Story(ctx).letter('a').session(5, 6, { x: 'a' }).kinds).toEqual(['foreign']);
  expect(new Story(ctx).letter('a', ['v']).session(5, 6, { x: 'a' }).kinds).toEqual(['foreign']);
});

test('a loss of power may take what nobody acknowledged, and nothing else', (ctx) => {
  for (const powerCuts of [true, false]) {
    const unclear = new Story(ctx, { powerCuts }).letter('a').tried('a', 1, 'unclear').sent('b');
    unclear.session(20, 21, { x: 'a', y: 'b' }).session(30, 31, { y: 'b' });
    expect(unclear.kinds).toEqual(powerCuts ? [] : ['missing']);
    expect(unclear.judge.vanished.size).toBe(powerCuts ? 1 : 0);
    unclear.session(40, 41, {});
    expect(unclear.kinds).toContain('empty');
  }
  const twice = (): Story =>
    new Story(ctx, { powerCuts: true }).sent('b').letter('a').tried('a', 1, 'unclear');
  const early = twice().session(20, 21, { x: 'a', y: 'b' }).tried('a', 2, 'acked', 30);
  early.session(40, 41, { x: 'a', y: 'b', z: 'a' });
  early.session(50, 51, { z: 'a', y: 'b' }).session(60, 61, { z: 'a', y: 'b' });
  expect(early.kinds, 'the copy of the unclear attempt goes').toEqual([]);
  early.session(70, 71, { y: 'b' });
  expect(early.kinds, 'then the one that was acknowledged').toEqual(['missing']);
  const other = twice().session(20, 21, { x: 'a', y: 'b' }).tried('a', 2, 'acked', 30);
  other.session(40, 41, { x: 'a', y: 'b', z: 'a' }).session(50, 51, { x: 'a', y: 'b' });
  expect(other.kinds, 'the acknowledged one goes, the other stays').toEqual(['missing']);
  const unsure = twice().tried('a', 2, 'acked', 30).session(40, 41, { x: 'a', y: 'b' });
  unsure.session(50, 51, { y: 'b' }, { complete: false });
  expect(unsure.kinds, 'the other copy may be what was not fetched').toEqual([]);
  expect(unsure.session(60, 61, { y: 'b' }).kinds).toEqual(['missing']);
});

test('a host whose clock was set back since the ledger was written', (ctx) => {
  const later = Date.now() + 3_600_000;
  const story = new Story(ctx).letter('a').tried('a', 1, 'acked', later);
  return story.desk.ledger.close().then(() => {
    expect(now()).toBeLessThan(later);
    new Desk(story.desk.ledger.path);
    expect(now()).toBeGreaterThan(later);
  });
});

test('what is known survives a restart; an attempt without an end counts as unclear', (ctx) => {
  const story = new Story(ctx).letter('a').tried('a', 1).sent('b');
  story.session(20, 21, { y: 'b' }).deletion('y', 30, 31);
  return story.desk.ledger.close().then(() => {
    const { book } = new Desk(story.desk.ledger.path);
    expect([...book.letters.keys()]).toEqual(['a', 'b']);
    expect(book.box('u').messages.get('y')).toMatchObject({ letter: 'b', deletedAt: 31 });
    book.forsake();
    expect(book.copy('a', 'u')).toMatchObject({ tries: 1, open: 1 });
    expect(book.counts).toMatchObject({ unclear: 1, acked: 1, deleted: 1 });
  });
});
