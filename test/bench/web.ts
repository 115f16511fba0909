/**
 * A mailbox of 100,000 messages through JMAP, as a webmail asks: the first list on a node that has
 * never seen it, the next ones, after a change, and a search for a word. One connection, so one
 * worker of the node answers; wall time, CPU of the whole farm, memory at the end.
 */
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DEMO_PASSWORD, startFarm, type Farm } from '../harness/farm.ts';
import { maildirOf } from '../harness/maildir-of.ts';
import { residentBytes } from '../harness/processes.ts';
import { type BenchContext, measure } from './context.ts';
import { writeMessages } from './imap-mail.ts';
import { figure } from './report.ts';
import { smtpLoad } from './smtp-load.ts';

const LOGIN = 'alice@example.test';
const MESSAGES = 100_000;
const OCTETS = 3000;
/** A search that was not done at its first answer is asked again so often. */
const GO_ON_MAX = 60;
const USING = ['core', 'mail'].map((name) => `urn:ietf:params:jmap:${name}`);

type Call = readonly [name: string, args: object, id: string];
type Answer = readonly [name: string, args: Record<string, unknown>, id: string];

/** A client with one connection. */
class Client {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #port: number;
  accountId = '';

  constructor(port: number) {
    this.#port = port;
  }

  async open(): Promise<void> {
    const session = JSON.parse(await this.#ask('/.well-known/jmap', undefined)) as {
      primaryAccounts: Record<string, string>;
    };
    this.accountId = session.primaryAccounts['urn:ietf:params:jmap:mail'] ?? '';
  }

  async call(...calls: readonly Call[]): Promise<readonly Answer[]> {
    const methodCalls = calls.map(([name, args, id]) => [
      name,
      { accountId: this.accountId, ...args },
      id,
    ]);
    const said = await this.#ask('/jmap/api', JSON.stringify({ using: USING, methodCalls }));
    const { methodResponses } = JSON.parse(said) as { methodResponses: Answer[] };
    const failed = methodResponses.find(([name]) => name === 'error');
    if (failed) throw new Error(JSON.stringify(failed));
    return methodResponses;
  }

  close(): void {
    this.#agent.destroy();
  }

  async #ask(path: string, body: string | undefined): Promise<string> {
    return await new Promise<string>((resolve, reject) => {
      const asked = request({
        host: '127.0.0.1',
        port: this.#port,
        agent: this.#agent,
        path,
        method: body === undefined ? 'GET' : 'POST',
        auth: `${LOGIN}:${DEMO_PASSWORD}`,
        headers: { 'content-type': 'application/json' },
      });
      asked.on('response', (reply) => {
        text(reply).then((said) => {
          if (reply.statusCode === 200) resolve(said);
          else reject(new Error(`${path}: ${reply.statusCode} ${said}`));
        }, reject);
      });
      asked.on('error', reject).end(body);
    });
  }
}

const from = (resultOf: string, name: string, path: string): object => ({ resultOf, name, path });

const LIST = ['id', 'threadId', 'mailboxIds', 'keywords', 'from', 'subject', 'receivedAt'];

/** Mailboxes, 50 threads of INBOX and what a list shows: as our webmail begins. */
const list = async (client: Client, position = 0): Promise<readonly Answer[]> => {
  const filter = { inMailbox: 'inbox' };
  const query = { filter, collapseThreads: true, position, limit: 50, calculateTotal: true };
  return await client.call(
    ['Mailbox/get', { ids: null }, 'm'],
    ['Email/query', query, 'q'],
    ['Email/get', { '#ids': from('q', 'Email/query', '/ids'), properties: ['threadId'] }, 'h'],
    ['Thread/get', { '#ids': from('h', 'Email/get', '/list/*/threadId') }, 't'],
    ['Email/get', { '#ids': from('t', 'Thread/get', '/list/*/emailIds'), properties: LIST }, 'g'],
  );
};

const search = async (client: Client, word: string): Promise<Answer> => {
  const filter = { inMailbox: 'inbox', text: word };
  const [answer] = await client.call(['Email/query', { filter, limit: 50 }, 's']);
  return answer as Answer;
};

class Report {
  readonly #farm: Farm;

  constructor(farm: Farm) {
    this.#farm = farm;
  }

  async take<T>(what: string, work: () => Promise<T>): Promise<T> {
    let result: T | undefined;
    const { cpu, seconds } = await measure(this.#farm.pid, async () => {
      const started = performance.now();
      result = await work();
      return (performance.now() - started) / 1000;
    });
    const resident = figure(residentBytes([this.#farm.pid]) / 1e6, 'MB');
    const columns = [`${figure(seconds * 1000, 'ms')} wall`, `${figure(cpu * 1000, 'ms')} CPU`];
    const line = [what.padEnd(46), ...columns.map((one) => one.padStart(16)), resident];
    process.stdout.write(`${line.join('  ')}\n`);
    return result as T;
  }
}

/** So that what a step began in the background is not counted for the next. */
async function settle(farm: Farm): Promise<void> {
  for (let quiet = 0; quiet < 2;) {
    const { cpu } = await measure(farm.pid, async () => {
      await sleep(1000);
      return 1;
    });
    quiet = cpu < 0.1 ? quiet + 1 : 0;
  }
}

async function searches(report: Report, client: Client): Promise<void> {
  const first = await report.take('search for a word that is nowhere, cold', () =>
    search(client, 'nowhereatall'),
  );
  if (first[1]['mailfarm:incomplete'] === true) {
    let more = 0;
    await report.take('  until all was searched', async () => {
      for (let answer = first; answer[1]['mailfarm:incomplete'] === true; more += 1) {
        if (more === GO_ON_MAX) break;
        answer = await search(client, 'nowhereatall');
      }
    });
    process.stdout.write(`  asked ${more} times more\n`);
  }
  await report.take('search for another, warm', () => search(client, 'elsewhere'));
  await report.take('search for what every message has, warm', () => search(client, 'hello'));
}

/** Prints a table; `--quick` has fewer messages. */
export async function benchWeb(context: BenchContext): Promise<void> {
  const dir = join(context.dir, 'farm');
  let farm = await startFarm({ dir });
  const messages = Math.round(MESSAGES * context.scale) - 1;
  try {
    const common = { port: farm.ports.smtp, host: '127.0.0.1', connections: 1, perConnection: 1 };
    await smtpLoad({ ...common, messages: 1, recipients: [LOGIN], size: 2000 });
    writeMessages(await maildirOf(farm, LOGIN), { users: 1, messages, octets: OCTETS }, 'root');
    process.stdout.write(`${messages + 1} messages of ${OCTETS} octets through JMAP\n`);
    let report = new Report(farm);
    let client = new Client(farm.ports.http);
    await client.open();
    await report.take('first list of 50, nobody ever looked', () => list(client));
    await report.take('the same again', () => list(client));
    await settle(farm);
    await report.take('warm', () => list(client));
    for (const turn of [1, 2, 3]) await report.take(`warm, again (${turn})`, () => list(client));
    for (const turn of [1, 2]) {
      const got = (await list(client)).at(-1);
      const [email] = (got?.[1]['list'] ?? []) as { id: string }[];
      await report.take(`a flag, then the list again (${turn})`, async () => {
        const update = { [email?.id ?? '']: { 'keywords/$flagged': turn === 1 ? true : null } };
        await client.call(['Email/set', { update }, 'f']);
        await list(client);
      });
    }
    for (const turn of [1, 2]) {
      await smtpLoad({ ...common, messages: 1, recipients: [LOGIN], size: 2000 });
      await report.take(`a new letter, then the list (${turn})`, () => list(client));
    }
    await report.take('the last 50', () => list(client, -50));
    await report.take('the last 50 again', () => list(client, -50));
    await searches(report, client);
    await settle(farm);
    client.close();
    await farm.stop();
    farm = await startFarm({ dir, base: farm.base });
    report = new Report(farm);
    client = new Client(farm.ports.http);
    await client.open();
    await report.take('first list of 50 on another node', () => list(client));
    await report.take('the same again', () => list(client));
    await settle(farm);
    await report.take('search for a word that is nowhere, another node', () =>
      search(client, 'nowhereatall'),
    );
    client.close();
  } finally {
    await farm.stop();
  }
}
