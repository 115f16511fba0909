import { Refusal } from '../replies.ts';

export function copy(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
