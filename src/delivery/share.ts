import type { StoreError } from '../volumes/error.ts';
import type { Mailbox } from '../volumes/mailboxes.ts';
import type { Volume } from '../volumes/volume.ts';
import type { ParkedFile } from './parking.ts';
import { lineEnds } from './piece.ts';
import type { Recipient } from './types.ts';

/** One mailbox that gets the message, however often its owner is named among the recipients. */
export interface Member {
  readonly mailbox: Mailbox;
  /** Its volume is down: the letter goes to the spool. Why. */
  readonly parked: StoreError | undefined;
  /** The recipient that stands for it in trace headers. */
  readonly recipient: Recipient;
  /** Set when the shares are made. */
  share: Share | undefined;
  error: StoreError | undefined;
  /** Name in new/, once published; id on the spool, once parked. */
  name: string | undefined;
  /** The spool volume that has it. */
  parkedOn: string | undefined;
}

/** What one volume gets: one file, written once, linked to all its members. */
export interface Share {
  readonly volume: Volume;
  readonly base: string;
  readonly members: readonly Member[];
  readonly header: Uint8Array;
  readonly headerLineEnds: number;
  /** Where it is instead, when its volume is down. */
  parking: ParkedFile | undefined;
  /** Members that had no error of their own when it was begun there, in the order of its files. */
  parkedFor: readonly Member[] | undefined;
  /** The member in whose tmp/ the file lies. */
  holder: Member;
  /** Octets in tmp/, header included. */
  staged: number;
  /** The whole share failed: nothing of it becomes visible. */
  error: StoreError | undefined;
}

/** Members by volume, those to be parked apart. The header is made once for each share. */
export function sharesOf(
  members: readonly Member[],
  header: (share: readonly Recipient[]) => Uint8Array,
): Share[] {
  const byVolume = new Map<Volume, Member[]>();
  const toPark = new Map<Volume, Member[]>();
  for (const member of members) {
    const { volume } = member.mailbox;
    const group = member.parked === undefined ? byVolume : toPark;
    const known = group.get(volume);
    if (known === undefined) group.set(volume, [member]);
    else known.push(member);
  }
  return [...byVolume, ...toPark].map(([volume, own]) => {
    const bytes = header(own.map(({ recipient }) => recipient));
    const share: Share = {
      volume,
      base: volume.uniqueName(),
      members: own,
      header: bytes,
      headerLineEnds: lineEnds(bytes),
      parking: undefined,
      parkedFor: undefined,
      holder: own[0] as Member,
      staged: 0,
      error: undefined,
    };
    for (const member of own) member.share = share;
    return share;
  });
}
