/**
 * What comes in lists, one by one: a promise that is there already for most, where an asynchronous
 * generator takes three turns of the queue for each, and as many again for each it passes through.
 * One `next` at a time, as for-await does.
 */
export class OneByOne<T> implements AsyncIterableIterator<T> {
  readonly #lists: AsyncGenerator<readonly T[]>;
  #list: readonly T[] = [];
  #at = 0;

  constructor(lists: AsyncGenerator<readonly T[]>) {
    this.#lists = lists;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#at >= this.#list.length) return this.#nextList();
    return Promise.resolve({ done: false, value: this.#list[this.#at++] as T });
  }

  async return(): Promise<IteratorResult<T>> {
    this.#list = [];
    await this.#lists.return(undefined);
    return { done: true, value: undefined };
  }

  async #nextList(): Promise<IteratorResult<T>> {
    for (;;) {
      const { done, value } = await this.#lists.next();
      if (done === true) return { done, value: undefined };
      this.#list = value;
      this.#at = 1;
      if (value.length > 0) return { done: false, value: value[0] as T };
    }
  }
}
