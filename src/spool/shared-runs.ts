interface Queue {
  readonly running: Promise<void>;
  next: Promise<void> | undefined;
}

/**
 * Work by key that serves all who asked before it began: one fsync of a directory makes durable
 * what many have renamed into it. Who asks while it runs gets the next run, with all others who do.
 */
export class SharedRuns {
  readonly #queues = new Map<string, Queue>();

  run(key: string, work: () => Promise<void>): Promise<void> {
    const queue = this.#queues.get(key);
    if (queue === undefined) return this.#start(key, work);
    queue.next ??= queue.running.catch(() => {}).then(() => this.#start(key, work));
    return queue.next;
  }

  #start(key: string, work: () => Promise<void>): Promise<void> {
    const running = work();
    const queue: Queue = { running, next: undefined };
    this.#queues.set(key, queue);
    const ended = (): void => {
      if (queue.next === undefined) this.#queues.delete(key);
    };
    running.then(ended, ended);
    return running;
  }
}
