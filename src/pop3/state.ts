import type { Transaction } from './transaction.ts';

/** RFC 1939 §3: what exists in each state is what its type has. */
export type SessionState =
  | { readonly name: 'authorization'; readonly user: string | undefined }
  | { readonly name: 'sasl' } // AUTHORIZATION, and the next line is a SASL response.
  | Transaction
  | { readonly name: 'update' };
export type Authorization = Extract<SessionState, { name: 'authorization' }>;

/** One object for the thousands that have sent nothing yet. */
export const START: SessionState = { name: 'authorization', user: undefined };
export const SASL: SessionState = { name: 'sasl' };
export const UPDATE: SessionState = { name: 'update' };
