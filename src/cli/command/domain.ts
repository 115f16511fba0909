import type { DomainRecord, DomainValues } from '../../directory/admin/api.ts';
import { formatTransport } from '../../directory/transport.ts';
import { ALL_POLICIES } from '../../directory/types.ts';
import { withAdmin, withChange } from '../administration.ts';
import {
  done,
  flagGiven,
  flagListGiven,
  word,
  type Call,
  type Group,
  type OptionRows,
} from '../command.ts';
import { noteDamaged, printFields } from '../print.ts';
import { domainDkim } from './dkim.ts';

const FIELDS = {
  'alias-of': { type: 'string', value: 'DOMAIN', doc: 'Every address means the same in DOMAIN' },
  'catch-all': { type: 'string', value: 'ADDRESS', doc: 'Gets what nobody else gets' },
  all: { type: 'string', choices: ALL_POLICIES, doc: 'Who may write to all@: off by default' },
  transport: {
    type: 'string',
    value: 'WAY',
    doc: 'Mail is passed on, the domain has no users: mx, HOST:PORT or lmtp:HOST:PORT',
  },
  'etrn-from': {
    type: 'string',
    multiple: true,
    value: 'WHO',
    doc: 'Who may ask for waiting mail by ETRN: address, network, login',
  },
  dkim: {
    type: 'string',
    multiple: true,
    value: 'SELECTOR',
    doc: 'Keys that sign mail of the domain; domain dkim makes them',
  },
  description: { type: 'string', value: 'TEXT', doc: 'For people' },
} as const satisfies OptionRows;

const valuesOf = (call: Call): DomainValues => ({
  aliasOf: flagGiven(call, 'alias-of'),
  catchAll: flagGiven(call, 'catch-all'),
  all: flagGiven(call, 'all') as DomainValues['all'],
  transport: flagGiven(call, 'transport'),
  etrnFrom: flagListGiven(call, 'etrn-from'),
  dkim: flagListGiven(call, 'dkim'),
  description: flagGiven(call, 'description'),
});

const print = (call: Call, domain: DomainRecord): void =>
  printFields(call, domain, [
    ['domain', domain.name],
    ['alias of', domain.aliasOf],
    ['catch-all', domain.catchAll],
    ['all@', domain.all],
    ['site', domain.site],
    ['passed on', domain.transport && formatTransport(domain.transport)],
    ['ETRN from', domain.etrnFrom.toSorted().join(', ')],
    ['signed with', domain.dkim.join(', ')],
  ]);

async function list(call: Call): Promise<void> {
  const found = await withAdmin(call, (admin) => admin.domains.find());
  noteDamaged(call, found);
  const domains = found.items.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  if (call.json) return call.out.json(domains);
  call.out.table(
    ['domain', 'alias of', 'catch-all', 'all@', 'passed on'],
    domains.map((one) => [
      one.name,
      one.aliasOf ?? '',
      one.catchAll ?? '',
      one.all,
      one.transport ? formatTransport(one.transport) : '',
    ]),
  );
}

const USAGE =
  'DOMAIN [--alias-of DOMAIN] [--catch-all ADDRESS] [--all off|members|anyone] ' +
  '[--transport WAY [--etrn-from WHO …]] [--dkim SELECTOR …]';

export const DOMAIN_COMMANDS: Group = {
  'domain add': {
    usage: USAGE,
    summary: 'Makes a domain local, or one whose mail is held and passed on',
    examples: [
      'mailfarm domain add example.org',
      'mailfarm domain add example.net --alias-of example.org',
      'mailfarm domain add customer.test --transport mx --etrn-from 192.0.2.0/24',
    ],
    options: FIELDS,
    args: [1, 1],
    run: async (call) => {
      const values = valuesOf(call);
      const domain = await withChange(call, (admin) => admin.domains.add(word(call, 0), values));
      const { name, aliasOf } = domain;
      const { transport } = domain;
      const is = transport ? `is passed on: ${formatTransport(transport)}` : 'is local';
      done(call, domain, aliasOf === undefined ? `${name} ${is}` : `${name} means ${aliasOf}`);
    },
  },
  'domain show': {
    usage: 'DOMAIN',
    summary: 'Shows a domain',
    examples: ['mailfarm domain show example.org'],
    args: [1, 1],
    run: async (call) =>
      print(call, await withAdmin(call, (admin) => admin.domains.get(word(call, 0)))),
  },
  'domain set': {
    usage: USAGE,
    summary: 'Changes a domain; an empty text takes the value away',
    examples: [
      'mailfarm domain set example.org --catch-all info@example.org',
      "mailfarm domain set example.org --catch-all ''",
    ],
    options: FIELDS,
    args: [1, 1],
    run: async (call) => {
      const values = valuesOf(call);
      print(call, await withChange(call, (admin) => admin.domains.set(word(call, 0), values)));
    },
  },
  'domain dkim': domainDkim,
  'domain list': {
    usage: '',
    summary: 'Lists local domains',
    examples: ['mailfarm domain list --json'],
    args: [0, 0],
    run: list,
  },
  'domain remove': {
    usage: 'DOMAIN',
    summary: 'Makes a domain foreign again; refused while users or aliases are in it',
    examples: ['mailfarm domain remove example.net'],
    args: [1, 1],
    run: async (call) => {
      await withChange(call, (admin) => admin.domains.remove(word(call, 0)));
      done(call, { removed: word(call, 0) }, `${word(call, 0)} is not local any more`);
    },
  },
};
