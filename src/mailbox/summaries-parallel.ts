/**
 * Does `work` for each item, `most` at a time; `begin` makes the work of one who works. After a
 * failure nobody begins another item, and it rejects when all have stopped.
 */
export async function inParallel<T>(
  items: readonly T[],
  most: number,
  begin: () => (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failed = false;
  const worker = async (): Promise<void> => {
    const work = begin();
    while (next < items.length && !failed) {
      try {
        await work(items[next++] as T);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const workers = Array.from({ length: Math.min(most, items.length) }, worker);
  const results = await Promise.allSettled(workers);
  const failure = results.find((result) => result.status === 'rejected');
  if (failure) throw failure.reason;
}
