import { Refusal } from '../replies.ts';

export function check(): never {
  throw new Refusal('CANNOT', 'Not yet');
}

export function close(): never {
  throw new Refusal('CANNOT', 'Not yet');
}

export function examine(): never {
  throw new Refusal('CANNOT', 'Not yet');
}

export function select(): never {
  throw new Refusal('CANNOT', 'Not yet');
}

export function unselect(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
