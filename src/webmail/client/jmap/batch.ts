import type { Responses } from './types.ts';

export type MethodName = keyof Responses;
export type Args = Readonly<Record<string, unknown>>;
/** Name, arguments, and what the answer is found by (RFC 8620 §3.2). */
export type Invocation = readonly [name: string, args: Args, id: string];

/** A result reference (RFC 8620 §3.7). */
export interface Reference {
  readonly resultOf: string;
  readonly name: string;
  readonly path: string;
}

/** A call in a batch: others refer to its answer before there is one. */
export class Call<N extends MethodName> {
  readonly name: N;
  readonly id: string;

  constructor(name: N, id: string) {
    this.name = name;
    this.id = id;
  }

  /** Given as `#name` of an argument, `{ '#ids': query.at('/ids') }`. */
  at(path: string): Reference {
    return { resultOf: this.id, name: this.name, path };
  }
}

/** Method calls that go out as one request. */
export class Batch {
  readonly #accountId: string;
  readonly #calls: Invocation[] = [];

  constructor(accountId: string) {
    this.#accountId = accountId;
  }

  add<N extends MethodName>(name: N, args: Args): Call<N> {
    const call = new Call(name, `c${this.#calls.length}`);
    this.#calls.push([name, { accountId: this.#accountId, ...args }, call.id]);
    return call;
  }

  get calls(): readonly Invocation[] {
    return this.#calls;
  }
}

/** A method that the server did not do (RFC 8620 §3.6.2); what followed it may have been done. */
export class MethodFailed extends Error {
  readonly type: string;
  readonly method: string;

  constructor(method: string, type: string, description: string | undefined) {
    super(description ?? `${method}: ${type}`);
    this.name = 'MethodFailed';
    this.method = method;
    this.type = type;
  }
}

/** The answers to a batch. */
export class Answers {
  readonly #answers: readonly Invocation[];

  constructor(answers: readonly Invocation[]) {
    this.#answers = answers;
  }

  /**
   * @throws MethodFailed where the server refused it; with type `noAnswer` where it said nothing
   */
  of<N extends MethodName>(call: Call<N>): Responses[N] {
    // A method may have implicit calls made (EmailSubmission/set): same id, another name.
    const found = this.#answers.filter(([, , id]) => id === call.id);
    const own = found.find(([name]) => name === call.name);
    if (own) return own[1] as unknown as Responses[N];
    const error = found.find(([name]) => name === 'error')?.[1];
    const type = typeof error?.['type'] === 'string' ? error['type'] : 'noAnswer';
    const text = error?.['description'];
    throw new MethodFailed(call.name, type, typeof text === 'string' ? text : undefined);
  }

  /** As `of`, with undefined where the server refused the call. */
  maybe<N extends MethodName>(call: Call<N>): Responses[N] | undefined {
    return this.#answers.some(([name, , id]) => id === call.id && name === call.name)
      ? this.of(call)
      : undefined;
  }

  /** The first answer with an error of this type. */
  failed(type: string): MethodFailed | undefined {
    const found = this.#answers.find(([name, args]) => name === 'error' && args['type'] === type);
    if (!found) return undefined;
    const text = found[1]['description'];
    return new MethodFailed('request', type, typeof text === 'string' ? text : undefined);
  }
}
