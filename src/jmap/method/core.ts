/** Methods of the core: RFC 8620 §4, §6.3. There is no push to URLs: no PushSubscription (§7.2). */
import { CAPABILITIES, MethodError, type MethodRow } from '../types.ts';
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

export const CORE_METHODS: Readonly<Record<string, MethodRow>> = {
  'Core/echo': echo,
  'Blob/copy': blobCopy,
};
