import { request } from 'node:http';

/**
 * Posts to a node of this farm and waits for the answer, at most `timeoutMs`. A hint: whatever goes
 * wrong is the same as no answer. @returns whether the node took it.
 */
export const postHint = (options: {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly timeoutMs: number;
}): Promise<boolean> =>
  new Promise((resolve) => {
    const { host, port, path, timeoutMs } = options;
    const asked = request({ host, port, path, method: 'POST', timeout: timeoutMs });
    asked.on('response', (response) => {
      response
        .resume()
        .on('end', () => resolve(response.statusCode === 204 || response.statusCode === 200));
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(false));
    asked.on('close', () => resolve(false));
    asked.end();
  });
