import { RE2JS } from 're2js';
import { addressKey, domainKey, keyText } from './address.ts';
import { nameIsSafe } from './schema.ts';
import { DirectoryUnavailable } from './types.ts';
import type { Account, RuleEntry, RuleTarget } from './types.ts';

/**
 * Rules: where addresses of a pattern go that have no place of their own. A host rule speaks of
 * addresses without an entry, a volume rule of users without a volume; neither hides the other.
 * The first rule that matches decides. A rule that cannot be judged decides too: it defers
 * (S1-03), because the rule behind it was written for other addresses.
 *
 * Patterns are RE2 expressions, whose time is linear in the address, which a peer chooses.
 */
export const PATTERN_LENGTH_MAX = 1_000;
/** Compiled patterns kept by one process; a farm has tens of rules. */
const PATTERNS_KEPT = 10_000;

/** What is wrong with a rule, in words for whoever writes it. */
export class RuleError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RuleError';
  }
}

const compiled = new Map<string, RE2JS | RuleError>();

/**
 * Whether the whole address (lower case) matches a pattern.
 * @throws RuleError when the pattern is none
 */
export function matchesPattern(pattern: string, address: string): boolean {
  const known = compiled.get(pattern) ?? compile(pattern);
  if (known instanceof RuleError) throw known;
  return known.testExact(address);
}

/** @throws RuleError that says what is wrong with a pattern, for whoever is about to store it */
export function checkPattern(pattern: string): void {
  matchesPattern(pattern, '');
}

function compile(pattern: string): RE2JS | RuleError {
  const result = compileOnce(pattern);
  if (compiled.size >= PATTERNS_KEPT) compiled.clear();
  compiled.set(pattern, result);
  return result;
}

function compileOnce(pattern: string): RE2JS | RuleError {
  if (pattern === '' || pattern.length > PATTERN_LENGTH_MAX) {
    return new RuleError(`A pattern has 1 to ${PATTERN_LENGTH_MAX} characters`);
  }
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return new RuleError(`The pattern is no RE2 expression: ${why}`, { cause: error });
  }
}

const TARGET = /^(volume|host):(.+)$/s;
const HOST_PORT = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([^:]+)):(\d{1,5})$/;

/**
 * `volume:NAME` or `host:NAME:PORT`, an IPv6 address in brackets.
 * @throws RuleError
 */
export function parseRuleTarget(text: string): RuleTarget {
  const [, kind, rest = ''] = TARGET.exec(text) ?? [];
  if (kind === 'volume' && nameIsSafe(rest)) return { kind, volume: rest };
  const [, literal, name, digits] = (kind === 'host' && HOST_PORT.exec(rest)) || [];
  const host = literal ?? domainKey(name ?? '');
  const port = Number(digits);
  if (host !== undefined && port >= 1 && port <= 65_535) return { kind: 'host', host, port };
  throw new RuleError(`The target ${JSON.stringify(text)} is not volume:NAME or host:NAME:PORT`);
}

/** The text of a target, as parseRuleTarget reads it. */
export function formatRuleTarget(target: RuleTarget): string {
  if (target.kind === 'volume') return `volume:${target.volume}`;
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  return `host:${host}:${target.port}`;
}

/** Rules in the order in which they are tried. */
export const inOrder = (rules: readonly RuleEntry[]): readonly RuleEntry[] =>
  rules.toSorted((a, b) => a.order - b.order || (a.name < b.name ? -1 : 1));

/**
 * The target of the first rule of a kind that matches an address.
 * @param rules in their order
 * @throws DirectoryUnavailable (MF-DIR-021) when a rule on the way cannot be judged
 */
export function firstMatch<K extends RuleTarget['kind']>(
  rules: readonly RuleEntry[],
  kind: K,
  address: string,
): Extract<RuleTarget, { kind: K }> | undefined {
  const rule = rules.find((one) => one.target.kind === kind && ruleMatches(one, address));
  return rule?.target as Extract<RuleTarget, { kind: K }> | undefined;
}

function ruleMatches(rule: RuleEntry, address: string): boolean {
  try {
    return matchesPattern(rule.pattern, address);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new DirectoryUnavailable(`The rule ${rule.name} is bad: ${why} (MF-DIR-021)`, {
      cause: error,
    });
  }
}

/**
 * The volume that the first matching volume rule chooses for a user, by the login.
 * @param rules in their order
 * @throws DirectoryUnavailable (MF-DIR-021)
 */
export function volumeByRule(rules: readonly RuleEntry[], account: Account): string | undefined {
  const key = addressKey(account.login);
  return firstMatch(rules, 'volume', key ? keyText(key) : account.login)?.volume;
}
