import { get, request } from 'node:http';

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

/** More than this is no answer of a node. */
const ANSWER_OCTETS_MAX = 8 * 1024 * 1024;

/** A node's answer; undefined status: none came in time, and why. Never rejects. */
export interface NodeAnswer {
  readonly status: number | undefined;
  readonly body: string;
}

/** Asks a node of this farm for a page, and waits `timeoutMs` for all of it. */
export const askNode = (options: {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly timeoutMs: number;
}): Promise<NodeAnswer> =>
  new Promise((resolve) => {
    const { timeoutMs, ...at } = options;
    const signal = AbortSignal.timeout(timeoutMs);
    const failed = (error: Error): void =>
      resolve({
        status: undefined,
        body: signal.aborted ? `no answer in ${timeoutMs} ms` : error.message,
      });
    const asked = get({ ...at, signal, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let octets = 0;
      response.on('data', (chunk: Buffer) => {
        octets += chunk.length;
        if (octets > ANSWER_OCTETS_MAX) asked.destroy(new Error('the answer is too long'));
        else chunks.push(chunk);
      });
      response.on('error', failed);
      response.on('end', () =>
        resolve({ status: response.statusCode, body: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    asked.on('error', failed);
  });
