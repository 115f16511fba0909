/** Mutants of who may send, what is never sent where, and what a relay needs: `src/relay/`. */
import type { Mutant } from './mutants.ts';

const OWN = 'test/farm/leaving-own.test.ts';
const KNOWN = 'src/relay/known-nodes.test.ts';
const WAKE = 'src/relay/wake.test.ts';
const POP = 'src/relay/pop-marks.test.ts';

export const RELAY_MUTANTS: readonly Mutant[] = [
  {
    statement: 'N-12',
    why: 'an MX that has our name and a translated address gets letters back',
    file: 'src/relay/own-farm.ts',
    find: '    if (isIP(host) === 0) return this.#names.has(plainName(host));\n',
    replace: '',
    test: OWN,
    title: 'held as backup MX: to the better MX only',
  },
  {
    statement: 'N-12',
    why: 'a backup MX behind a router returns what its better MX takes an hour later',
    file: 'src/spool/sender/attempt.ts',
    find: '    return better ? this.#nobody(better, before) : this.#nobody(own, own);\n',
    replace: '    return this.#nobody(own, better ? before : own);\n',
    test: OWN,
    title: 'known by the cookie only',
  },
  {
    statement: 'N-12',
    why: 'a node that starts without the directory takes its own farm for others',
    file: 'src/relay/own-farm.ts',
    find: '    if (nodes !== undefined) this.#believe(nodes);\n',
    replace: '',
    test: KNOWN,
    title: '[N-12] a node that starts while the directory is away',
  },
  {
    statement: 'N-15',
    why: 'while the directory is away no node that starts sends what another left',
    file: 'src/relay/own-farm.ts',
    find: 'if (answered || (await this.#remember())) onKnown();',
    replace: 'if (answered) onKnown();\n else await this.#remember();',
    test: KNOWN,
    title: 'knows the farm as it was told last',
  },
  {
    statement: 'S4-13',
    why: 'a relay with a spool of its own is not told what to send',
    file: 'src/relay/wake.ts',
    find: '    if (reachesAll()) return;\n',
    replace: '    if (!reachesAll()) return;\n',
    test: WAKE,
    title: '[S4-13] relays are told',
  },
  {
    statement: 'S4-13',
    why: 'whoever asks gets the mail of others going',
    file: 'src/relay/wake.ts',
    find: '    if (isTrusted && request',
    replace: '    if (request',
    test: WAKE,
    title: 'from elsewhere',
  },
  {
    statement: 'S0-24',
    why: 'a login opens relaying for everybody who shares its address',
    file: 'src/relay/pop-marks.ts',
    find: '`${limitKey(address)} ${id}`',
    replace: '`${limitKey(address)} ${id.slice(0, 0)}`',
    test: POP,
    title: '[S0-24] it is open to the user who logged in',
  },
  {
    statement: 'S0-24',
    why: 'an address stays open for a day',
    file: 'src/relay/pop-marks.ts',
    find: 'key }, this.#withinMs)) > 0',
    replace: 'key }, 86_400_000)) > 0',
    test: POP,
    title: '[S0-24] a login at one node',
  },
  {
    statement: 'S0-24',
    why: 'our key signs for whoever shares an address with a user',
    file: 'src/submission/message.ts',
    find: 'const sign = session.account?.byAddress !== true;',
    replace: 'const sign = session.account !== null;',
    test: 'src/relay/pop-relay.test.ts',
    title: '[S0-24] [N-24] by address alone',
  },
  {
    statement: 'S2-14',
    why: 'a relay has mail volumes in its table, and needs their mounts',
    file: 'src/roles/engines.ts',
    find: '    directory: mailboxes ? directory : spoolsOnly(directory),\n',
    replace: '    directory,\n',
    test: 'test/farm/leaving-relay.test.ts',
    title: '[S2-14]',
  },
  {
    statement: 'S2-14',
    why: 'a relay puts notices into mailboxes that it does not have',
    file: 'src/relay/notices.ts',
    find: '    if (!this.#parts.mailboxes) return {',
    replace: '    if (this.#parts.hostName === undefined) return {',
    test: 'src/relay/relay.test.ts',
    title: '[S2-14] a node without mail volumes',
  },
];
