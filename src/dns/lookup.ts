/**
 * Records of any kind as a zone file writes them, for a person who compares: nothing is cached,
 * each question is asked once. What the mail path asks is `resolver.ts`.
 */
import { Resolver } from 'node:dns/promises';
import { withDeadline } from '../base/deadline.ts';
import type { DnsOptions } from './options.ts';
import type { DnsAnswer } from './types.ts';

export type LookupType = 'A' | 'AAAA' | 'MX' | 'TXT' | 'SRV' | 'PTR';

export interface Lookup {
  /**
   * Values in the form of a zone file, names in lower case with their dot: `10 mx-1.example.org.`
   * @param name for PTR the address
   */
  ask(type: LookupType, name: string): Promise<DnsAnswer<string>>;
  close(): void;
}

const dotted = (name: string): string => `${name.toLowerCase().replace(/\.$/, '')}.`;

const FORMS: Readonly<
  Record<LookupType, (resolver: Resolver, name: string) => Promise<readonly string[]>>
> = {
  A: (resolver, name) => resolver.resolve4(name),
  AAAA: (resolver, name) => resolver.resolve6(name),
  MX: async (resolver, name) =>
    (await resolver.resolveMx(name)).map((mx) => `${mx.priority} ${dotted(mx.exchange)}`),
  TXT: async (resolver, name) =>
    (await resolver.resolveTxt(name)).map((strings) => strings.join('')),
  SRV: async (resolver, name) =>
    (await resolver.resolveSrv(name)).map(
      (srv) => `${srv.priority} ${srv.weight} ${srv.port} ${dotted(srv.name)}`,
    ),
  PTR: async (resolver, address) => (await resolver.reverse(address)).map(dotted),
};

export function openLookup(options: DnsOptions): Lookup {
  const ms = options['dns.timeout'];
  const resolver = new Resolver({ timeout: ms, tries: options['dns.tries'] });
  if (options['dns.servers'].length > 0) resolver.setServers([...options['dns.servers']]);
  const wholeMs = 2 * ms * options['dns.tries'] * Math.max(1, resolver.getServers().length);
  return {
    ask: async (type, name) => {
      try {
        const found = FORMS[type](resolver, name);
        const records = await withDeadline(found, { ms: wholeMs, what: 'the resolver' });
        return records.length > 0 ? { kind: 'records', records } : { kind: 'none' };
      } catch (error) {
        const { code } = error as { readonly code?: unknown };
        if (code === 'ENODATA') return { kind: 'none' };
        if (code === 'ENOTFOUND' || code === 'EBADNAME') return { kind: 'no-name' };
        return { kind: 'trouble', text: `looking up ${type} ${name}: ${String(code ?? error)}` };
      }
    },
    close: () => resolver.cancel(),
  };
}
