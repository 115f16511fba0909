import { publish, stage } from './deliver.ts';
import { destroyMaildir } from './destroy.ts';
import {
  createFolder,
  createMaildir,
  listFolders,
  maildirExists,
  removeFolder,
} from './folders.ts';
import { listOnce, listStable } from './listing.ts';
import {
  changeName,
  flagged,
  readMessage,
  readMessages,
  removeMessages,
  sized,
} from './message.ts';
import { uniqueNames } from './names.ts';
import { removeIfThere, type Nfs } from './nfs.ts';
import { checkEntry, checkFlags, checkName } from './check.ts';
import { sweepTmp } from './sweep.ts';
import { UnchangedListings } from './unchanged.ts';
import type { Maildirs, MaildirsOptions } from './types.ts';

const RETRIES_DEFAULT = 5;

/**
 * The engine over a file system. It holds no state but the count in its names, and listings that
 * are proved to be still true: two engines, in one process or on two hosts, may work on the same
 * Maildirs at once.
 */
export function openMaildirs(options: MaildirsOptions): Maildirs {
  const { fs, directorySync, many } = options;
  const nfs: Nfs = { fs, directorySync, many, lie: options.onLie ?? (() => {}) };
  const retries = options.maxLieRetries ?? RETRIES_DEFAULT;
  const uniqueName = uniqueNames(options);
  const exact = options.directoryTimes === 'exact';
  const unchanged = exact ? new UnchangedListings(options.clock) : undefined;
  return {
    uniqueName,
    create: (maildir, { root }) => createMaildir(nfs, maildir, root),
    exists: (maildir) => maildirExists(nfs, maildir),
    stage: async (request) => stage(nfs, checkName(request)),
    publish: async (request) => {
      if (request.as !== undefined) checkName({ base: request.as });
      return publish(nfs, checkName(request));
    },
    discard: async (request) => {
      const { maildir, base } = checkName(request);
      await removeIfThere(nfs, `${maildir}/tmp/${base}`);
    },
    list: (maildir) => unchanged?.list(nfs, maildir) ?? listStable(nfs, maildir),
    listOnce: (maildir) => listOnce(nfs, maildir),
    read: async (request) => readMessage(nfs, checkEntry(request), retries),
    readsMany: (messages) => many?.ready(messages) ?? false,
    readMany: async (request) => {
      for (const entry of request.entries) checkEntry({ entry });
      return readMessages(nfs, request, retries);
    },
    setFlags: async (request) => {
      const { maildir, entry, add, remove } = checkFlags(checkEntry(request));
      return changeName(nfs, { maildir, entry, wanted: flagged(add, remove) }, retries);
    },
    setSizes: async (request) => {
      const { maildir, entry, octets, wireOctets } = checkEntry(request);
      return changeName(nfs, { maildir, entry, wanted: sized(octets, wireOctets) }, retries);
    },
    remove: async ({ maildir, entries }) => {
      for (const entry of entries) checkEntry({ entry });
      return removeMessages(nfs, { maildir, entries }, retries);
    },
    folders: (maildir) => listFolders(nfs, maildir),
    createFolder: (maildir, folder) => createFolder(nfs, maildir, folder),
    removeFolder: (maildir, folder) => removeFolder(nfs, { maildir, folder, trash: uniqueName() }),
    destroy: (request) => destroyMaildir(nfs, request),
    sweep: (maildir, { olderThanMs }) =>
      sweepTmp(nfs, maildir, { olderThanMs, probe: uniqueName() }),
  };
}
