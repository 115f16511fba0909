import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePortBase } from './farm.ts';
import { start } from './process.ts';

/** Debian's. */
export const HAPROXY = '/usr/sbin/haproxy';

/** Where it comes from: the only address of a test's machine whose PROXY headers nodes believe. */
export const BALANCER_ADDRESS = '127.0.0.77';

export interface Balancer {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

/**
 * HAProxy before the `http` listeners of nodes, as a site would set it up: requests go to them in
 * turn, also those of one connection, each with a PROXY header that says who the client is. A node
 * that takes no connection is left out; a request that it took already is not repeated. With `tcp`
 * before listeners of any protocol, whole connections in turn.
 */
export async function startBalancer(
  dir: string,
  nodes: readonly number[],
  mode: 'http' | 'tcp' = 'http',
): Promise<Balancer> {
  mkdirSync(dir, { recursive: true });
  const port = await freePortBase();
  const file = join(dir, 'haproxy.cfg');
  const servers = nodes.map(
    (node, at) =>
      `  server node${at + 1} 127.0.0.1:${node} source ${BALANCER_ADDRESS} send-proxy-v2 ` +
      'check check-send-proxy inter 1s fall 2 rise 1',
  );
  const lines = [
    'defaults',
    `  mode ${mode}`,
    '  balance roundrobin',
    '  option redispatch 1',
    '  retries 3',
    '  timeout connect 2s',
    '  timeout client 10m',
    '  timeout server 10m',
    '  timeout check 20s', // A busy machine is no dead node; that one refuses at once.
    'listen web',
    `  bind 127.0.0.1:${port}`,
    ...servers,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const running = start([HAPROXY, '-db', '-f', file], { withParent: 'KILL' });
  while (!(await connects(port))) {
    if (!running.running()) throw new Error(`haproxy ended:\n${running.output()}`);
    await sleep(20);
  }
  return { port, pid: running.pid, stop: () => running.stop(2_000) };
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
