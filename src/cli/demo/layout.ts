import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { VolumeUse } from '../../directory/types.ts';

/** Where a demo farm's files lie and on which ports it listens. */
export interface DemoLayout {
  readonly dir: string;
  readonly base: number;
  /** Worker processes of the node. */
  readonly workers: number;
  readonly nodeFile: string;
  readonly adminFile: string;
  readonly adminSecret: string;
  readonly frontendSecret: string;
  readonly directoryData: string;
  readonly state: string;
  readonly cert: string;
  readonly key: string;
  readonly volumes: readonly DemoVolume[];
}

export interface DemoVolume {
  readonly name: string;
  readonly path: string;
  readonly use: VolumeUse;
}

export const DEMO_NODE = 'demo';
export const DEMO_DOMAIN = 'example.test';
export const DEMO_USERS = ['alice', 'bob', 'admin'] as const;
export const DEMO_PASSWORD = 'demo';
export const PORT_BASE_DEFAULT = 10_000;
export const PORT_BASE_MAX = 64_000;
/** On loopback only: the passwords are printed in the manual. */
export const DEMO_HOST = '127.0.0.1';

/** Standard ports; the demo listens on base + port. */
export const DEMO_PORTS = {
  mx: 25,
  relay: 26,
  lmtp: 24,
  submission: 587,
  submissions: 465,
  health: 90,
  pop3: 110,
  ldap: 389,
  pop3s: 995,
  imap: 143,
  imaps: 993,
  http: 80,
  https: 443,
} as const;

export const demoPort = (layout: DemoLayout, service: keyof typeof DEMO_PORTS): number =>
  layout.base + DEMO_PORTS[service];

export function demoLayout(options: {
  readonly data: string | undefined;
  readonly base: number;
  readonly workers: number;
  readonly env: NodeJS.ProcessEnv;
}): DemoLayout {
  const state = options.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state');
  const dir = resolve(options.data ?? join(state, 'mailfarm', 'demo'));
  return {
    dir,
    base: options.base,
    workers: options.workers,
    nodeFile: join(dir, 'node.yaml'),
    adminFile: join(dir, 'admin.yaml'),
    adminSecret: join(dir, 'secrets', 'admin'),
    frontendSecret: join(dir, 'secrets', 'frontend'),
    directoryData: join(dir, 'directory'),
    state: join(dir, 'state'),
    cert: join(dir, 'tls', 'cert.pem'),
    key: join(dir, 'tls', 'key.pem'),
    volumes: [
      { name: 'mail1', path: join(dir, 'mail1'), use: 'mail' },
      { name: 'mail2', path: join(dir, 'mail2'), use: 'mail' },
      { name: 'spool1', path: join(dir, 'spool1'), use: 'spool' },
    ],
  };
}
