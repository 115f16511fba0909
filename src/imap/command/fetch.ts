import { Refusal } from '../replies.ts';

export function fetch(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
