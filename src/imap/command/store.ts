import { Refusal } from '../replies.ts';

export function store(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
