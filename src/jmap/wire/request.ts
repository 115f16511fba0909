import type { Args } from '../types.ts';
import { isId, isRecord } from './values.ts';

/** A call of a method (RFC 8620 §3.2). */
export interface Invocation {
  readonly name: string;
  readonly args: Args;
  readonly callId: string;
}

/** RFC 8620 §3.3 */
export interface JmapRequest {
  readonly using: readonly string[];
  readonly calls: readonly Invocation[];
  readonly createdIds: ReadonlyMap<string, string> | undefined;
}

/** Why the whole request is refused (RFC 8620 §3.6.1). */
export type RequestErrorType = 'unknownCapability' | 'notJSON' | 'notRequest' | 'limit';

export class RequestError extends Error {
  readonly type: RequestErrorType;
  /** Of a limit: its name in the session. */
  readonly limit: string | undefined;
  constructor(type: RequestErrorType, description: string, limit?: string) {
    super(description);
    this.name = 'RequestError';
    this.type = type;
    this.limit = limit;
  }
}

const bad = (text: string): RequestError => new RequestError('notRequest', text);

/** @throws RequestError notRequest, limit */
export function readRequest(value: unknown, maxCalls: number): JmapRequest {
  if (!isRecord(value)) throw bad('A request is an object');
  const { using, methodCalls, createdIds } = value;
  if (!Array.isArray(using) || !using.every((one) => typeof one === 'string')) {
    throw bad('using is a list of capabilities');
  }
  if (!Array.isArray(methodCalls)) throw bad('methodCalls is a list of calls');
  if (methodCalls.length > maxCalls) {
    throw new RequestError('limit', `A request has ${maxCalls} calls`, 'maxCallsInRequest');
  }
  const calls = methodCalls.map((call: unknown) => readCall(call));
  return { using, calls, createdIds: readCreatedIds(createdIds) };
}

function readCall(call: unknown): Invocation {
  if (!Array.isArray(call) || call.length !== 3) throw bad('A call is [name, arguments, id]');
  const [name, args, callId] = call as readonly unknown[];
  if (typeof name !== 'string' || !isRecord(args) || typeof callId !== 'string') {
    throw bad('A call is [name, arguments, id]');
  }
  return { name, args, callId };
}

function readCreatedIds(value: unknown): ReadonlyMap<string, string> | undefined {
  if (value === undefined) return undefined;
  if (!isRecord(value)) throw bad('createdIds maps creation ids to ids');
  const ids = new Map<string, string>();
  for (const [creationId, id] of Object.entries(value)) {
    if (!isId(creationId) || typeof id !== 'string' || !isId(id)) {
      throw bad('createdIds maps creation ids to ids');
    }
    ids.set(creationId, id);
  }
  return ids;
}
