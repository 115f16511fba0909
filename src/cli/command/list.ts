import type { ListRecord, ListValues } from '../../directory/admin/api.ts';
import { POSTING_POLICIES } from '../../directory/types.ts';
import { withAdmin, withChange } from '../administration.ts';
import { collectionRuns } from '../collection.ts';
import {
  done,
  flagGiven,
  flagListGiven,
  type Call,
  type Group,
  type OptionRows,
} from '../command.ts';
import { counted } from '../human.ts';
import { noteDamaged, printFields } from '../print.ts';
import { MODERATION_COMMANDS } from './moderation.ts';

const FIELDS = {
  member: { type: 'string', multiple: true, value: 'ADDRESS', doc: 'All members, not one more' },
  filter: { type: 'string', value: 'FILTER', doc: 'Users it selects are members too (RFC 4515)' },
  posting: { type: 'string', choices: POSTING_POLICIES, doc: 'Who may write; anyone by default' },
  moderator: { type: 'string', multiple: true, value: 'ADDRESS', doc: 'Gets what waits for a yes' },
  owner: { type: 'string', value: 'ADDRESS', doc: 'Answers for the list' },
  description: { type: 'string', value: 'TEXT', doc: 'For people' },
} as const satisfies OptionRows;

const valuesOf = (call: Call): ListValues => ({
  members: flagListGiven(call, 'member'),
  filter: flagGiven(call, 'filter'),
  posting: flagGiven(call, 'posting') as ListValues['posting'],
  moderators: flagListGiven(call, 'moderator'),
  owner: flagGiven(call, 'owner'),
  description: flagGiven(call, 'description'),
});

const print = (call: Call, list: ListRecord): void =>
  printFields(call, list, [
    ['list', list.address],
    ['members', list.members.join(', ')],
    ['filter', list.filter],
    ['posting', list.posting],
    ['moderators', list.moderators.join(', ')],
    ['owner', list.owner],
    ['description', list.description],
  ]);

async function listAll(call: Call): Promise<void> {
  const found = await withAdmin(call, (admin) => admin.lists.find());
  noteDamaged(call, found);
  const lists = found.items.toSorted((a, b) => (a.address < b.address ? -1 : 1));
  if (call.json) return call.out.json(lists);
  call.out.table(
    ['list', { title: 'members', align: 'right' }, 'filter', 'posting', 'owner'],
    lists.map((one) => [
      one.address,
      String(one.members.length),
      one.filter ?? '',
      one.posting,
      one.owner ?? '',
    ]),
  );
}

/** Each address by itself, safe beside others who do the same; what was done is done. */
const members =
  (way: 'add' | 'remove') =>
  async (call: Call): Promise<void> => {
    const [name = '', ...addresses] = call.args;
    const list = await withChange(call, async (admin) => {
      let now: ListRecord | undefined;
      for (const address of addresses) {
        now = await admin.lists[way === 'add' ? 'addMember' : 'removeMember'](name, address);
      }
      return now ?? (await admin.lists.get(name));
    });
    const has = counted(list.members.length, 'member');
    done(
      call,
      list,
      `${list.address} has ${has}${list.filter === undefined ? '' : ', and those its filter selects'}`,
    );
  };

const runs = collectionRuns({ of: (admin) => admin.lists, values: valuesOf, print });

export const LIST_COMMANDS: Group = {
  'list add': {
    usage: 'LIST@DOMAIN [--member ADDRESS …] [--filter FILTER] [--posting POLICY]',
    summary: 'Adds a list: an address that stands for many',
    examples: [
      'mailfarm list add team@example.test --member alice@example.test --member bob@example.test',
      "mailfarm list add north@example.test --filter '(mwSite=north)' --posting members",
    ],
    options: FIELDS,
    args: [1, 1],
    run: runs.add,
  },
  'list show': {
    usage: 'LIST@DOMAIN',
    summary: 'Shows a list',
    examples: ['mailfarm list show team@example.test'],
    args: [1, 1],
    run: runs.show,
  },
  'list set': {
    usage: 'LIST@DOMAIN [--posting POLICY] [--moderator ADDRESS …] [--owner ADDRESS]',
    summary: 'Changes a list; an empty text takes the value away',
    examples: [
      'mailfarm list set team@example.test --posting moderated --moderator alice@example.test',
      "mailfarm list set north@example.test --filter ''",
    ],
    options: FIELDS,
    args: [1, 1],
    run: runs.set,
  },
  'list list': {
    usage: '',
    summary: 'Lists the lists',
    examples: ['mailfarm list list'],
    args: [0, 0],
    run: listAll,
  },
  'list remove': {
    usage: 'LIST@DOMAIN',
    summary: 'Removes a list; its members stay',
    examples: ['mailfarm list remove team@example.test'],
    args: [1, 1],
    run: runs.remove,
  },
  'list member add': {
    usage: 'LIST@DOMAIN ADDRESS …',
    summary: 'Adds members to a list',
    examples: ['mailfarm list member add team@example.test carol@example.test dan@example.org'],
    args: [2, 1_000],
    run: members('add'),
  },
  'list member remove': {
    usage: 'LIST@DOMAIN ADDRESS …',
    summary: 'Takes members from a list',
    examples: ['mailfarm list member remove team@example.test carol@example.test'],
    args: [2, 1_000],
    run: members('remove'),
  },
  ...MODERATION_COMMANDS,
};
