/** Health and metrics of a node over HTTP, for balancers and Prometheus. Touches no volume. */
import { createServer } from 'node:http';
import type { Logger } from '../log/types.ts';

export interface HealthServer {
  close(): void;
}
export interface HealthOptions {
  readonly host: string;
  readonly port: number;
  readonly logger: Logger;
  readonly notReady: () => readonly string[];
  readonly metrics: () => Promise<string>;
  readonly invalidate: () => void;
}
export function serveHealth(options: HealthOptions): Promise<HealthServer | undefined> {
  const server = createServer((request, response) => {
    if (request.url === '/metrics') void options.metrics().then((text) => response.end(text));
    else if (request.url === '/invalidate') (options.invalidate(), response.end());
    else response.end(JSON.stringify(options.notReady()));
  });
  return new Promise((resolve) => {
    server.on('error', (error) => {
      options.logger.error({ err: error }, 'health');
      resolve(undefined);
    });
    server.listen(options.port, options.host, () => resolve({ close: () => server.close() }));
  });
}
