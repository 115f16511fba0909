import { Refusal } from '../replies.ts';

export function notify(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
