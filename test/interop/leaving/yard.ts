/**
 * A sender of ours, with the spool in memory, a DNS server of the test's own and the port that all
 * its peers share. Notices and log lines are kept: what they say is half of what is tested.
 */
import type { TestContext } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { defaults } from '../../../src/config/options.ts';
import { DNS_OPTIONS } from '../../../src/dns/options.ts';
import { createResolver } from '../../../src/dns/resolver.ts';
import { collectingLogger, type LogLine } from '../../../src/log/testing.ts';
import { silentLogger } from '../../../src/log/types.ts';
import { isToldOf } from '../../../src/message/notice-rules.ts';
import { SMTP_CLIENT_OPTIONS } from '../../../src/smtp/client/options.ts';
import type { NewEnvelope, OutboundRecipient, Route } from '../../../src/spool/outbound.ts';
import { SENDER_OPTIONS } from '../../../src/spool/sender/options.ts';
import { createSender } from '../../../src/spool/sender/sender.ts';
import type { Notice, Sender, SenderParts } from '../../../src/spool/sender/types.ts';
import { MemoryOutbound, type MemoryLetter } from '../../../src/spool/testing/memory-outbound.ts';
import { ownAddress } from '../../harness/addresses.ts';
import { type DnsServer, type DnsTable, startDns } from '../../harness/dns-server.ts';
import { freePort } from '../../harness/process.ts';
import {
  type PeerBehaviour,
  startStrangePeer,
  type StrangePeer,
} from '../../harness/strange-peer.ts';

export interface Yard {
  readonly dns: DnsServer;
  readonly spool: MemoryOutbound;
  readonly sender: Sender;
  /** SMTP port of all peers. */
  readonly port: number;
  readonly notices: Notice[];
  readonly log: LogLine[];
  /** A letter into the spool. */
  put(letter: YardLetter): Promise<MemoryLetter>;
  /** Waits until no letter is due or taken. */
  settled(ms?: number): Promise<void>;
  /** A peer on an address of its own, known to the DNS as `name`. */
  peer(name: string, behaviour?: PeerBehaviour): Promise<StrangePeer>;
}

export interface YardLetter {
  readonly to: readonly (string | OutboundRecipient)[];
  readonly from?: string;
  readonly route?: Route;
  readonly text?: string;
  readonly more?: Partial<NewEnvelope>;
}

export interface YardOptions {
  readonly table?: DnsTable;
  readonly options?: Partial<SenderParts['options']>;
  readonly parts?: Partial<SenderParts>;
  /** By another clock than the machine's. */
  readonly spool?: MemoryOutbound;
}

export const TEXT = 'From: ann@farm.test\nTo: somebody\nSubject: hello\n\nFirst line\n.dot\n';

/** Starts all of it; the test's end stops it. */
export async function openYard(ctx: TestContext, given: YardOptions = {}): Promise<Yard> {
  const dns = await startDns(given.table ?? {});
  const port = await freePort();
  const log: LogLine[] = [];
  const notices: Notice[] = [];
  const spool = given.spool ?? new MemoryOutbound(systemClock);
  const logger = collectingLogger(log);
  const resolver = createResolver({
    options: { ...defaults(DNS_OPTIONS), 'dns.servers': [dns.address], 'dns.timeout': 1000 },
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  const sender = createSender({
    spools: spool,
    resolver,
    clock: systemClock,
    random: systemRandom,
    logger,
    options: {
      ...defaults(SENDER_OPTIONS),
      ...defaults(SMTP_CLIENT_OPTIONS),
      'relay.destinations.private': 'allow',
      'relay.mta-sts': 'off',
      ...given.options,
    },
    source: { helo: 'node1.farm.test' },
    isOwn: () => false,
    cookie: () => undefined,
    farmHops: async () => [],
    report: async (notice) => {
      const { kind: event, envelope, recipients } = notice;
      const told = recipients.filter(
        ({ recipient: { notify } }) => isToldOf({ ...envelope, event, notify }).tell,
      );
      if (told.length > 0) notices.push({ ...notice, recipients: told });
    },
    ...given.parts,
    network: { smtpPort: port, ...given.parts?.network },
  });
  ctx.onTestFinished(async () => {
    await sender.drain(1000);
    resolver.close();
    await dns.stop();
  });
  sender.start();
  const put = (letter: YardLetter) => putInto(spool, letter);
  return { dns, spool, sender, port, notices, log, put, settled, peer };

  async function settled(ms = 120_000): Promise<void> {
    const until = performance.now() + ms;
    const isBusy = () => sender.held > 0 || spool.letters.some(isUnderWay);
    // What goes from hand to hand is seen by no one look.
    for (let quiet = 0; quiet < 4; quiet = isBusy() ? 0 : quiet + 1) {
      if (performance.now() > until) throw new Error(`letters are still under way after ${ms} ms`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async function peer(name: string, behaviour: PeerBehaviour = {}): Promise<StrangePeer> {
    const started = await startStrangePeer({ host: ownAddress(), port, name, ...behaviour });
    ctx.onTestFinished(() => started.stop());
    dns.set({ [name]: { A: [started.host] } });
    return started;
  }
}

const isUnderWay = ({ state, dueAt }: MemoryLetter): boolean =>
  state === 'taken' || (state === 'waiting' && dueAt <= systemClock.now());

async function putInto(spool: MemoryOutbound, letter: YardLetter): Promise<MemoryLetter> {
  const text = Buffer.from(letter.text ?? TEXT);
  const recipients = letter.to.map((to) => (typeof to === 'string' ? { address: to } : to));
  const domain = recipients[0]?.address.split('@')[1] ?? '';
  const draft = spool.open();
  await draft.write(0, text, true);
  const wire = text.length + text.filter((octet) => octet === 10).length;
  const envelope: NewEnvelope = {
    route: letter.route ?? { kind: 'mx', domain },
    origin: 'submission',
    owner: 'id-of-ann',
    login: 'ann@farm.test',
    sender: letter.from ?? 'ann@farm.test',
    recipients,
    smtpUtf8: false,
    sign: false,
    trace: `trace${spool.letters.length}`,
    ...letter.more,
  };
  await draft.seal(text.length, wire, [envelope]);
  await draft.commit();
  const last = spool.letters.at(-1);
  if (!last) throw new Error('no letter');
  return last;
}
