import type { StoreError } from '../volumes/error.ts';
import type { Mailbox } from '../volumes/mailboxes.ts';
import type { Volume } from '../volumes/volume.ts';
import { lineEnds } from './piece.ts';
import type { Recipient } from './types.ts';

/** One mailbox that gets the message, however often its owner is named among the recipients. */
export interface Member {
  readonly mailbox: Mailbox;
  /** The recipient that stands for it in trace headers. */
  readonly recipient: Recipient;
  /** Set when the shares are made. */
  share: Share | undefined;
  error: StoreError | undefined;
  /** Name in new/, once published. */
  name: string | undefined;
}

/** What one volume gets: one file, written once, linked to all its members. */
export interface Share {
  readonly volume: Volume;
  readonly base: string;
  readonly members: readonly Member[];
  readonly header: Uint8Array;
  readonly headerLineEnds: number;
  /** The member in whose tmp/ the file lies. */
  holder: Member;
  /** Octets in tmp/, header included. */
  staged: number;
  /** The whole share failed: nothing of it becomes visible. */
  error: StoreError | undefined;
}

/** Members by volume. The header is made once for each share. */
export function sharesOf(
  members: readonly Member[],
  header: (share: readonly Recipient[]) => Uint8Array,
): Share[] {
  const byVolume = new Map<Volume, Member[]>();
  for (const member of members) {
    const { volume } = member.mailbox;
    const known = byVolume.get(volume);
    if (known === undefined) byVolume.set(volume, [member]);
    else known.push(member);
  }
  return Array.from(byVolume, ([volume, own]) => {
    const bytes = header(own.map(({ recipient }) => recipient));
    const share: Share = {
      volume,
      base: volume.uniqueName(),
      members: own,
      header: bytes,
      headerLineEnds: lineEnds(bytes),
      holder: own[0] as Member,
      staged: 0,
      error: undefined,
    };
    for (const member of own) member.share = share;
    return share;
  });
}
