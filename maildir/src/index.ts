export { arrivalOf, byArrival } from './arrival.ts';
export { errnoOf, isErrno, isOneOf, systemError, UnknownResultError } from './errno.ts';
export type { ErrnoName } from './errno.ts';
export { writePiece } from './deliver.ts';
export { attemptName, fence } from './fence.ts';
export { folderNameFault } from './folders.ts';
export { openFacts } from './journal/facts.ts';
export { openJournals } from './journal/journal.ts';
export type { JournalsOptions } from './journal/journal.ts';
export { keywordsIn } from './journal/peek.ts';
export { openMaildirs } from './maildirs.ts';
export {
  emailIdOf,
  encodeUidl,
  hasKey,
  isMessageName,
  isOwnKey,
  linkBase,
  nameBase,
  nameFlags,
  nameKey,
  nameOctets,
  nameUidl,
  nameWireOctets,
  nodeToken,
  parseName,
  publishedName,
  uniqueNames,
  withFlags,
  withSizes,
} from './names.ts';
export type { NameParts, UniqueNameOptions } from './names.ts';
export {
  believed,
  linkOurs,
  listFresh,
  makeDirectory,
  moveDirectory,
  moveOurs,
  parentOf,
  removeDirectory,
  removeIfThere,
  renameExact,
  syncDirectory,
} from './nfs.ts';
export type { Nfs } from './nfs.ts';
export { nodeFs } from './node-fs.ts';
export { serverTime } from './sweep.ts';
export { systemClock, systemRandom } from './system.ts';
export { FAILURES } from './journal/place.ts';
export type { Failure } from './journal/place.ts';
export { LIES, MANY_OCTETS_MAX } from './types.ts';
export type {
  Clock,
  Entry,
  Fs,
  Lie,
  Maildirs,
  MaildirsOptions,
  ManyFiles,
  Published,
  PublishRequest,
  Random,
  StageRequest,
} from './types.ts';
export type {
  Added,
  Copied,
  Expunged,
  Facts,
  FlagChange,
  FolderRef,
  FolderState,
  Journals,
  Numbered,
  Seed,
  StagedMessage,
  Stored,
} from './journal/types.ts';
