import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { TURN_COMMANDS_MAX } from './options.ts';
import { type Done, LineTransport } from './line-transport.ts';

/** Counts lines and the most of them between two turns of the event loop. */
class Counting extends LineTransport {
  lines = 0;
  most = 0;
  #sinceTurn = 0;

  startOfTurn(): void {
    this.#sinceTurn = 0;
  }
  protected override line(): Done {
    this.lines += 1;
    this.#sinceTurn += 1;
    this.most = Math.max(this.most, this.#sinceTurn);
  }
  protected override lineBytesMax(): number {
    return 255;
  }
  protected override oversized(): void {}
  protected override endless(): void {}
  protected override failed(error: unknown): void {
    throw error;
  }
  protected override arm(): void {}
  protected override closedBy(): void {}
}

test('one turn of the event loop serves a bounded number of commands', async () => {
  const listener = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const client = connect((listener.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = (await once(listener, 'connection')) as [Socket];
  const counting = new Counting(socket);
  const turn = (): void => {
    counting.startOfTurn();
    if (!counting.closed) setImmediate(turn);
  };
  turn();
  client.end(Buffer.alloc(60_000, 'a\r\n'));
  socket.resume();
  await once(client.resume(), 'close');
  listener.close();
  expect(counting.lines).toBe(20_000);
  // At most one limit by a read and one by its continuation fall between two of our marks.
  expect(counting.most).toBeLessThanOrEqual(2 * TURN_COMMANDS_MAX);
});
