import type { DomainRecord, DomainValues } from '../../directory/admin/api.ts';
import { ALL_POLICIES } from '../../directory/types.ts';
import { withAdmin, withChange } from '../administration.ts';
import { done, flagGiven, word, type Call, type Group, type OptionRows } from '../command.ts';
import { noteDamaged, printFields } from '../print.ts';

const FIELDS = {
  'alias-of': { type: 'string', value: 'DOMAIN', doc: 'Every address means the same in DOMAIN' },
  'catch-all': { type: 'string', value: 'ADDRESS', doc: 'Gets what nobody else gets' },
  all: { type: 'string', choices: ALL_POLICIES, doc: 'Who may write to all@: off by default' },
  description: { type: 'string', value: 'TEXT', doc: 'For people' },
} as const satisfies OptionRows;

const valuesOf = (call: Call): DomainValues => ({
  aliasOf: flagGiven(call, 'alias-of'),
  catchAll: flagGiven(call, 'catch-all'),
  all: flagGiven(call, 'all') as DomainValues['all'],
  description: flagGiven(call, 'description'),
});

const print = (call: Call, domain: DomainRecord): void =>
  printFields(call, domain, [
    ['domain', domain.name],
    ['alias of', domain.aliasOf],
    ['catch-all', domain.catchAll],
    ['all@', domain.all],
    ['site', domain.site],
  ]);

async function list(call: Call): Promise<void> {
  const found = await withAdmin(call, (admin) => admin.domains.find());
  noteDamaged(call, found);
  const domains = found.items.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  if (call.json) return call.out.json(domains);
  call.out.table(
    ['domain', 'alias of', 'catch-all', 'all@'],
    domains.map((one) => [one.name, one.aliasOf ?? '', one.catchAll ?? '', one.all]),
  );
}

export const DOMAIN_COMMANDS: Group = {
  'domain add': {
    usage: 'DOMAIN [--alias-of DOMAIN] [--catch-all ADDRESS] [--all off|members|anyone]',
    summary: 'Makes a domain local',
    examples: [
      'mailfarm domain add example.org',
      'mailfarm domain add example.net --alias-of example.org',
    ],
    options: FIELDS,
    args: [1, 1],
    run: async (call) => {
      const values = valuesOf(call);
      const domain = await withChange(call, (admin) => admin.domains.add(word(call, 0), values));
      const { name, aliasOf } = domain;
      done(call, domain, aliasOf === undefined ? `${name} is local` : `${name} means ${aliasOf}`);
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
    usage: 'DOMAIN [--alias-of DOMAIN] [--catch-all ADDRESS] [--all off|members|anyone]',
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
