import type { OptionTable, OptionValues } from '../config/options.ts';

/** What a node that sends, or takes letters for anywhere, decides by. */
export const RELAY_OPTIONS = {
  'farm.cookie': {
    kind: 'text',
    default: '',
    doc:
      'A secret of this farm, the same on all nodes. Its hash is announced in EHLO, so that a ' +
      'node knows its own farm behind any address translation; empty: only addresses tell.',
  },
  'farm.addresses': {
    kind: 'list',
    of: 'address-range',
    default: [],
    doc:
      'Addresses at which the world finds this farm, beside those of its nodes: a balancer, a ' +
      'router that translates. Nothing is ever sent there by MX.',
  },
  'relay.send': {
    kind: 'choice',
    default: 'all',
    values: ['all', 'relays', 'none'],
    doc:
      'Which nodes send what leaves the farm: all, those that listen as relay, or none. They ' +
      'share the work letter by letter.',
  },
  'relay.networks': {
    kind: 'list',
    of: 'address-range',
    default: ['127.0.0.0/8', '::1/128'],
    doc:
      'Addresses that may send anywhere through the relay service without a login, beside those ' +
      'of our own nodes.',
  },
  'relay.networks.sign': {
    kind: 'choice',
    default: 'off',
    values: ['off', 'on'],
    doc:
      'Whether what `relay.networks` send is signed (DKIM) for the domain in From, which nobody ' +
      'checks there: on where all their hosts are ours. Our own nodes’ letters always are.',
  },
  'relay.next': {
    kind: 'text',
    default: '',
    doc:
      'HOST or HOST:PORT that takes all that leaves, in place of the MX of each domain; an ' +
      'address stands in brackets. Its password is the secret `smarthost HOST`.',
  },
  'relay.next.login': {
    kind: 'text',
    default: '',
    doc: 'Login at relay.next; empty: it asks for none.',
  },
  'relay.next.tls': {
    kind: 'choice',
    default: 'verify',
    values: ['verify', 'require', 'may'],
    doc:
      'TLS to relay.next: with a certificate of its name, with any, or where it is offered. A ' +
      'password never goes without TLS.',
  },
  'relay.routes': {
    kind: 'list',
    of: 'text',
    default: [],
    doc:
      'Ways of single domains, before relay.next: `example.net=host.example:25`, ' +
      '`.example.net=[192.0.2.1]` for all below it, `example.org=mx`.',
  },
  'relay.notice.full': {
    kind: 'bytes',
    default: 1_048_576,
    min: 0,
    max: 104_857_600,
    doc: 'A notice of failure returns letters up to this size whole, of larger ones the header.',
  },
  'relay.dkim.path': {
    kind: 'text',
    default: '',
    doc:
      'Folder of keys beside those of the directory: DOMAIN/SELECTOR.pem, readable by the ' +
      'service user only.',
  },
  'relay.dkim.refresh': {
    kind: 'duration',
    default: 300_000,
    min: 1000,
    max: 86_400_000,
    doc: 'How long a key that was read is used before it is read again.',
  },
  'relay.etrn.from': {
    kind: 'list',
    of: 'address-range',
    default: ['127.0.0.0/8', '::1/128'],
    doc: 'Addresses that may ask (ETRN) for the mail of any domain, beside our own nodes.',
  },
  'relay.pop.minutes': {
    kind: 'count',
    default: 0,
    min: 0,
    max: 1440,
    doc:
      'POP-before-SMTP: so long after a POP3 login its address may send anywhere as that user ' +
      'without one, on every node, within the user’s limits and unsigned; 0 is off.',
  },
} as const satisfies OptionTable;

export type RelayOptions = OptionValues<typeof RELAY_OPTIONS>;
