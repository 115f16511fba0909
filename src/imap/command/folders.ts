import { Refusal } from '../replies.ts';

export function create(): never {
  throw new Refusal('CANNOT', 'Not yet');
}

export function deleteFolder(): never {
  throw new Refusal('CANNOT', 'Not yet');
}

export function rename(): never {
  throw new Refusal('CANNOT', 'Not yet');
}

export function subscribe(): never {
  throw new Refusal('CANNOT', 'Not yet');
}

export function unsubscribe(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
