import { Refusal } from '../replies.ts';

export function idle(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
