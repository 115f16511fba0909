import { Refusal } from '../replies.ts';

export function expunge(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
export function uidExpunge(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
