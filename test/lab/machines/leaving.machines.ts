import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type DnsServer, startDns } from '../../harness/dns-server.ts';
import { SmtpChat } from '../../harness/smtp-chat.ts';
import { startStrangePeer, type StrangePeer } from '../../harness/strange-peer.ts';
import { type MachinesFarm, MORE_PORTS, PASSWORD, startFarm } from './farm.ts';
import { HOSTS, power, restore } from './inside.ts';
import { LONG, say } from './witness-watch.ts';

// Users submit at one front end, another sends. The first loses its power amid the work: what it
// has accepted is on the spool volume, durable, and the other brings it to the world.

const CLIENTS = 4;
const ACCEPTED = LONG ? 400 : 40;
/** The sender is behind when the power goes. */
const END_MS = 500;
const ARRIVE_MS = 180_000;

let farm: MachinesFarm;
let world: { readonly dns: DnsServer; readonly sink: StrangePeer };

beforeAll(async () => {
  const host = HOSTS.hub.address;
  const sink = await startStrangePeer({ host, port: 25, name: 'mx.sink.example', endMs: END_MS });
  const mx = { MX: [[10, 'mx.sink.example']] } as const;
  const dns = await startDns(
    { 'sink.example': mx, 'mx.sink.example': { A: [host] } },
    { host, port: 53 },
  );
  world = { dns, sink };
  farm = await startFarm({
    users: CLIENTS,
    frontends: ['fe1', 'fe2'],
    services: { fe1: ['submissions'], fe2: ['relay'] },
    settings: {
      'dns.servers': dns.address,
      'relay.send': 'relays',
      'relay.destinations.private': 'allow',
      'relay.mta-sts': 'off',
      'relay.concurrency.initial': '2',
      'relay.concurrency.max': '2',
      'relay.retry.min': '2s',
      'spool.look': '300ms',
      'spool.slot': '1s',
      'submission.messages.hour': '10000',
      'submission.recipients.hour': '10000',
      'submission.messages.day': '10000',
      'submission.recipients.day': '10000',
    },
  });
});
afterEach(restore);
afterAll(async () => {
  await farm?.close();
  await world?.sink.stop();
  await world?.dns.stop();
});

/** One session and letter after another until the connection breaks. */
async function submitAll(user: string, accepted: Set<string>): Promise<void> {
  const at = { host: HOSTS.fe1.address, port: MORE_PORTS.submissions };
  const { chat } = await SmtpChat.open({ ...at, tls: { rejectUnauthorized: false } });
  await chat.hello();
  const plain = Buffer.from(`\0${user}\0${PASSWORD}`).toString('base64');
  expect((await chat.command(`AUTH PLAIN ${plain}`)).code).toBe(235);
  try {
    for (let n = 0; ; n++) {
      const subject = `${user.split('@', 1)[0]}-${n}`;
      const head = `From: ${user}\r\nTo: n${n}@sink.example\r\nSubject: ${subject}`;
      const wire = Buffer.from(`${head}\r\n\r\n${'x'.repeat(n % 900)}\r\n`);
      const sent = chat.send(user, [`n${n}@sink.example`], wire);
      const late = new Promise<undefined>((resolve) => void setTimeout(resolve, 20_000, undefined));
      const reply = await Promise.race([sent, late]);
      sent.catch(() => undefined);
      if (reply === undefined) return; // Nobody closes the connections of a dead host.
      expect(reply.code).toBe(250);
      accepted.add(subject);
    }
  } catch (error) {
    if (!/closed|ended|reset|TIMEDOUT|UNREACH/i.test(String(error))) throw error;
  } finally {
    chat.stream.destroy();
  }
}

function arrived(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { content } of world.sink.letters) {
    const subject = /^Subject: (.*?)\r$/m.exec(content.toString('latin1'))?.[1] ?? '?';
    counts.set(subject, (counts.get(subject) ?? 0) + 1);
  }
  return counts;
}

test('[S4-16] [N-15] a host that takes mail in loses its power: what it accepted is sent by another', async () => {
  const accepted = new Set<string>();
  const clients = farm.users.map((user) => submitAll(user, accepted));
  const all = Promise.all(clients);
  all.catch(() => undefined);
  const enough = (): number => accepted.size;
  await expect.poll(enough, { timeout: ARRIVE_MS }).toBeGreaterThanOrEqual(ACCEPTED);
  await power.off('fe1');
  const before = arrived().size;
  await all;
  const missing = (): string[] => [...accepted].filter((subject) => !arrived().has(subject));
  await expect.poll(missing, { timeout: ARRIVE_MS, interval: 1_000 }).toEqual([]);
  say(`${accepted.size} accepted, ${before} of them sent when the power went; all arrived`);
  expect(before, 'nothing was left to send').toBeLessThan(accepted.size);
  expect([...arrived()].filter(([, times]) => times > 1)).toEqual([]);
}, 600_000);
