import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../base/clock.ts';
import { silentLogger } from '../log/types.ts';
import { parseMetrics } from '../metrics/text.ts';
import { countsOf, DayBook, grown, parseDays, type Counts } from './days.ts';

const counts = (received: number, accepted = 0, delivered = 0, sent = 0): Counts => ({
  received,
  accepted,
  delivered,
  sent,
});
const TODAY = '2026-11-22';
const PAGE = `# HELP mailfarm_mx_recipients_total RCPT
# TYPE mailfarm_mx_recipients_total counter
mailfarm_mx_recipients_total{result="accepted"} 5
mailfarm_mx_recipients_total{result="unknown-user"} 90
mailfarm_submission_recipients_total{result="local"} 2
mailfarm_submission_recipients_total{result="elsewhere"} 1
mailfarm_submission_recipients_total{result="limit"} 1
mailfarm_relay_recipients_total{result="accepted"} 1
mailfarm_delivery_recipients_total{result="delivered"} 6
mailfarm_delivery_recipients_total{result="parked"} 1
mailfarm_delivery_parked_total{result="landed"} 1
mailfarm_sender_recipients_total{result="sent"} 3
mailfarm_sender_recipients_total{result="deferred"} 8
`;

test('[S3-30] received is what was judged, accepted what was taken, delivered and sent what arrived', () => {
  expect(countsOf(parseMetrics(PAGE))).toEqual(counts(100, 9, 7, 3));
});

test('samples are read as they are written: labels with quotes, no text that is none', () => {
  const page = 'a_total{x="q\\"\\\\",y="2"} 1.5\nb 2\n\n# TYPE b gauge\nnonsense\nc{x="1"} NaN\n';
  expect(parseMetrics(page)).toEqual([
    { name: 'a_total', labels: { x: 'q"\\', y: '2' }, value: 1.5 },
    { name: 'b', labels: {}, value: 2 },
  ]);
});

describe('days', () => {
  test('grow by what is new; a counter that went down began anew', () => {
    const first = grown({}, TODAY, counts(0), counts(10, 4));
    const second = grown(first, TODAY, counts(10, 4), counts(12, 4));
    expect(second).toEqual({ [TODAY]: counts(12, 4) });
    expect(grown(second, '2026-11-23', counts(12, 4), counts(3, 1))).toEqual({
      [TODAY]: counts(12, 4),
      '2026-11-23': counts(3, 1),
    });
  });

  test('forty are kept', () => {
    let days = {};
    for (let i = 0; i < 60; i++) {
      const day = new Date(i * 86_400_000).toISOString().slice(0, 10);
      days = grown(days, day, counts(0), counts(1));
    }
    expect(Object.keys(days)).toHaveLength(40);
    expect(days).not.toHaveProperty('1970-01-20');
  });

  test.each([
    '',
    'x',
    '[]',
    'null',
    '{"2026-11-22":null,"x":{},"2026-11-21":{"sent":-1,"received":2.5}}',
  ])('whatever is wrong in the file counts as nothing: %s', (text) => {
    const sums = Object.values(parseDays(text)).flatMap((row) => Object.values(row));
    expect(sums.every((value) => value === 0)).toBe(true);
  });
});

describe('over restarts', () => {
  let data: string;
  let value: number;
  beforeEach(() => {
    data = mkdtempSync(join(tmpdir(), 'mailfarm-days-'));
    value = 0;
  });
  afterEach(() => rmSync(data, { recursive: true, force: true }));

  const clock: Clock = {
    now: () => Date.parse(`${TODAY}T12:00:00Z`),
    sleep: (_, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) resolve();
        signal?.addEventListener('abort', () => resolve(), { once: true });
      }),
  };
  const book = (folder = data): DayBook =>
    new DayBook({
      data: folder,
      gather: async () =>
        parseMetrics(`mailfarm_sender_recipients_total{result="sent"} ${value}\n`),
      clock,
      logger: silentLogger,
    });

  test('[S3-30] a node that starts again goes on counting where it was', async () => {
    for (const sent of [5, 7]) {
      value = sent; // The counters of a process begin at zero.
      const one = book();
      one.start();
      await one.end();
    }
    expect(book().days).toEqual({});
    expect(parseDays(readFileSync(join(data, 'days.json'), 'utf8'))).toEqual({
      [TODAY]: counts(0, 0, 0, 12),
    });
  });

  test('a disk that takes nothing costs the file, not the count', async () => {
    writeFileSync(join(data, 'file'), '');
    const one = book(join(data, 'file'));
    one.start();
    value = 3;
    await one.end();
    expect(one.days[TODAY]?.sent).toBe(3);
  });
});
