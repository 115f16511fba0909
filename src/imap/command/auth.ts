import { Refusal } from '../replies.ts';

export function authenticate(): never {
  throw new Refusal('CANNOT', 'Not yet');
}

export function login(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
