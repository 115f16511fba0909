import type { SiteRecord, SiteValues } from '../../directory/admin/api.ts';
import { withAdmin } from '../administration.ts';
import { collectionRuns } from '../collection.ts';
import {
  flagCount,
  flagGiven,
  flagListGiven,
  flagText,
  type Call,
  type Group,
  type OptionRows,
} from '../command.ts';
import { noteDamaged, printFields } from '../print.ts';

const FIELDS = {
  domain: { type: 'string', multiple: true, value: 'DOMAIN', doc: 'All domains of the site' },
  level: { type: 'string', value: '0|1|2', doc: 'How much the site has of its own' },
  description: { type: 'string', value: 'TEXT', doc: 'For people' },
} as const satisfies OptionRows;

const valuesOf = (call: Call): SiteValues => ({
  domains: flagListGiven(call, 'domain'),
  siteLevel: flagText(call, 'level') === '' ? null : flagCount(call, 'level'),
  description: flagGiven(call, 'description'),
});

const level = (site: SiteRecord): string =>
  site.siteLevel === undefined ? '' : String(site.siteLevel);

const print = (call: Call, site: SiteRecord): void =>
  printFields(call, site, [
    ['site', site.name],
    ['domains', site.domains.join(', ')],
    ['level', level(site)],
    ['description', site.description],
  ]);

async function list(call: Call): Promise<void> {
  const found = await withAdmin(call, (admin) => admin.sites.find());
  noteDamaged(call, found);
  const sites = found.items.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  if (call.json) return call.out.json(sites);
  call.out.table(
    ['site', { title: 'level', align: 'right' }, 'domains', 'description'],
    sites.map((site) => [site.name, level(site), site.domains.join(' '), site.description ?? '']),
  );
}

const runs = collectionRuns({ of: (admin) => admin.sites, values: valuesOf, print });

export const SITE_COMMANDS: Group = {
  'site add': {
    usage: 'NAME [--domain DOMAIN …] [--level 0|1|2] [--description TEXT]',
    summary: 'Adds a site: a part of the network with users of its own',
    examples: ['mailfarm site add north --domain north.example.test --level 1'],
    options: FIELDS,
    args: [1, 1],
    run: runs.add,
  },
  'site show': {
    usage: 'NAME',
    summary: 'Shows a site',
    examples: ['mailfarm site show north'],
    args: [1, 1],
    run: runs.show,
  },
  'site set': {
    usage: 'NAME [--domain DOMAIN …] [--level 0|1|2] [--description TEXT]',
    summary: 'Changes a site; an empty text takes the value away',
    examples: ['mailfarm site set north --domain north.example.test --domain n.example.test'],
    options: FIELDS,
    args: [1, 1],
    run: runs.set,
  },
  'site list': {
    usage: '',
    summary: 'Lists sites',
    examples: ['mailfarm site list'],
    args: [0, 0],
    run: list,
  },
  'site remove': {
    usage: 'NAME',
    summary: 'Removes a site; refused while users belong to it',
    examples: ['mailfarm site remove north'],
    args: [1, 1],
    run: runs.remove,
  },
};
