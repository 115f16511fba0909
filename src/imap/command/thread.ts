import { Refusal } from '../replies.ts';

export function thread(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
