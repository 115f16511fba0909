/** What a user sees and changes of himself: `/self…` of the server (`../../self-care.ts`). */
import { Refused, Unsure } from '../jmap/connection.ts';
import type { App } from '../model/app.ts';

export interface Self {
  readonly login: string;
  readonly addresses: readonly string[];
  readonly quota: {
    readonly octets: number;
    readonly messages: number;
    /** 0: no limit. */
    readonly octetsMax: number;
  } | null;
  readonly forwards: readonly string[];
  readonly keep: boolean;
  readonly vacation: {
    readonly text: string;
    readonly subject?: string;
    readonly from?: number;
    readonly until?: number;
  } | null;
  readonly secondFactor: boolean;
  readonly mayChange: boolean;
}

export interface AppPassword {
  readonly id: string;
  readonly label: string;
  readonly services: readonly string[];
  readonly createdAt?: number;
}

export interface SignIn {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly address: string;
  readonly agent: string;
  readonly current: boolean;
}

export type Asked<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'refused'; readonly why: string };

/** Never throws: what the server says is for the page. */
export async function ask<T>(
  app: App,
  method: 'GET' | 'PUT' | 'POST' | 'DELETE',
  url: string,
  body?: unknown,
): Promise<Asked<T>> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
  try {
    const init = { method, headers, ...sent };
    const repeat = method === 'POST' ? 'once' : 'always';
    const response = await app.connection.request(url, init, { repeat });
    return { kind: 'done', value: (await response.json()) as T };
  } catch (error) {
    if (!(error instanceof Refused) && !(error instanceof Unsure)) throw error;
    return { kind: 'refused', why: error.message };
  }
}

/** A local day as a date field writes it; '' for none. */
export function dayOf(ms: number | undefined): string {
  if (ms === undefined) return '';
  const at = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** The first moment of that local day, or with `after` of the next one. */
export function momentOf(day: string, after = 0): number | undefined {
  const [, year, month, date] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day) ?? [];
  if (date === undefined) return undefined;
  return new Date(Number(year), Number(month) - 1, Number(date) + after).getTime();
}
