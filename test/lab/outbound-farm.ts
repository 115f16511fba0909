/**
 * Nodes that send, on the three clients, with one spool on mail1; a directory, a DNS server and a
 * sink of the test's own at the server's address. The sink keeps every letter that reached its
 * final dot, acknowledged or not.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom as random } from '../../src/base/random.ts';
import { demoAdministrator, demoEntries } from '../../src/directory/demo.ts';
import {
  serveEmbeddedDirectory,
  type EmbeddedServer,
} from '../../src/directory/embedded/server.ts';
import { memoryDirectory } from '../../src/directory/memory.ts';
import { DEFAULT_SUFFIX, layout } from '../../src/directory/schema.ts';
import type { Account, NodeEntry, VolumeEntry } from '../../src/directory/types.ts';
import { messageBucket } from '../../src/spool/outbound-names.ts';
import { openOutboundSpools, type OutboundTrees } from '../../src/spool/outbound-spools.ts';
import { makeVolume } from '../../src/volumes/make.ts';
import { openTestVolumes } from '../../src/volumes/testing/volumes.ts';
import { type DnsServer, startDns } from '../harness/dns-server.ts';
import { startStrangePeer, type StrangePeer } from '../harness/strange-peer.ts';
import { asRoot, type Client, CLIENTS, type HostProcess, mountOf, startOn } from './inside.ts';

const SERVER = '10.99.0.1';
const DIR = '/tmp/outbound';
const SPOOL = 'outbound';
const PASSWORD = 'frontend-secret';
const AT_SERVER = `/mnt/srv/mail1/${SPOOL}/spool/outbound`;
const READY_TURNS = 3_000;
const addressOf = (client: Client): string => `10.99.0.1${client.slice(1)}`;

/** Domains of the letters: each is a lane of its own. */
const DOMAINS = 4;

export interface Claimed {
  readonly subject: string;
  readonly path: string;
}

export class OutboundFarm {
  readonly sink: StrangePeer;
  readonly #dns: DnsServer;
  readonly #directory: EmbeddedServer;
  readonly #nodes = new Map<Client, HostProcess>();
  readonly #spools: OutboundTrees;
  readonly #closeVolumes: () => void;
  #starts = 0;

  private constructor(parts: {
    sink: StrangePeer;
    dns: DnsServer;
    directory: EmbeddedServer;
    spools: OutboundTrees;
    close: () => void;
  }) {
    this.sink = parts.sink;
    this.#dns = parts.dns;
    this.#directory = parts.directory;
    this.#spools = parts.spools;
    this.#closeVolumes = parts.close;
  }

  /** No node runs yet. `endMs`: how long the sink thinks about each letter. */
  static async open({ endMs }: { readonly endMs: number }): Promise<OutboundFarm> {
    mkdirSync(DIR, { recursive: true });
    await asRoot('sysctl', '-q', '-w', 'net.ipv4.ip_unprivileged_port_start=25');
    const sink = await startStrangePeer({ host: SERVER, port: 25, name: 'mx.sink.example', endMs });
    const domains = Array.from({ length: DOMAINS }, (_, n) => `d${n}.example`);
    const dns = await startDns(
      {
        'mx.sink.example': { A: [SERVER] },
        ...Object.fromEntries(domains.map((name) => [name, { MX: [[10, 'mx.sink.example']] }])),
      },
      { host: SERVER },
    );
    mkdirSync(join(mountOf('c1'), SPOOL), { mode: 0o700 });
    const path = join(mountOf('c1'), SPOOL);
    const identity = await makeVolume({ path, name: 'spool1', random });
    const spool = { name: 'spool1', identity, weight: 1, state: 'active', use: 'spool' } as const;
    const directory = await serveDirectory({ ...spool, path: `/mnt/mail1/${SPOOL}` }, dns);
    const volumes = openTestVolumes<Account>(
      memoryDirectory({ accounts: [], volumes: [{ ...spool, path }] }),
      { node: 'c1', limits: { 'volume.deadline': 60_000, 'volume.probe.deadline': 60_000 } },
    );
    const { table } = volumes;
    await table.loaded();
    for (const volume of table.volumes) await volume.ready();
    const spools = openOutboundSpools({ table, clock: systemClock, random, node: 'c1' });
    return new OutboundFarm({ sink, dns, directory, spools, close: () => volumes.close() });
  }

  /** A letter into the spool, as a node of client c1 puts it there. */
  async commit(n: number): Promise<void> {
    const text = `Subject: letter-${n}\n\n${'x'.repeat((n * 37) % 5_000)}\n`;
    const domain = `d${n % DOMAINS}.example`;
    const draft = this.#spools.open(text.length);
    await draft.write(0, Buffer.from(text), true);
    await draft.seal(text.length, text.length + 3, [
      {
        route: { kind: 'mx', domain },
        origin: 'relay',
        owner: '',
        login: '',
        sender: '',
        recipients: [{ address: `n${n}@${domain}` }],
        smtpUtf8: false,
        sign: false,
        trace: `t${n}`,
      },
    ]);
    await draft.commit();
  }

  /** Resolves when it says that it is ready. */
  async start(client: Client): Promise<void> {
    const data = join(DIR, `state-${client}`);
    mkdirSync(data, { recursive: true, mode: 0o700 });
    const file = join(DIR, `${client}.yaml`);
    const access = {
      urls: [this.#directory.url],
      base: DEFAULT_SUFFIX,
      'bind-dn': layout(DEFAULT_SUFFIX).frontend,
      'password-file': join(DIR, 'secret'),
    };
    writeFileSync(file, stringify({ name: client, data, workers: 1, directory: access }));
    const argv = [process.execPath, 'src/cli/main.ts', 'serve', '--config', file];
    const node = await startOn(client, `outbound-${client}-${this.#starts++}`, argv);
    this.#nodes.set(client, node);
    for (let turn = 0; !/^mailfarm is ready/m.test(node.output()); turn++) {
      if (turn > READY_TURNS) throw new Error(`${client} is not ready:\n${node.output()}`);
      await sleep(100);
    }
  }

  /** kill -9 of all its processes, when it holds claims. @returns those */
  async kill(client: Client): Promise<readonly Claimed[]> {
    for (let turn = 0; this.claimsOf(client).length === 0; turn++) {
      if (turn > READY_TURNS) throw new Error(`${client} claims nothing`);
      await sleep(20);
    }
    await this.#nodes.get(client)?.signal('KILL');
    await sleep(500); // What its kernel had sent already is done.
    return this.claimsOf(client);
  }

  /** As the server's disk has them. */
  claimsOf(client: Client): readonly Claimed[] {
    return this.#names('taken')
      .filter((path) => new RegExp(`,H=${client}\\b`).test(path))
      .flatMap((path) => {
        const id = path.slice(path.lastIndexOf('/') + 1).split(',', 1)[0] ?? '';
        const message = join(AT_SERVER, 'message', messageBucket(id), id);
        const subject = /^Subject: (.*)$/m.exec(readOrNothing(message))?.[1];
        return subject === undefined ? [] : [{ subject, path }];
      });
  }

  /** As if two minutes had gone by for claims of the dead: others may have their letters. */
  async letLeasesEnd(claims: readonly Claimed[]): Promise<void> {
    for (const { path } of claims) {
      const from = join(mountOf('c1'), SPOOL, 'spool/outbound', path);
      const to = from.replace(/,T=(\d+)/, (_, at: string) => `,T=${Number(at) - 300}`);
      try {
        renameSync(from, to);
      } catch (error) {
        // Its lease was over, and another has it.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
    for (const tree of this.#spools.all) {
      for (const lane of await tree.lanes('taken')) await tree.reclaim(lane);
    }
  }

  /** Envelopes that are anywhere in the spool. */
  left(): readonly string[] {
    return ['waiting', 'later', 'taken', 'hold'].flatMap((state) => this.#names(state));
  }

  /** Subject to how often the sink got it. */
  arrived(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { content } of this.sink.letters) {
      const subject = /^Subject: (.*?)\r$/m.exec(content.toString('latin1'))?.[1] ?? '?';
      counts.set(subject, (counts.get(subject) ?? 0) + 1);
    }
    return counts;
  }

  async close(): Promise<void> {
    for (const node of this.#nodes.values()) await node.signal('KILL').catch(() => undefined);
    this.#closeVolumes();
    await this.#directory.close();
    await Promise.all([this.#dns.stop(), this.sink.stop()]);
  }

  #names(state: string): string[] {
    // Of one state only: the sink is in this process and answers nobody while names are read.
    const names = namesBelow(join(AT_SERVER, state)).map((name) => `${state}/${name}`);
    return names.filter((name) => /\/\d+\.[^/]*,S=/.test(name));
  }
}

/** None of a directory that nobody has made yet; anew when one went away meanwhile. */
function namesBelow(path: string): string[] {
  while (existsSync(path)) {
    try {
      return readdirSync(path, { recursive: true, encoding: 'utf8' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return [];
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // It is being finished.
  }
}

function serveDirectory(spool: VolumeEntry, dns: DnsServer): Promise<EmbeddedServer> {
  writeFileSync(join(DIR, 'secret'), `${PASSWORD}\n`);
  chmodSync(join(DIR, 'secret'), 0o600);
  const nodeOf = (client: Client, i: number): NodeEntry => ({
    name: client,
    nid: 41 + i,
    server: addressOf(client),
    status: 's',
    listen: [`relay ${addressOf(client)}:2587`, `health ${addressOf(client)}:8092`],
    addresses: [],
    beatAt: undefined,
    version: undefined,
  });
  const entries = CLIENTS.flatMap((client, i) => {
    const all = demoEntries({
      suffix: DEFAULT_SUFFIX,
      volumes: [spool],
      node: nodeOf(client, i),
    });
    return i === 0 ? all : all.filter(({ dn }) => dn.startsWith(`cn=${client},`));
  });
  return serveEmbeddedDirectory({
    host: SERVER,
    port: 0,
    data: join(DIR, 'directory'),
    options: { 'directory.embedded.password.scheme': 'SSHA512' },
    firstStart: {
      adminPassword: 'admin-secret',
      frontendPassword: PASSWORD,
      administrators: [demoAdministrator(DEFAULT_SUFFIX)],
      settings: {
        postmaster: 'admin@example.test',
        'dns.servers': dns.address,
        'relay.destinations.private': 'allow',
        'relay.mta-sts': 'off',
        'relay.retry.min': '2s',
        'relay.retry.max': '4s',
        'relay.concurrency.initial': '2',
        'relay.concurrency.max': '2',
        'spool.look': '300ms',
        'spool.slot': '1s',
        'volume.deadline': '60s',
      },
      entries: [...entries],
    },
  });
}
