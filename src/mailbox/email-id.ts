/** Ids of emails, for protocols, which do not import the engine: see `maildir/src/names.ts`. */
export { emailIdOf } from '#maildir';
