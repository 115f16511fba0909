import { Refusal } from '../replies.ts';

export function capability(): never {
  throw new Refusal('CANNOT', 'Not yet');
}

export function compress(): never {
  throw new Refusal('CANNOT', 'Not yet');
}

export function enable(): never {
  throw new Refusal('CANNOT', 'Not yet');
}

export function id(): never {
  throw new Refusal('CANNOT', 'Not yet');
}

export function logout(): never {
  throw new Refusal('CANNOT', 'Not yet');
}

export function namespace(): never {
  throw new Refusal('CANNOT', 'Not yet');
}

export function noop(): never {
  throw new Refusal('CANNOT', 'Not yet');
}

export function starttls(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
