import type { Mailbox, Role } from '../jmap/types.ts';

/** Roles in the order in which people expect them. */
const ROLES: readonly Role[] = ['inbox', 'drafts', 'sent', 'archive', 'junk', 'trash'];

/** Folders that deeds need, and that a new mailbox does not have. */
export type DeedRole = 'archive' | 'junk' | 'trash';

/**
 * Stands for the folder of a role until there is one, where ids stand. No id looks like it (RFC
 * 8620 §1.2).
 */
export const unmade = (role: Role): string => `role:${role}`;

/** The role of what `unmade` made; undefined: it is an id. */
export const unmadeRole = (id: string): DeedRole | undefined =>
  (['archive', 'junk', 'trash'] as const).find((role) => unmade(role) === id);

export interface FolderNode {
  readonly mailbox: Mailbox;
  readonly depth: number;
  readonly hasChildren: boolean;
}

/** All folders of the user. Never changes: a new one is made. */
export class Folders {
  readonly all: readonly Mailbox[];
  readonly #byId: ReadonlyMap<string, Mailbox>;

  constructor(all: readonly Mailbox[]) {
    this.all = all;
    this.#byId = new Map(all.map((one) => [one.id, one]));
  }

  get(id: string): Mailbox | undefined {
    return this.#byId.get(id);
  }

  ofRole(role: Role): Mailbox | undefined {
    return this.all.find((one) => one.role === role);
  }

  /** Where what goes to a role goes: its id, or what stands for it until there is one. */
  target(role: Role): string {
    return this.ofRole(role)?.id ?? unmade(role);
  }

  /** With these instead, and without those. */
  with(changed: readonly Mailbox[], gone: readonly string[] = []): Folders {
    const next = new Map(this.#byId);
    for (const one of changed) next.set(one.id, one);
    for (const id of gone) next.delete(id);
    return new Folders([...next.values()]);
  }

  /** As shown: those with a role first, then by name, each below its parent. */
  tree(closed: ReadonlySet<string>, language: string): FolderNode[] {
    const names = new Intl.Collator(language, { numeric: true });
    const rank = ({ role }: Mailbox): number => {
      const at = role ? ROLES.indexOf(role) : -1;
      return at < 0 ? ROLES.length : at;
    };
    const children = Map.groupBy(this.all, ({ parentId }) =>
      parentId !== null && this.#byId.has(parentId) ? parentId : '',
    );
    const found: FolderNode[] = [];
    const descend = (parent: string, depth: number): void => {
      const here = (children.get(parent) ?? []).toSorted(
        (a, b) => rank(a) - rank(b) || a.sortOrder - b.sortOrder || names.compare(a.name, b.name),
      );
      for (const mailbox of here) {
        const hasChildren = children.has(mailbox.id);
        found.push({ mailbox, depth, hasChildren });
        // A circle of parents cannot come from our server; it must not hang the page either.
        if (hasChildren && !closed.has(mailbox.id) && depth < 20) descend(mailbox.id, depth + 1);
      }
    };
    descend('', 0);
    return found;
  }

  /** Names from the root, to tell folders of one name apart. */
  path(id: string): readonly Mailbox[] {
    const found: Mailbox[] = [];
    for (let at = this.get(id); at && found.length < 20; at = this.get(at.parentId ?? '')) {
      found.unshift(at);
    }
    return found;
  }
}
