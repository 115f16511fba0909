import type { Admin } from '../directory/admin/admin.ts';
import type { Collection, Recorded } from '../directory/admin/api.ts';
import { withAdmin, withChange } from './administration.ts';
import { done, word, type Call } from './command.ts';

/** What the commands on one kind of entry have of their own. */
export interface CollectionCommands<R extends Recorded, V> {
  readonly of: (admin: Admin) => Pick<Collection<R, V>, 'get' | 'add' | 'set' | 'remove'>;
  /** The values that the options give. @throws UsageError */
  readonly values: (call: Call) => V & Partial<V>;
  readonly print: (call: Call, record: R) => void;
}

type Run = (call: Call) => Promise<void>;

/** What `add`, `show`, `set` and `remove` of an entry do, whatever its kind. */
export function collectionRuns<R extends Recorded, V>(
  kind: CollectionCommands<R, V>,
): Readonly<Record<'add' | 'show' | 'set' | 'remove', Run>> {
  const { of, values, print } = kind;
  return {
    add: async (call) => {
      const given = values(call);
      print(call, await withChange(call, (admin) => of(admin).add(word(call, 0), given)));
    },
    show: async (call) =>
      print(call, await withAdmin(call, (admin) => of(admin).get(word(call, 0)))),
    set: async (call) => {
      const given = values(call);
      print(call, await withChange(call, (admin) => of(admin).set(word(call, 0), given)));
    },
    remove: (call) => removing(of)(call),
  };
}

/** Removes the entry that the command names. */
export const removing =
  (of: (admin: Admin) => { remove(name: string): Promise<unknown> }): Run =>
  async (call) => {
    await withChange(call, (admin) => of(admin).remove(word(call, 0)));
    done(call, { removed: word(call, 0) }, `${word(call, 0)} is removed`);
  };
