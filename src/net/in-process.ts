/**
 * Listens and serves in this very process: for tests and tools. What a connection goes through is
 * the same as behind the gate: admission, PROXY header, implicit TLS, service.
 */
import type { Socket } from 'node:net';
import { systemClock, type Clock } from '../base/clock.ts';
import { systemRandom, type Random } from '../base/random.ts';
import { defaults } from '../config/options.ts';
import { silentLogger, type Logger } from '../log/types.ts';
import { addressRanges, NO_ADDRESSES, type AddressRanges } from './address.ts';
import { createAdmission, type AdmissionLimits } from './admission.ts';
import { createIntake, type IntakeListener } from './intake.ts';
import { bind, portOf } from './listen.ts';
import { NET_OPTIONS } from './options.ts';
import { refuse, type RefusalStyle } from './refusal.ts';
import type { Service, TlsContexts } from './types.ts';

export interface InProcessOptions {
  readonly host: string;
  /** 0 asks the system for a free one. */
  readonly port: number;
  readonly mode: 'plain' | 'implicit-tls';
  readonly service: Service;
  readonly tls?: TlsContexts;
  /** Balancers; nobody where it is missing. */
  readonly proxyFrom?: AddressRanges;
  readonly refusal?: RefusalStyle;
  /** Those of NET_OPTIONS at their defaults where missing. */
  readonly limits?: Partial<AdmissionLimits>;
  readonly proxyTimeoutMs?: number;
  readonly handshakeTimeoutMs?: number;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface InProcessListener {
  readonly host: string;
  readonly port: number;
  /** Stops listening and closes what no service has yet. Sessions are the service's to drain. */
  close(): Promise<void>;
}

/** Listens. @throws ListenError when the address cannot be bound. */
export async function listenInProcess(options: InProcessOptions): Promise<InProcessListener> {
  const values = defaults(NET_OPTIONS);
  const admission = createAdmission(
    {
      total: values['net.connections.max'],
      perAddress: values['net.connections.per-address'],
      ratePerMinute: values['net.rate.per-address'],
      exempt: addressRanges(values['net.limits.exempt']),
      ...options.limits,
    },
    options.clock ?? systemClock,
  );
  const proxyFrom = options.proxyFrom ?? NO_ADDRESSES;
  const refusal = options.mode === 'plain' ? (options.refusal ?? 'silent') : 'silent';
  const listener: IntakeListener = {
    name: 'in-process',
    service: options.service,
    mode: options.mode,
    proxyFrom,
    refusal,
  };
  const intake = createIntake({
    tls: options.tls,
    proxyTimeoutMs: options.proxyTimeoutMs ?? values['net.proxy.timeout'],
    handshakeTimeoutMs: options.handshakeTimeoutMs ?? values['net.tls.handshake-timeout'],
    proxied: admission,
    random: options.random ?? systemRandom,
    logger: options.logger ?? silentLogger,
  });
  const onConnection = (socket: Socket): void => {
    socket.on('error', () => {});
    const address = socket.remoteAddress;
    if (address === undefined) return void socket.destroy();
    if (proxyFrom.has(address)) return intake.take(socket, listener);
    const verdict = admission.admit(address);
    if (typeof verdict === 'string') return refuse(socket, refusal, verdict);
    intake.take(socket, listener, undefined, () => verdict.release());
  };
  const { host, port } = options;
  const onAcceptError = (error: Error): void =>
    options.logger?.error({ error }, 'accept failed: MF-NET-009');
  const server = await bind({ host, port, onConnection, onAcceptError, pauseOnConnect: false });
  return {
    host,
    port: portOf(server),
    close: () =>
      new Promise((resolve) => {
        server.close(); // Its callback would wait for sessions; the port is free without it.
        intake.close();
        setImmediate(resolve);
      }),
  };
}
