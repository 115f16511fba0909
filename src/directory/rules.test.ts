import fc from 'fast-check';
import { expect, test } from 'vitest';
import { memoryAccount } from './memory.ts';
import {
  checkPattern,
  firstMatch,
  formatRuleTarget,
  inOrder,
  matchesPattern,
  parseRuleTarget,
  PATTERN_LENGTH_MAX,
  RuleError,
  volumeByRule,
} from './rules.ts';
import { DirectoryUnavailable, type RuleEntry } from './types.ts';

let order = 0;
const rule = (pattern: string, target: string): RuleEntry => ({
  name: `r${++order}`,
  order,
  pattern,
  target: parseRuleTarget(target),
});

const alice = memoryAccount({ login: 'alice@example.test' });
const tom = memoryAccount({ login: 'tom@example.test' });

test('[S1-03] [S1-22] users by pattern: a to k here, the rest there; the first match decides', () => {
  const rules = [rule('[a-k].*', 'volume:alf'), rule('.*', 'volume:barney')];
  expect([alice, tom].map((one) => volumeByRule(rules, one))).toEqual(['alf', 'barney']);
  expect([alice, tom].map((one) => volumeByRule(rules.toReversed(), one))).toEqual([
    'barney',
    'barney',
  ]);
});

test('the whole address has to match', () => {
  const cases: readonly [pattern: string, matches: boolean][] = [
    ['alice', false],
    ['alice@.*', true],
    ['lice@example.test', false],
    ['alice@example.tes', false],
    ['alice|alice@example.test', true],
    ['^alice@example\\.test$', true],
    ['ALICE@example.test', false],
    ['(?i)ALICE@example.test', true],
  ];
  const found = cases.map(([pattern]) => matchesPattern(pattern, 'alice@example.test'));
  expect(found).toEqual(cases.map(([, matches]) => matches));
});

test('[S1-03] a bad rule defers what comes to it, and nothing that was decided before it', () => {
  const rules = [rule('alice@.*', 'volume:v1'), rule('(', 'volume:v2'), rule('.*', 'volume:v3')];
  expect(volumeByRule(rules, alice)).toBe('v1');
  expect(() => volumeByRule(rules, tom)).toThrow(DirectoryUnavailable);
  expect(() => volumeByRule(rules, tom)).toThrow(/The rule r\d+ is bad: .*missing.*MF-DIR-021/s);
});

test('a host rule places nobody, and a volume rule hands no address over', () => {
  const rules = [rule('.*', 'host:old.test:25'), rule('t.*', 'volume:v1')];
  expect(volumeByRule(rules, alice)).toBeUndefined();
  expect(volumeByRule(rules, tom)).toBe('v1');
  expect(firstMatch(rules.toReversed(), 'host', 'tom@example.test')?.host).toBe('old.test');
});

test('rules are tried in their order, then by name', () => {
  const [a, b, c] = [rule('a', 'volume:v'), rule('b', 'volume:v'), rule('c', 'volume:v')];
  const shuffled = [
    { ...c, order: 1 },
    { ...b, order: 2, name: 'z' },
    { ...a, order: 2 },
  ];
  expect(inOrder(shuffled).map(({ pattern }) => pattern)).toEqual(['c', 'a', 'b']);
});

test('a pattern that would take a backtracking engine years takes no time', () => {
  const startedAt = performance.now();
  expect(matchesPattern('(a*)*(a*)*(a*)*b', `${'a'.repeat(500)}@c`)).toBe(false);
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});

test('what is no pattern is refused with the reason', () => {
  for (const bad of ['', '(', 'a{2000}', '(?=x)', '\\1', 'x'.repeat(PATTERN_LENGTH_MAX + 1)]) {
    expect(() => checkPattern(bad)).toThrow(RuleError);
  }
  expect(() => checkPattern('x'.repeat(PATTERN_LENGTH_MAX))).not.toThrow();
});

test('targets: what is read is written the same', () => {
  const good = [
    'volume:v1',
    'host:old.example.test:25',
    'host:[2001:db8::1]:10024',
    'host:127.0.0.1:1',
  ];
  expect(good.map((text) => formatRuleTarget(parseRuleTarget(text)))).toEqual(good);
  for (const bad of [
    '',
    'volume:',
    'volume:../x',
    'volume:v1\n',
    'host:a',
    'host:a:0',
    'host:a:65536',
    'host:a b:25',
    'host:2001:db8::1:25',
    'pipe:/bin/sh',
    'host:a:25\0',
    'Volume:v1',
    'host:[]:25',
  ]) {
    expect(() => parseRuleTarget(bad), bad).toThrow(RuleError);
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      for (const prefix of ['', 'host:', 'volume:']) {
        try {
          const target = parseRuleTarget(prefix + text);
          expect(parseRuleTarget(formatRuleTarget(target))).toEqual(target);
        } catch (error) {
          expect(error).toBeInstanceOf(RuleError);
        }
      }
    }),
  );
});
