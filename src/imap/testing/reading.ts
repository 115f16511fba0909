import type { Account } from '../../directory/types.ts';
import type { Folder, Mail, Numbered, StoredRange } from '../../mailbox/mail.ts';
import { MemoryStore } from '../../mailbox/memory.ts';
import type { TestServerOptions } from './server.ts';

/** Changes what reading a message gives; all else is the folder's own. */
export type Reading = (
  pieces: AsyncIterable<Buffer>,
  range: StoredRange | undefined,
) => AsyncIterable<Buffer>;

/** Options of a server whose messages are read so. */
export function reading(
  how: Reading,
): Pick<TestServerOptions, 'extra'> & { readonly inner: MemoryStore } {
  const inner = new MemoryStore();
  const wrapped = (folder: Folder): Folder =>
    new Proxy(folder, {
      get: (target, name): unknown => {
        if (name === 'read') {
          return (message: Numbered, range?: StoredRange) =>
            how(target.read(message, range), range);
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  const store = {
    openMail: async (account: Account): Promise<Mail> => {
      const mail = await inner.openMail(account);
      return new Proxy(mail, {
        get: (target, name): unknown => {
          if (name === 'open') return async (folder: string) => wrapped(await target.open(folder));
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
    },
  };
  return { inner, extra: { store } };
}
