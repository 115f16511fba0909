import { Refusal } from '../replies.ts';

export function sort(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
