/**
 * Hints between nodes, where a node has a listener `hints HOST:PORT`: what a worker tells goes to
 * the other nodes as well, and what they tell to every worker of this node. The supervisor does
 * it, so a node has one port and one rate, whatever workers come and go.
 *
 * Who the others are stands in the directory: nodes with such a listener, asked now and then; what
 * was known holds while it is away. Nothing waits for a hint, so nothing here fails a start: a port
 * that cannot be bound is a line in the log, and folders are looked at by the clock.
 */
import type { Clock } from '../base/clock.ts';
import type { NodeEntry } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import { HintExchange, type Hint } from '../mailbox/hints.ts';
import { parseListen, type ListenAddress } from '../net/address.ts';
import { openHintSocket, type HintPeer, type HintSocket } from '../net/hints.ts';
import { listenersOf, type Settled } from './plan.ts';
import { HINTS } from './services.ts';

const REFRESH_MS = 30_000;
/** Where nobody answered. */
const RETRY_MS = 5_000;

export interface NodeHintsOptions {
  readonly directory: { nodes(): Promise<readonly NodeEntry[]> };
  readonly node: string;
  /** To the workers of this node: each folder once in some milliseconds. */
  readonly onHints: (hints: readonly Hint[]) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class NodeHints {
  readonly #options: NodeHintsOptions;
  readonly #inward: HintExchange;
  #socket: HintSocket | undefined;
  #asking: AbortController | undefined;
  #peers: readonly HintPeer[] = [];

  constructor(options: NodeHintsOptions) {
    this.#options = options;
    this.#inward = new HintExchange(options.clock);
    this.#inward.onTell((hints) => options.onHints(hints));
  }

  /** Where it listens; undefined: nowhere. */
  get port(): number | undefined {
    return this.#socket?.port;
  }

  /** As the plan says from now on; what was open is closed. */
  async follow(settled: Pick<Settled, 'listen' | 'settings'>, cookie: string): Promise<void> {
    this.close();
    const at = settled.listen.find(({ service }) => service === HINTS);
    if (at === undefined) return;
    this.#socket = await this.#open(at, cookie);
    if (this.#socket === undefined) return;
    const asking = new AbortController();
    this.#asking = asking;
    void this.#ask(settled.settings, asking.signal);
  }

  /** What a worker of this node told. */
  tell(hints: readonly Hint[]): void {
    this.#socket?.send(hints);
  }

  close(): void {
    this.#asking?.abort();
    this.#asking = undefined;
    this.#socket?.close();
    this.#socket = undefined;
  }

  async #open(at: ListenAddress, cookie: string): Promise<HintSocket | undefined> {
    const { clock, logger } = this.#options;
    const where = { code: 'MF-NET-010', host: at.host, port: at.port };
    if (cookie === '') {
      logger.warn(
        where,
        'no hints between nodes: farm.cookie is empty, so anybody could send them',
      );
      return undefined;
    }
    try {
      return await openHintSocket({
        address: at.host,
        port: at.port,
        cookie,
        peers: () => this.#peers,
        onHints: (hints) => {
          for (const { account, folder } of hints) this.#inward.tell(account, folder);
        },
        clock,
        log: logger,
      });
    } catch (err) {
      logger.warn({ ...where, err }, 'no hints between nodes: their address cannot be bound');
      return undefined;
    }
  }

  async #ask(settings: Settled['settings'], signal: AbortSignal): Promise<void> {
    const { directory, node, clock } = this.#options;
    while (!signal.aborted) {
      let pauseMs = REFRESH_MS;
      try {
        const nodes = await directory.nodes();
        const others = nodes.filter(({ name }) => name !== node);
        this.#peers = others.flatMap((other) => placesOf(other, settings));
      } catch {
        pauseMs = RETRY_MS; // Whoever needs the directory says that it is away.
      }
      await clock.sleep(pauseMs, signal).catch(() => {});
    }
  }
}

/** Where a node hears hints. One with several addresses hears some twice, which is no harm. */
function placesOf(node: NodeEntry, settings: Settled['settings']): readonly HintPeer[] {
  return listenersOf(node, settings).flatMap((text) => {
    const at = parseListen(text);
    if (typeof at === 'string' || at.service !== HINTS) return [];
    const isAny = at.host === '*' || at.host === '::' || at.host === '0.0.0.0';
    const addresses = isAny ? node.addresses : [at.host];
    return addresses.map((address) => ({ address, port: at.port }));
  });
}
