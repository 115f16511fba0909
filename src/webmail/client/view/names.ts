import type { Text } from '../i18n/text.ts';
import type { Address, Mailbox } from '../jmap/types.ts';
import type { IconName } from './icon.tsx';

const ROLE_ICONS: Partial<Record<string, IconName>> = {
  inbox: 'inbox',
  drafts: 'drafts',
  sent: 'sent',
  archive: 'archive',
  junk: 'junk',
  trash: 'trash',
};

export const folderIcon = (folder: Mailbox): IconName =>
  (folder.role && ROLE_ICONS[folder.role]) || 'folder';

/** Folders with a role have a name in every language. */
export function folderName(folder: Mailbox, text: Text): string {
  switch (folder.role) {
    case 'inbox':
    case 'drafts':
    case 'sent':
    case 'archive':
    case 'junk':
    case 'trash':
      return text.say(`folder.${folder.role}`);
    default:
      return folder.name;
  }
}

export const addressName = (address: Address): string =>
  address.name?.trim() || address.email.split('@')[0] || address.email;

/** Of several people the given names, as people call them. */
export function peopleOf(addresses: readonly Address[]): string {
  const names = [...new Set(addresses.map(addressName))];
  if (names.length === 1) return names[0] ?? '';
  return names.map((name) => name.split(/[\s,]/)[0] || name).join(', ');
}

/** One letter that stands for somebody. */
export const initialOf = (address: Address | undefined): string =>
  (address ? Array.from(addressName(address))[0] : undefined)?.toLocaleUpperCase() ?? '?';

/** One of eight hues, always the same for an address. */
export function hueOf(address: Address | undefined): number {
  let sum = 0;
  for (const letter of address?.email.toLowerCase() ?? '')
    sum = (sum * 31 + letter.charCodeAt(0)) | 0;
  return Math.abs(sum) % 8;
}
