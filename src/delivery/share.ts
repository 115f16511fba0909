import type { StoreError } from '../volumes/error.ts';
import type { Mailbox } from '../volumes/mailboxes.ts';
import type { Volume } from '../volumes/volume.ts';
import { listHeader } from './list-copy.ts';
import type { ParkedFile } from './parking.ts';
import { lineEnds } from './piece.ts';
import type { ListCopy, Recipient } from './types.ts';

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

/**
 * What one volume gets: one file, written once, linked to all its members. Copies of a list have
 * header lines of their own, and so a file of their own.
 */
export interface Share {
  readonly volume: Volume;
  readonly list: ListCopy | undefined;
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

/** Members by volume and list, those to be parked apart. The header is made once for each share. */
export function sharesOf(
  members: readonly Member[],
  header: (share: readonly Recipient[]) => Uint8Array,
): Share[] {
  const groups = new Map<Volume, Map<string, Member[]>>();
  const toPark = new Map<Volume, Map<string, Member[]>>();
  for (const member of members) {
    const { mailbox, parked, recipient } = member;
    const group = parked === undefined ? groups : toPark;
    const byList = group.get(mailbox.volume) ?? new Map<string, Member[]>();
    group.set(mailbox.volume, byList);
    const list = recipient.list?.address ?? '';
    const known = byList.get(list);
    if (known === undefined) byList.set(list, [member]);
    else known.push(member);
  }
  const all = [...groups.values(), ...toPark.values()].flatMap((byList) => [...byList.values()]);
  return all.map((own) => shareOf(own, header));
}

function shareOf(
  own: readonly Member[],
  header: (share: readonly Recipient[]) => Uint8Array,
): Share {
  const holder = own[0] as Member;
  const { volume } = holder.mailbox;
  const { list } = holder.recipient;
  const trace = header(own.map(({ recipient }) => recipient));
  const bytes = list === undefined ? trace : Buffer.concat([trace, Buffer.from(listHeader(list))]);
  const share: Share = {
    volume,
    list,
    base: volume.uniqueName(),
    members: own,
    header: bytes,
    headerLineEnds: lineEnds(bytes),
    parking: undefined,
    parkedFor: undefined,
    holder,
    staged: 0,
    error: undefined,
  };
  for (const member of own) member.share = share;
  return share;
}
