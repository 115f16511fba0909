/**
 * The resolver: node:dns for what anybody asks, `ask.ts` where the AD bit counts. Answers are kept
 * for as long as their TTL says, at most `dns.cache.time`; MX and TXT, whose TTL node:dns does not
 * tell, for that time; a `no` for a minute, trouble for seconds.
 *
 * Errors: MF-DNS-001 nobody answers
 */
import type { Answer } from 'dns-packet';
import { Resolver as NodeResolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { withDeadline } from '../base/deadline.ts';
import type { Random } from '../base/random.ts';
import type { Logger } from '../log/types.ts';
import { ask, type Asked, type Question, type Server } from './ask.ts';
import { AnswerCache } from './cache.ts';
import { questions } from './metrics.ts';
import type { DnsOptions } from './options.ts';
import type { DnsAnswer, MxRecord, Resolver, SecureAnswer, TlsaRecord } from './types.ts';

export interface ResolverParts {
  readonly options: DnsOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const NEGATIVE_MS = 60_000;
const TROUBLE_MS = 5000;
/** A domain with more is served by these. */
const RECORDS_MAX = 100;

/** @throws TypeError when `dns.servers` has what is no address */
export function createResolver(parts: ResolverParts): Resolver {
  const { options } = parts;
  const node = new NodeResolver({ timeout: options['dns.timeout'], tries: options['dns.tries'] });
  if (options['dns.servers'].length > 0) node.setServers([...options['dns.servers']]);
  const cache = new AnswerCache({ clock: parts.clock, max: options['dns.cache.max'] });
  const plain = plainly(parts, node, cache);
  const secure = securely(parts, node, cache);
  return {
    mx: (domain) =>
      plain(`MX ${domain}`, async () => ({
        records: (await node.resolveMx(domain)).map((record) =>
          mxOf(record.priority, record.exchange),
        ),
      })),
    a: (host) => plain(`A ${host}`, async () => withTtl(await node.resolve4(host, { ttl: true }))),
    aaaa: (host) =>
      plain(`AAAA ${host}`, async () => withTtl(await node.resolve6(host, { ttl: true }))),
    txt: (name) =>
      plain(`TXT ${name}`, async () => ({
        records: (await node.resolveTxt(name)).map((strings) => strings.join('')),
      })),
    secureMx: (name) => secure({ type: 'MX', name }, toMx),
    secureAddress: async (name) => {
      const [v4, v6] = await Promise.all([
        secure({ type: 'A', name }, toAddress),
        secure({ type: 'AAAA', name }, toAddress),
      ]);
      return v4.answer.kind === 'records' || v4.answer.kind === 'trouble' ? v4 : v6;
    },
    tlsa: (name) => secure({ type: 'TLSA', name }, toTlsa),
    close: () => node.cancel(),
  };
}

interface Found<T> {
  readonly records: readonly T[];
  /** Seconds; undefined where nobody says. */
  readonly ttl?: number | undefined;
}

function plainly(parts: ResolverParts, node: NodeResolver, cache: AnswerCache) {
  const { options } = parts;
  // node:dns doubles its time with each round of the servers.
  const ms = options['dns.timeout'] * options['dns.tries'] * (node.getServers().length || 1) * 2;
  return <T>(key: string, query: () => Promise<Found<T>>): Promise<DnsAnswer<T>> =>
    cache.get<DnsAnswer<T>>(`plain ${key.toLowerCase()}`, async () => {
      try {
        const { records, ttl } = await withDeadline(query(), { ms, what: 'the resolver' });
        questions.inc('answered');
        if (records.length === 0) return kept({ kind: 'none' }, options);
        const keep = Math.min(options['dns.cache.time'], (ttl ?? Infinity) * 1000);
        return { value: { kind: 'records', records: records.slice(0, RECORDS_MAX) }, ms: keep };
      } catch (error) {
        return kept(failure(error, key, parts.logger), options);
      }
    });
}

const kept = (value: DnsAnswer<never>, options: DnsOptions) => ({
  value,
  ms: Math.min(options['dns.cache.time'], value.kind === 'trouble' ? TROUBLE_MS : NEGATIVE_MS),
});

function failure(error: unknown, question: string, logger: Logger): DnsAnswer<never> {
  const code = (error as { readonly code?: unknown }).code;
  if (code === 'ENOTFOUND' || code === 'ENODATA') {
    questions.inc('answered');
    return code === 'ENOTFOUND' ? { kind: 'no-name' } : { kind: 'none' };
  }
  // Names that no resolver can be asked for: too long, empty labels.
  if (code === 'EBADNAME') return { kind: 'no-name' };
  questions.inc('failed');
  const why = typeof code === 'string' ? (WORDS[code] ?? code) : (error as Error).message;
  logger.warn({ code: 'MF-DNS-001', question, why }, 'a name could not be looked up: MF-DNS-001');
  return { kind: 'trouble', text: `looking up ${question}: ${why}` };
}

const WORDS: Readonly<Record<string, string>> = {
  ESERVFAIL: 'the resolver said SERVFAIL',
  ETIMEOUT: 'no resolver answered in time',
  ECONNREFUSED: 'no resolver could be reached',
  EREFUSED: 'the resolver refused',
  ECANCELLED: 'this node is stopping',
};

const mxOf = (preference: number, host: string): MxRecord => ({
  preference,
  host: host.toLowerCase().replace(/\.$/, ''),
});

const withTtl = (records: readonly { address: string; ttl: number }[]): Found<string> => ({
  records: records.map(({ address }) => address),
  ttl: Math.min(...records.map(({ ttl }) => ttl)),
});

function securely(parts: ResolverParts, node: NodeResolver, cache: AnswerCache) {
  const { options } = parts;
  return <T>(question: Question, read: (answer: Answer) => T | undefined) =>
    cache.get(`secure ${question.type} ${question.name.toLowerCase()}`, async () => {
      const asked = await anyServer(question, node.getServers().map(parseServer), parts);
      const told = `${question.type} ${question.name}`;
      if (asked instanceof Error) {
        const value: SecureAnswer<T> = {
          answer: failure(asked, told, parts.logger),
          secure: false,
          name: question.name,
        };
        return { value, ms: TROUBLE_MS };
      }
      const value = readAnswer(question, asked, read);
      const ttl = Math.min(
        ...asked.answers.map((answer) => ('ttl' in answer ? Number(answer.ttl) : 0)),
      );
      const ms = value.answer.kind === 'records' ? ttl * 1000 : NEGATIVE_MS;
      return { value, ms: Math.min(options['dns.cache.time'], ms) };
    });
}

/** The first server that answers; SERVFAIL of one may be an answer of the next. */
async function anyServer(
  question: Question,
  servers: readonly Server[],
  parts: ResolverParts,
): Promise<Asked | Error> {
  let last = new Error('there is no resolver');
  for (let round = 0; round < parts.options['dns.tries']; round++) {
    for (const server of servers) {
      try {
        const asked = await ask(question, server, {
          ms: parts.options['dns.timeout'],
          random: parts.random,
        });
        if (asked.rcode === 'NOERROR' || asked.rcode === 'NXDOMAIN') return asked;
        last = new Error(`${server.host} said ${asked.rcode}`);
      } catch (error) {
        last = error instanceof Error ? error : new Error(String(error));
      }
    }
  }
  return last;
}

function readAnswer<T>(
  question: Question,
  asked: Asked,
  read: (answer: Answer) => T | undefined,
): SecureAnswer<T> {
  const { secure, rcode, answers } = asked;
  const name = endOfAliases(question.name, answers);
  if (rcode === 'NXDOMAIN') return { answer: { kind: 'no-name' }, secure, name };
  const records = answers
    .filter((answer) => answer.name.toLowerCase() === name && answer.type === question.type)
    .map(read)
    .filter((record) => record !== undefined);
  const answer: DnsAnswer<T> = records.length > 0 ? { kind: 'records', records } : { kind: 'none' };
  return { answer, secure, name };
}

function endOfAliases(start: string, answers: readonly Answer[]): string {
  let name = start.toLowerCase();
  for (let step = 0; step < answers.length; step++) {
    const alias = answers.find((a) => a.type === 'CNAME' && a.name.toLowerCase() === name);
    if (alias?.type !== 'CNAME') break;
    name = alias.data.toLowerCase();
  }
  return name;
}

function toMx(answer: Answer): MxRecord | undefined {
  if (answer.type !== 'MX') return undefined;
  const { preference, exchange } = answer.data;
  return mxOf(preference ?? 0, exchange === '.' ? '' : exchange);
}

function toAddress(answer: Answer): string | undefined {
  if (answer.type !== 'A' && answer.type !== 'AAAA') return undefined;
  return isIP(answer.data) === 0 ? undefined : answer.data;
}

function toTlsa(answer: Answer): TlsaRecord | undefined {
  if (answer.type !== 'TLSA') return undefined;
  const { usage, selector, matchingType, certificate } = answer.data;
  return { usage, selector, matching: matchingType, data: certificate };
}

/** `192.0.2.1`, `192.0.2.1:53`, `[::1]:53`, `::1`, as Node writes servers. */
function parseServer(text: string): Server {
  const [, bracketed, port6] = /^\[(.+)\](?::(\d+))?$/.exec(text) ?? [];
  if (bracketed !== undefined) return { host: bracketed, port: Number(port6 ?? 53) };
  if (isIP(text) !== 0) return { host: text, port: 53 };
  const [host = text, port = '53'] = text.split(':');
  return { host, port: Number(port) };
}
