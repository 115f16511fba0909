/**
 * How tests, which run in the farm's network, ask the program that holds the hosts for what is done
 * from outside: HTTP over a socket in the laboratory's folder.
 */
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import type { HostPlan } from './host.ts';
import type { Laboratory } from './laboratory.ts';
import type { NetworkName } from './network.ts';

export type Request =
  | { readonly do: 'power-off' | 'power-on'; readonly host: string }
  | { readonly do: 'cut' | 'mend'; readonly host: string; readonly network: NetworkName }
  /** A new host, laid and switched on. */
  | { readonly do: 'add'; readonly plan: HostPlan };

const socketOf = (folder: string): string => join(folder, 'control');

export function serveControl(laboratory: Laboratory): Server {
  const server = createServer((incoming, answer) => {
    void (async (): Promise<void> => {
      let text = '';
      for await (const chunk of incoming) text += String(chunk);
      await perform(laboratory, JSON.parse(text) as Request);
      answer.end('done');
    })().catch((error: unknown) => {
      answer.statusCode = 500;
      answer.end(error instanceof Error ? error.message : String(error));
    });
  });
  server.listen(socketOf(laboratory.folder));
  return server;
}

async function perform(laboratory: Laboratory, asked: Request): Promise<void> {
  switch (asked.do) {
    case 'power-off':
      return laboratory.powerOff(asked.host);
    case 'power-on':
      return laboratory.powerOn(asked.host);
    case 'cut':
      return laboratory.cut(asked.host, asked.network);
    case 'mend':
      return laboratory.mend(asked.host, asked.network);
    case 'add':
      return (await laboratory.add(asked.plan)).on();
  }
}

/** @throws Error with the reason when it could not be done */
export async function tell(folder: string, asked: Request): Promise<void> {
  const call = request({ socketPath: socketOf(folder), method: 'POST', path: '/' });
  call.end(JSON.stringify(asked));
  const [answer] = (await once(call, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of answer) text += String(chunk);
  if (answer.statusCode !== 200) throw new Error(`${asked.do}: ${text}`);
}
