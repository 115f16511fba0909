import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type DnsServer, startDns } from '../../harness/dns-server.ts';
import { SmtpChat } from '../../harness/smtp-chat.ts';
import { startStrangePeer, type StrangePeer } from '../../harness/strange-peer.ts';
import { type MachinesFarm, MORE_PORTS, PASSWORD, startFarm } from './farm.ts';
import { atFiler, HOSTS, mountOf, power, restore, run } from './inside.ts';
import { LONG, say } from './witness-watch.ts';

// Users submit at one front end, another sends. The file server of the spool loses its power amid
// the work, then the first front end: what was accepted is durable, and comes to the world.

const CLIENTS = 4;
const ACCEPTED = LONG ? 400 : 40;
/** And so many more when the file server is back. */
const AFTER = LONG ? 100 : 12;
/** The sender is behind when the power goes. */
const END_MS = 500;
const ARRIVE_MS = 180_000;
/** So long without a reply: the host is dead. */
const DEAD_MS = 20_000;

let farm: MachinesFarm;
let letters = 0;
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

/** What the clients were told, while they go on. */
interface Submitting {
  readonly accepted: Set<string>;
  refused: number;
  stopped: boolean;
}

const submitting = (): Submitting => ({ accepted: new Set(), refused: 0, stopped: false });

/** One session and letter after another until it is stopped or the connection breaks. */
async function submitAll(user: string, work: Submitting, patienceMs: number): Promise<void> {
  const at = { host: HOSTS.fe1.address, port: MORE_PORTS.submissions };
  const { chat } = await SmtpChat.open({ ...at, tls: { rejectUnauthorized: false } });
  await chat.hello();
  const plain = Buffer.from(`\0${user}\0${PASSWORD}`).toString('base64');
  expect((await chat.command(`AUTH PLAIN ${plain}`)).code).toBe(235);
  try {
    while (!work.stopped) {
      const n = letters++;
      const subject = `letter-${n}`;
      const head = `From: ${user}\r\nTo: n${n}@sink.example\r\nSubject: ${subject}`;
      const wire = Buffer.from(`${head}\r\n\r\n${'x'.repeat(n % 900)}\r\n`);
      const sent = chat.send(user, [`n${n}@sink.example`], wire);
      const late = sleep(patienceMs, undefined, { ref: false });
      const reply = await Promise.race([sent, late]);
      sent.catch(() => undefined);
      if (reply === undefined) return; // Nobody closes the connections of a dead host.
      if (reply.code === 250) work.accepted.add(subject);
      else {
        expect([451, 452], reply.text).toContain(reply.code);
        work.refused += 1;
        await chat.command('RSET');
        await sleep(200);
      }
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

const arriving = { timeout: ARRIVE_MS, interval: 1_000 };
const missingOf = ({ accepted }: Submitting): string[] => {
  const there = arrived();
  return [...accepted].filter((subject) => !there.has(subject));
};
const twice = (): string[] =>
  [...arrived()].filter(([, times]) => times > 1).map(([subject]) => subject);

/** Claims, path to subject, as the file server's disk has them. */
async function claims(): Promise<ReadonlyMap<string, string>> {
  const script = `cd spool/outbound
    for path in $(find taken -type f); do
      id=\${path##*/}; id=\${id%%,*}
      echo "$path $(sed -n '/^Subject: /{s///p;q}' message/*/$id 2> /dev/null || true)"
    done`;
  const lines = (await atFiler('spool1', script)).split('\n').filter((line) => line !== '');
  return new Map(lines.map((line) => line.trim().split(' ', 2) as [string, string]));
}

/** As if two minutes had gone by for these, where nobody has ended them yet. */
async function letLeasesEnd(paths: Iterable<string>): Promise<void> {
  const moves = [...paths].map((path) => {
    const to = path.replace(/,T=(\d+)/, (_, at: string) => `,T=${Number(at) - 300}`);
    return `if [ -e '${path}' ]; then mv '${path}' '${to}' || true; fi`;
  });
  const script = [`cd ${mountOf('spool1')}/spool/outbound`, ...moves].join('\n');
  await run('fe3', ['bash', '-ec', script]);
}

test('[S4-16] [N-15] the file server of the spool loses its power: what was accepted is sent', async () => {
  const work = submitting();
  const { accepted } = work;
  const all = Promise.all(farm.users.map((user) => submitAll(user, work, ARRIVE_MS)));
  all.catch(() => undefined);
  const enough = (): number => accepted.size;
  await expect.poll(enough, arriving).toBeGreaterThanOrEqual(ACCEPTED);
  await power.off('filer2');
  const before = accepted.size;
  const sent = arrived().size;
  await power.on('filer2');
  const held = await claims(); // Nobody can end them while the server waits for its clients.
  const during = accepted.size - before;
  await expect.poll(enough, arriving).toBeGreaterThanOrEqual(before + during + AFTER);
  work.stopped = true;
  await all;
  await letLeasesEnd(held.keys());
  await expect.poll(() => missingOf(work), arriving).toEqual([]);
  await expect.poll(async () => [...(await claims()).keys()], arriving).toEqual([]);
  say(
    `the spool's server without power: ${before} accepted before (${sent} of them sent), ` +
      `${during} meanwhile, ${accepted.size - before - during} after, ${work.refused} told to ` +
      `try again; all arrived; ${held.size} in hand, ${twice().length} twice`,
  );
  expect(sent, 'nothing was left to send').toBeLessThan(before);
  const inHand = new Set(held.values());
  expect(twice().filter((subject) => !inHand.has(subject))).toEqual([]);
}, 600_000);

test('[S4-16] [N-15] a host that takes mail in loses its power: what it accepted is sent by another', async () => {
  const earlier = twice();
  const work = submitting();
  const { accepted } = work;
  const all = Promise.all(farm.users.map((user) => submitAll(user, work, DEAD_MS)));
  all.catch(() => undefined);
  await expect.poll(() => accepted.size, arriving).toBeGreaterThanOrEqual(ACCEPTED);
  await power.off('fe1');
  const before = accepted.size - missingOf(work).length;
  await all;
  await expect.poll(() => missingOf(work), arriving).toEqual([]);
  say(`${accepted.size} accepted, ${before} of them sent when the power went; all arrived`);
  expect(before, 'nothing was left to send').toBeLessThan(accepted.size);
  expect(twice()).toEqual(earlier);
}, 600_000);
