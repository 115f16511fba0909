import type { CommandName } from './metrics.ts';

/** What CAPABILITY depends on, besides the registered commands. */
export interface CapabilityFacts {
  readonly state: 'before-login' | 'after-login';
  /** May this client send a password now? */
  readonly password: 'allowed' | 'refused';
  readonly starttls: 'offered' | 'not-offered';
  readonly compress: 'offered' | 'not-offered';
  /** Octets of a message that APPEND takes (RFC 7889). */
  readonly appendMax: number;
}

interface Capability {
  readonly name: string | ((facts: CapabilityFacts) => string);
  /** Commands without which it may not be announced. */
  readonly needs: readonly CommandName[];
  readonly when?: (facts: CapabilityFacts) => boolean;
}

const before = (facts: CapabilityFacts): boolean => facts.state === 'before-login';
const after = (facts: CapabilityFacts): boolean => facts.state === 'after-login';
const login = (facts: CapabilityFacts): boolean => before(facts) && facts.password === 'allowed';

const BASIC: readonly CommandName[] = ['LOGIN', 'SELECT', 'LIST', 'FETCH', 'STORE', 'SEARCH'];

const CAPABILITIES: readonly Capability[] = [
  { name: 'IMAP4rev1', needs: BASIC }, // RFC 3501 §6.1.1
  { name: 'IMAP4rev2', needs: [...BASIC, 'MOVE', 'UNSELECT', 'IDLE', 'NAMESPACE', 'ENABLE'] },
  { name: 'LITERAL-', needs: [] }, // RFC 7888 §5
  { name: 'SASL-IR', needs: ['AUTHENTICATE'] }, // RFC 4959
  { name: 'ID', needs: ['ID'] }, // RFC 2971
  { name: 'ENABLE', needs: ['ENABLE'] }, // RFC 5161
  {
    name: 'STARTTLS', // RFC 9051 §6.2.1
    needs: ['STARTTLS'],
    when: (facts) => before(facts) && facts.starttls === 'offered',
  },
  {
    name: 'LOGINDISABLED', // RFC 9051 §6.2.3
    needs: [],
    when: (facts) => before(facts) && facts.password === 'refused',
  },
  { name: 'AUTH=PLAIN', needs: ['AUTHENTICATE'], when: login }, // RFC 4616
  { name: 'AUTH=LOGIN', needs: ['AUTHENTICATE'], when: login },
  { name: 'IDLE', needs: ['IDLE'], when: after }, // RFC 2177
  { name: 'NAMESPACE', needs: ['NAMESPACE'], when: after }, // RFC 2342
  { name: 'CHILDREN', needs: ['LIST'], when: after }, // RFC 3348
  { name: 'LIST-EXTENDED', needs: ['LIST'], when: after }, // RFC 5258
  { name: 'LIST-STATUS', needs: ['LIST', 'STATUS'], when: after }, // RFC 5819
  { name: 'SPECIAL-USE', needs: ['LIST'], when: after }, // RFC 6154
  { name: 'CREATE-SPECIAL-USE', needs: ['CREATE'], when: after }, // RFC 6154 §3
  { name: 'STATUS=SIZE', needs: ['STATUS'], when: after }, // RFC 8438
  {
    name: (facts) => `APPENDLIMIT=${facts.appendMax}`, // RFC 7889
    needs: ['APPEND'],
    when: (facts) => after(facts) && facts.appendMax > 0,
  },
  { name: 'UNSELECT', needs: ['UNSELECT'], when: after }, // RFC 3691
  { name: 'UIDPLUS', needs: ['UID EXPUNGE', 'COPY', 'APPEND'], when: after }, // RFC 4315
  { name: 'MOVE', needs: ['MOVE', 'UID MOVE'], when: after }, // RFC 6851
  { name: 'MULTIAPPEND', needs: ['APPEND'], when: after }, // RFC 3502
  { name: 'BINARY', needs: ['FETCH', 'APPEND'], when: after }, // RFC 3516
  { name: 'CONDSTORE', needs: ['STORE', 'FETCH'], when: after }, // RFC 7162
  { name: 'QRESYNC', needs: ['SELECT', 'FETCH'], when: after }, // RFC 7162
  { name: 'ESEARCH', needs: ['SEARCH'], when: after }, // RFC 4731
  { name: 'SEARCHRES', needs: ['SEARCH'], when: after }, // RFC 5182
  { name: 'WITHIN', needs: ['SEARCH'], when: after }, // RFC 5032
  { name: 'SORT', needs: ['SORT', 'UID SORT'], when: after }, // RFC 5256
  { name: 'SORT=DISPLAY', needs: ['SORT', 'UID SORT'], when: after }, // RFC 5957
  { name: 'ESORT', needs: ['SORT', 'UID SORT'], when: after }, // RFC 5267
  { name: 'THREAD=ORDEREDSUBJECT', needs: ['THREAD', 'UID THREAD'], when: after }, // RFC 5256
  { name: 'THREAD=REFERENCES', needs: ['THREAD', 'UID THREAD'], when: after }, // RFC 5256
  { name: 'PREVIEW', needs: ['FETCH'], when: after }, // RFC 8970
  { name: 'NOTIFY', needs: ['NOTIFY'], when: after }, // RFC 5465
  { name: 'QUOTA', needs: ['GETQUOTA', 'GETQUOTAROOT'], when: after }, // RFC 9208
  { name: 'QUOTA=RES-STORAGE', needs: ['GETQUOTA'], when: after }, // RFC 9208 §5.1
  { name: 'UTF8=ACCEPT', needs: ['ENABLE', 'APPEND'], when: after }, // RFC 6855
  {
    name: 'COMPRESS=DEFLATE', // RFC 4978
    needs: ['COMPRESS'],
    when: (facts) => after(facts) && facts.compress === 'offered',
  },
];

/** The names of CAPABILITY: exactly what is registered and valid now (RFC 9051 §7.2.2). */
export const capabilities = (
  registered: Readonly<Record<string, unknown>>,
  facts: CapabilityFacts,
): string =>
  CAPABILITIES.filter(
    ({ needs, when }) =>
      needs.every((name) => Object.hasOwn(registered, name)) && (when?.(facts) ?? true),
  )
    .map(({ name }) => (typeof name === 'string' ? name : name(facts)))
    .join(' ');
