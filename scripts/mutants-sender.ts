/** Mutants of what sends: `src/spool/sender/`, `src/smtp/client/`. */
import type { Mutant } from './mutants.ts';

const PEERS = 'test/interop/leaving/peers.test.ts';
const LANES = 'test/interop/leaving/lanes.test.ts';
const TLS = 'test/interop/leaving/tls.test.ts';

export const SENDER_MUTANTS: readonly Mutant[] = [
  {
    statement: 'N-12',
    why: 'an MX that is this farm gets letters for others, and they hop',
    file: 'src/spool/sender/hosts.ts',
    find: '    if (own) return notes.atOurselves(own.host);\n',
    replace: '',
    test: PEERS,
    title: '[N-12]',
  },
  {
    statement: 'N-12',
    why: 'a host that answers with our cookie gets the letter',
    file: 'src/spool/sender/connect.ts',
    find: '    if (cookie === undefined || target.chosen) return;\n',
    replace: '    if (cookie !== undefined) return;\n',
    test: PEERS,
    title: '[N-12]',
  },
  {
    statement: 'S4-04',
    why: 'letters leave from whatever address the system takes',
    file: 'src/spool/sender/connect.ts',
    find: '{ localAddress: local }',
    replace: '{}',
    test: PEERS,
    title: '[S4-04]',
  },
  {
    statement: 'P-08',
    why: 'a host outside an enforced policy gets letters',
    file: 'src/spool/sender/hosts.ts',
    find: "  if (allowsHost(way.sts, host)) return { kind: 'verify', why: 'mta-sts' };\n",
    replace: "  return { kind: 'verify', why: 'mta-sts' };\n",
    test: TLS,
    title: 'MTA-STS enforce',
  },
  {
    statement: 'P-08',
    why: 'a certificate that nobody trusts passes where a policy enforces',
    file: 'src/spool/sender/connect.ts',
    find: "    if (security.kind !== 'verify') return 'encrypted';\n",
    replace: "    return 'encrypted';\n",
    test: TLS,
    title: 'MTA-STS enforce',
  },
  {
    statement: 'P-08',
    why: 'TLSA records that nobody signed decide',
    file: 'src/spool/sender/dane.ts',
    find: '  if (!address.secure) return NO_DANE;\n',
    replace: '',
    test: 'src/spool/sender/dane.test.ts',
    title: 'an address that is not signed',
  },
  {
    statement: 'P-08',
    why: 'after a rest all letters try the way at once',
    file: 'src/spool/sender/lane-state.ts',
    find: '    if (this.#failures > 0) return held === 0 ? 1 : 0;\n',
    replace: '',
    test: 'src/spool/sender/schedule.test.ts',
    title: 'a destination that rests',
  },
  {
    statement: 'P-08',
    why: 'a dead destination is tried for each of its letters',
    file: 'src/spool/sender/lane-state.ts',
    find: '    this.#restUntil = now + restAfter(this.#failures, this.#options, random);\n',
    replace: '',
    test: LANES,
    title: 'a dead destination',
  },
  {
    statement: 'P-08',
    why: 'a letter whose failure could be told to nobody is forgotten',
    file: 'src/spool/sender/outcome.ts',
    find: "[...of('later'), ...toldOf('failed', of('failed'), envelope)];\n",
    replace: "of('later');\n",
    test: LANES,
    title: 'a notice that cannot be put anywhere',
  },
  {
    statement: 'P-08',
    why: 'a reply that came before TLS is taken for one within it',
    file: 'src/smtp/client/channel.ts',
    find: "      this.fail(new ClientFault('protocol', 'hello', `the peer spoke out of turn: ${said}`));\n",
    replace: '',
    test: 'src/smtp/client/client.test.ts',
    title: 'replies behind that to STARTTLS',
  },
];
