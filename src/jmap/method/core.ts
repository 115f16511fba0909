/** Methods of the core: RFC 8620 §4, §6.3, §7.2. */
import { CAPABILITIES, MethodError, type MethodRow } from '../types.ts';
import { isRecord } from '../wire/values.ts';
import { Reader } from './arguments.ts';

const capability = CAPABILITIES.core;

const echo: MethodRow = { capability, run: (args) => Promise.resolve(args) };

/** There is one account, so a copy is the blob itself. */
const blobCopy: MethodRow = {
  capability,
  run: async (args, { account, blobs, limits }) => {
    const reader = new Reader(args);
    const accountId = reader.string('accountId');
    if (reader.string('fromAccountId') !== account.id) {
      throw new MethodError('fromAccountNotFound', 'You have one account');
    }
    const ids = reader.strings('blobIds');
    if (ids === undefined) throw new MethodError('invalidArguments', 'blobIds is missing');
    if (ids.length > limits.maxObjectsInSet) {
      throw new MethodError('requestTooLarge', `${limits.maxObjectsInSet} blobs may be copied`);
    }
    const copied: [string, string][] = [];
    const notCopied: [string, { type: string }][] = [];
    for (const id of new Set(ids)) {
      if ((await blobs.open(id)) === undefined) notCopied.push([id, { type: 'blobNotFound' }]);
      else copied.push([id, id]);
    }
    return {
      fromAccountId: accountId,
      accountId,
      copied: copied.length === 0 ? null : Object.fromEntries(copied),
      notCopied: notCopied.length === 0 ? null : Object.fromEntries(notCopied),
    };
  },
};

/** Nobody is pushed to by a URL: whoever wants to know holds a stream of events (§7.3). */
const pushGet: MethodRow = {
  capability,
  run: async (args) => ({ list: [], notFound: new Reader(args).strings('ids') ?? [] }),
};

const pushSet: MethodRow = {
  capability,
  run: async ({ create, update, destroy }) => {
    const description = 'There is no push to URLs here; use the stream of events';
    const refused = (value: unknown, type: string): object | null => {
      const ids = Array.isArray(value) ? value : isRecord(value) ? Object.keys(value) : [];
      if (ids.length === 0) return null;
      return Object.fromEntries(ids.map((id) => [String(id), { type, description }]));
    };
    return {
      created: null,
      updated: null,
      destroyed: null,
      notCreated: refused(create, 'forbidden'),
      notUpdated: refused(update, 'notFound'),
      notDestroyed: refused(destroy, 'notFound'),
    };
  },
};

export const CORE_METHODS: Readonly<Record<string, MethodRow>> = {
  'Core/echo': echo,
  'Blob/copy': blobCopy,
  'PushSubscription/get': pushGet,
  'PushSubscription/set': pushSet,
};
