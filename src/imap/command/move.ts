import { Refusal } from '../replies.ts';

export function move(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
