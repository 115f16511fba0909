import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Service } from '../types.ts';

/** In the place of a socket: what the server writes is taken when the test says so. */
export class SlowClient extends Duplex {
  /** One character per octet. */
  told = '';
  /** The server ended, and all it said was taken. */
  over = false;
  #taken: (() => void) | undefined;
  readonly setNoDelay = (): void => {};

  constructor(service: Service) {
    super();
    this.on('finish', () => (this.over = true));
    service.handle({
      socket: this as unknown as Socket,
      secure: false,
      servername: undefined,
      remoteAddress: '127.0.0.1',
      remotePort: 1,
      localAddress: '127.0.0.1',
      localPort: 143,
      id: 'session1',
    });
  }

  override _read(): void {}

  override _write(piece: Buffer, _encoding: string, done: () => void): void {
    this.told += piece.toString('latin1');
    this.#taken = done;
  }

  say(line: string): void {
    this.push(`${line}\r\n`);
  }

  /** Takes one piece. @returns whether there was one */
  async takePiece(): Promise<boolean> {
    const taken = this.#taken;
    this.#taken = undefined;
    taken?.();
    await sleep(1);
    return taken !== undefined;
  }

  /** Takes pieces until `end` has come. */
  async takeUntil(end: string): Promise<void> {
    while (!this.told.includes(end)) await this.takePiece();
    while (await this.takePiece());
  }
}
