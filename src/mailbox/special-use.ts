import { MailError, SPECIAL_USES, type SpecialUse } from './mail.ts';

/**
 * Special use (RFC 6154). Who made the folder may have said it; else a well-known name says it,
 * where no other folder was made for that use. A use has one folder.
 */
const WELL_KNOWN: readonly (readonly [name: string, use: SpecialUse])[] = [
  ['Archive', 'Archive'],
  ['Drafts', 'Drafts'],
  ['Junk', 'Junk'],
  ['Sent', 'Sent'],
  ['Trash', 'Trash'],
  ['Spam', 'Junk'],
  ['Sent Items', 'Sent'],
  ['Sent Messages', 'Sent'],
  ['Deleted Items', 'Trash'],
  ['Deleted Messages', 'Trash'],
];

/** \All, \Flagged and \Important are views over folders, which no folder of ours is. */
const VIEWS: readonly SpecialUse[] = ['All', 'Flagged', 'Important'];

export const isSpecialUse = (text: string): text is SpecialUse =>
  (SPECIAL_USES as readonly string[]).includes(text);

/** The use of each folder that has one. @param said what was said when they were made */
export function usesOf(
  names: Iterable<string>,
  said: ReadonlyMap<string, SpecialUse>,
): ReadonlyMap<string, SpecialUse> {
  const there = new Set(names);
  const uses = new Map<string, SpecialUse>();
  const taken = new Set<SpecialUse>();
  for (const name of there) {
    const use = said.get(name);
    if (use === undefined || taken.has(use)) continue;
    uses.set(name, use);
    taken.add(use);
  }
  for (const [name, use] of WELL_KNOWN) {
    if (taken.has(use) || !there.has(name) || uses.has(name)) continue;
    uses.set(name, use);
    taken.add(use);
  }
  return uses;
}

/** @throws MailError 'not-possible' for a use that no new folder can have (RFC 6154 §3) */
export function checkUse(use: SpecialUse, said: ReadonlyMap<string, SpecialUse>): void {
  if (VIEWS.includes(use)) {
    throw new MailError('not-possible', `No folder can be made for \\${use}`);
  }
  for (const [name, other] of said) {
    if (other === use) {
      throw new MailError('not-possible', `The folder for \\${use} is ${name} already`);
    }
  }
}
