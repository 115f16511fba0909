import { Refusal } from '../replies.ts';

export function search(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
