import { Refusal } from '../replies.ts';

export function status(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
