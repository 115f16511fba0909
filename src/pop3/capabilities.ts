import type { CommandName } from './metrics.ts';

/** What the lines of CAPA depend on, besides the registered commands. */
export interface CapabilityFacts {
  readonly state: 'authorization' | 'transaction';
  /** May this client send a password now? */
  readonly password: 'allowed' | 'refused';
  readonly starttls: 'offered' | 'not-offered';
  readonly loginDelayMs: number;
}

interface Capability {
  readonly line: (facts: CapabilityFacts) => string;
  /** Commands without which it may not be announced. */
  readonly needs: readonly CommandName[];
  readonly when?: (facts: CapabilityFacts) => boolean;
}

const login = (facts: CapabilityFacts): boolean =>
  facts.state === 'authorization' && facts.password === 'allowed';

const CAPABILITIES: readonly Capability[] = [
  { line: () => 'TOP', needs: ['TOP'] }, // RFC 2449 §6.1
  { line: () => 'UIDL', needs: ['UIDL'] }, // RFC 2449 §6.8
  { line: () => 'USER', needs: ['USER', 'PASS'], when: login }, // RFC 2449 §6.2
  { line: () => 'SASL PLAIN', needs: ['AUTH'], when: login }, // RFC 2449 §6.3, RFC 5034 §3
  {
    line: () => 'STLS', // RFC 2595 §4
    needs: ['STLS'],
    when: (facts) => facts.state === 'authorization' && facts.starttls === 'offered',
  },
  { line: () => 'RESP-CODES', needs: [] }, // RFC 2449 §6.4
  { line: () => 'AUTH-RESP-CODE', needs: [] }, // RFC 3206 §6
  {
    line: (facts) => `LOGIN-DELAY ${Math.ceil(facts.loginDelayMs / 1000)}`, // RFC 2449 §6.5
    needs: [],
    when: (facts) => facts.loginDelayMs > 0,
  },
  { line: () => 'PIPELINING', needs: [] }, // RFC 2449 §6.6
  { line: () => 'EXPIRE NEVER', needs: [] }, // RFC 2449 §6.7
  { line: () => 'UTF8 USER', needs: ['UTF8'] }, // RFC 6856 §2.1
  { line: () => 'IMPLEMENTATION Mailfarm', needs: [] }, // RFC 2449 §6.9, without a version
];

/** The lines of CAPA: exactly what is registered and valid (RFC 2449 §5). */
export const capabilities = (
  registered: Readonly<Record<string, unknown>>,
  facts: CapabilityFacts,
): string[] =>
  CAPABILITIES.filter(
    ({ needs, when }) =>
      needs.every((name) => Object.hasOwn(registered, name)) && (when?.(facts) ?? true),
  ).map(({ line }) => line(facts));
