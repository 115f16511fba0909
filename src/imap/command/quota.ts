import { Refusal } from '../replies.ts';

export function getQuota(): never {
  throw new Refusal('CANNOT', 'Not yet');
}

export function getQuotaRoot(): never {
  throw new Refusal('CANNOT', 'Not yet');
}
