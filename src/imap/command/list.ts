import { Refusal } from '../replies.ts';

export function list(): never {
  throw new Refusal('CANNOT', 'Not yet');
}

export function lsub(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
