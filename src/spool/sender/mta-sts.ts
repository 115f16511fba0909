/**
 * Policies of MTA-STS (RFC 8461): a TXT record says that there is one and which, HTTPS has it. A
 * policy is kept for its max_age, so that whoever spoils DNS or HTTPS later spoils nothing; a new
 * id replaces it. A policy that cannot be got where none is kept is no policy (RFC 8461 §3.3).
 *
 * mailauth parses the policy. Its fetch reads without limit, from any address, and its cache never
 * expires, so those are here.
 */
import mailauth from 'mailauth/lib/mta-sts.js';
import { request } from 'node:https';
import type { Clock } from '../../base/clock.ts';
import type { Resolver } from '../../dns/types.ts';
import type { Logger } from '../../log/types.ts';

export interface StsPolicy {
  readonly mode: 'enforce' | 'testing' | 'none';
  /** Lower case; `*.example.net` is one label before it. */
  readonly mx: readonly string[];
}

export interface MtaStsParts {
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly port: number;
  readonly ca: readonly string[] | undefined;
  /** Whether a policy host may be there: DNS of strangers must not send us anywhere. */
  readonly isPermitted: (address: string) => boolean;
}

const NONE: StsPolicy = { mode: 'none', mx: [] };
const FETCH_MS = 30_000;
/** RFC 8461 §3.2: some 64 kB are enough. */
const POLICY_BYTES_MAX = 65_536;
const MAX_AGE_S_MAX = 31_557_600;
const POLICIES_MAX = 10_000;
/** After a failed fetch it is not asked for again for so long. */
const FAILURE_MS = 300_000;
/** How often the id is looked for; in between the policy counts without a question. */
const FRESH_MS = 300_000;

interface Kept {
  readonly id: string;
  readonly policy: StsPolicy;
  readonly until: number;
  checkedAt: number;
}

export class MtaSts {
  readonly #parts: MtaStsParts;
  readonly #kept = new Map<string, Kept>();
  readonly #asked = new Map<string, Promise<StsPolicy>>();
  readonly #failed = new Map<string, number>();

  constructor(parts: MtaStsParts) {
    this.#parts = parts;
  }

  /** Never rejects. */
  policy(domain: string): Promise<StsPolicy> {
    const kept = this.#valid(domain);
    const now = this.#parts.clock.now();
    if (kept && now - kept.checkedAt < FRESH_MS) return Promise.resolve(kept.policy);
    const asked = this.#asked.get(domain);
    if (asked) return asked;
    const answer = this.#find(domain).finally(() => this.#asked.delete(domain));
    this.#asked.set(domain, answer);
    return answer;
  }

  #valid(domain: string): Kept | undefined {
    const kept = this.#kept.get(domain);
    if (kept && kept.until > this.#parts.clock.now()) return kept;
    this.#kept.delete(domain);
    return undefined;
  }

  async #find(domain: string): Promise<StsPolicy> {
    const { resolver, clock, logger } = this.#parts;
    const kept = this.#valid(domain);
    const id = policyId(await resolver.txt(`_mta-sts.${domain}`));
    // No record, or trouble: what is kept counts until it is too old.
    if (id === undefined || id === kept?.id) {
      if (kept) kept.checkedAt = clock.now();
      return kept?.policy ?? NONE;
    }
    if ((this.#failed.get(domain) ?? 0) > clock.now()) return kept?.policy ?? NONE;
    try {
      const { policy, maxAge } = readPolicy(await this.#fetch(`mta-sts.${domain}`));
      this.#keep(domain, {
        id,
        policy,
        until: clock.now() + maxAge * 1000,
        checkedAt: clock.now(),
      });
      return policy;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      logger.warn({ domain, why, kept: kept !== undefined }, 'MTA-STS policy cannot be had');
      if (this.#failed.size >= POLICIES_MAX) this.#failed.clear();
      this.#failed.set(domain, clock.now() + FAILURE_MS);
      return kept?.policy ?? NONE;
    }
  }

  #keep(domain: string, kept: Kept): void {
    this.#kept.delete(domain);
    this.#kept.set(domain, kept);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > POLICIES_MAX && oldest !== undefined) this.#kept.delete(oldest);
  }

  async #fetch(host: string): Promise<string> {
    const { resolver, isPermitted, port, ca } = this.#parts;
    const [v4, v6] = await Promise.all([resolver.a(host), resolver.aaaa(host)]);
    const addresses = [v4, v6].flatMap((answer) =>
      answer.kind === 'records' ? answer.records.filter(isPermitted) : [],
    );
    const [address] = addresses;
    if (address === undefined) throw new Error(`${host} has no address that may be used`);
    return fetchText({ host, address, port, ca });
  }
}

type TxtAnswer = Awaited<ReturnType<Resolver['txt']>>;

/** The id of the one record that is STSv1; with several there is no policy (RFC 8461 §3.1). */
export function policyId(answer: TxtAnswer): string | undefined {
  if (answer.kind !== 'records') return undefined;
  const ours = answer.records.filter((text) => /^v=STSv1\s*;/.test(text));
  const [only = ''] = ours;
  return ours.length === 1 ? /;\s*id=([A-Za-z0-9]{1,32})\s*(?:;|$)/.exec(only)?.[1] : undefined;
}

/** @throws Error for what is no policy */
export function readPolicy(text: string): { policy: StsPolicy; maxAge: number } {
  const { mode, mx = [], maxAge = 0 } = mailauth.parsePolicy(text);
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none') throw new Error('mode');
  const hosts = mx.slice(0, 1000).map((host) => host.toLowerCase().replace(/\.$/, ''));
  return { policy: { mode, mx: hosts }, maxAge: Math.min(maxAge, MAX_AGE_S_MAX) };
}

/** A wildcard stands for one label (RFC 8461 §4.1); mailauth lets it stand for many. */
export function allowsHost(policy: StsPolicy, host: string): boolean {
  const parent = host.slice(host.indexOf('.') + 1);
  return policy.mx.some((pattern) =>
    pattern.startsWith('*.') ? host.includes('.') && pattern.slice(2) === parent : pattern === host,
  );
}

interface Fetch {
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly ca: readonly string[] | undefined;
}

const fetchText = ({ host, address, port, ca }: Fetch): Promise<string> =>
  new Promise((resolve, reject) => {
    const asked = request({
      host: address,
      port,
      path: '/.well-known/mta-sts.txt',
      servername: host,
      headers: { host },
      agent: false,
      ...(ca === undefined ? {} : { ca: [...ca] }),
    });
    const fail = (why: string): void => {
      asked.destroy();
      reject(new Error(`https://${host}: ${why}`));
    };
    const timer = setTimeout(() => fail(`no policy within ${FETCH_MS} ms`), FETCH_MS);
    asked.on('close', () => clearTimeout(timer));
    asked.on('error', (error) => fail(error.message));
    asked.on('response', (response) => {
      // A redirection is not followed (RFC 8461 §3.3).
      if (response.statusCode !== 200) return fail(`status ${response.statusCode}`);
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
        if (text.length > POLICY_BYTES_MAX) fail('the policy is too long');
      });
      response.on('error', (error) => fail(error.message));
      response.on('end', () => resolve(text));
    });
    asked.end();
  });
