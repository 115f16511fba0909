import { createSecureContext } from 'node:tls';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { defaults } from '../../config/options.ts';
import type { LogLine } from '../../log/testing.ts';
import { collectingLogger } from '../../log/testing.ts';
import { addressRanges } from '../../net/address.ts';
import { listenInProcess } from '../../net/in-process.ts';
import type { Service } from '../../net/types.ts';
import { WEB_OPTIONS } from '../web-options.ts';
import { createWebService, type WebServiceOptions } from '../web-service.ts';
import type { WebOptionValues, WebRoutes } from '../web-types.ts';

export interface TestWebOptions extends Partial<Omit<WebServiceOptions, 'routes' | 'values'>> {
  readonly values?: Partial<WebOptionValues>;
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Balancers, who must send a PROXY header. */
  readonly proxyFrom?: readonly string[];
}

export interface TestWeb {
  readonly port: number;
  /** Such as `http://127.0.0.1:4711`. */
  readonly base: string;
  readonly service: Service;
  readonly lines: LogLine[];
  /** Lines of the log that say what somebody has to mend. */
  errors(): readonly LogLine[];
  close(): Promise<void>;
}

/** The web service behind a listener of its own on a free port of 127.0.0.1. */
export async function startWeb(
  routes: readonly WebRoutes[],
  options: TestWebOptions = {},
): Promise<TestWeb> {
  const lines: LogLine[] = [];
  const { tls, values, proxyFrom = [], ...rest } = options;
  const service = createWebService({
    describe: () => undefined,
    logger: collectingLogger(lines),
    clock: systemClock,
    random: systemRandom,
    ...rest,
    routes,
    values: { ...defaults(WEB_OPTIONS), ...values },
  });
  const context = tls && createSecureContext(tls);
  const listener = await listenInProcess({
    host: '127.0.0.1',
    port: 0,
    mode: context ? 'implicit-tls' : 'plain',
    service,
    proxyFrom: addressRanges(proxyFrom),
    refusal: 'http',
    ...(context && { tls: { context: () => context } }),
  });
  const { port } = listener;
  return {
    port,
    base: `${context ? 'https' : 'http'}://127.0.0.1:${port}`,
    service,
    lines,
    errors: () => lines.filter(({ level }) => level === 'error'),
    close: async () => {
      await listener.close();
      await service.drain(0);
    },
  };
}
