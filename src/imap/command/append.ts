import { Refusal } from '../replies.ts';

export function append(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
