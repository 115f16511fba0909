import { asError } from '../../src/errno.ts';
import { Host, type OpenEngine } from './host.ts';
import type { Fault } from './model-client.ts';
import { ModelServer } from './model-server.ts';
import { checkAll } from './properties.ts';
import type { FaultKind, Scenario } from './scenario.ts';

/**
 * Every order of the calls of several hosts, by running the real code from the start for each.
 *
 * Depth first: a run follows the choices of the last one up to the deepest that has another answer,
 * takes that, and from there on lets each host work until it ends. Bounds: how often a host is put
 * aside while it could go on (preemptions), how many faults strike. A host that has crashed or
 * ended gives way for nothing, and one that is put aside stays so for as long as others work: for
 * an hour of the model's clock, over commits, snapshots and deletions, at the price of one
 * preemption.
 *
 * Not tried twice: a state that was met before with as many preemptions and faults left. The state
 * is the server's content and what each host was answered, which decides all it will do; two orders
 * of calls that do not touch each other lead to the same state. Calls that nobody else can see (on
 * a file of one's own, open) are no place to put a host aside.
 *
 * Rejected: random schedules (a race of three exact places is met once in millions); threads and
 * real time; storing the states themselves (closures of the engine cannot be copied).
 */
export interface Bounds {
  readonly preemptions: number;
  /** Schedules; more is an error, so that no bound hides. */
  readonly schedulesMax?: number;
}
export interface Explored {
  readonly schedules: number;
  readonly states: number;
  readonly steps: number;
}

/** A schedule that breaks a promise: `schedule` can be given to `replay`. */
export class ScheduleError extends Error {
  readonly schedule: string;
  constructor(scenario: string, schedule: string, trace: readonly string[], cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(`${scenario}: ${why}\nschedule: '${schedule}'\n${trace.join('\n')}`, { cause });
    this.name = 'ScheduleError';
    this.schedule = schedule;
  }
}

interface Option {
  readonly host: number;
  /** '' performs the call; else what happens to it. */
  readonly how: string;
  readonly preempts: boolean;
}
interface Decision {
  readonly options: number;
  taken: number;
}

const STEPS_MAX = 5_000;
const TRACE_MAX = 400;
const PROMISES_MAX = 1_000;
const TURNS_MAX = 100_000;
const NAMING = new Set(['rename', 'link', 'unlink', 'mkdir', 'rmdir']);
const OWN = new Set(['write', 'read', 'size', 'fsync', 'close']);
const FAILS: Readonly<Record<FaultKind, (call: string) => readonly string[]>> = {
  crash: () => ['crash'],
  'lost-reply': (call) => (NAMING.has(call) ? ['again'] : []),
  timeout: (call) => (NAMING.has(call) ? ['ETIMEDOUT', 'done', 'late'] : []),
  stale: (call) => (['openRead', 'read', 'list'].includes(call) ? ['ESTALE'] : []),
  full: (call) => (['create', 'fsync', 'link', 'mkdir'].includes(call) ? ['ENOSPC'] : []),
  listing: (call) => (call === 'list' ? ['neither', 'both'] : []),
};

/**
 * Tries every schedule within the bounds. @throws ScheduleError for the first that breaks a promise
 */
export async function explore(
  scenario: Scenario,
  open: OpenEngine,
  bounds: Bounds,
): Promise<Explored> {
  const start = await prepared(scenario, open);
  const total = { schedules: 0, states: 0, steps: 0 };
  for (let preemptions = 0; preemptions <= bounds.preemptions; preemptions++) {
    const stack: Decision[] = [];
    const met = new Map<string, (readonly [number, number])[]>();
    for (;;) {
      const run = new Run(scenario, open, start.clone(), preemptions);
      await run.go((options, depth) => {
        const decision = stack[depth];
        if (decision !== undefined) return decision.taken;
        if (known(met, run.state(), run.preemptions, run.faults)) return -1;
        stack.push({ options, taken: 0 });
        return 0;
      });
      total.schedules++;
      total.steps += run.steps.count;
      if (total.schedules > (bounds.schedulesMax ?? Infinity)) {
        throw new Error(`${scenario.name}: more than ${bounds.schedulesMax} schedules`);
      }
      if (!advance(stack)) break;
    }
    total.states += met.size;
  }
  return total;
}

/** One schedule again. @returns the calls made, for people */
export async function replay(
  scenario: Scenario,
  open: OpenEngine,
  schedule: string,
): Promise<readonly string[]> {
  const server = await prepared(scenario, open);
  const run = new Run(scenario, open, server, Infinity);
  await run.follow(schedule);
  return run.trace;
}

async function prepared(scenario: Scenario, open: OpenEngine): Promise<ModelServer> {
  const server = new ModelServer();
  await scenario.prepare(new Host('p', server, open, 'none'));
  return server;
}

/** The deepest decision that has another answer gets it. */
function advance(stack: Decision[]): boolean {
  for (let last = stack.at(-1); last !== undefined; last = stack.at(-1)) {
    if (++last.taken < last.options) return true;
    stack.pop();
  }
  return false;
}

/** Whether the state was met with as much left; else it is noted. */
function known(
  met: Map<string, (readonly [number, number])[]>,
  state: string,
  preemptions: number,
  faults: number,
): boolean {
  const had = met.get(state);
  if (had === undefined) met.set(state, [[preemptions, faults]]);
  else if (had.some(([p, f]) => p >= preemptions && f >= faults)) return true;
  else had.push([preemptions, faults]);
  return false;
}

type Choose = (options: number, depth: number) => number;

class Run {
  readonly steps = { count: 0 };
  readonly trace: string[] = [];
  preemptions: number;
  faults: number;
  readonly #scenario: Scenario;
  readonly #open: OpenEngine;
  readonly #server: ModelServer;
  readonly #hosts: readonly Host[];
  /** Calls that were said to have failed and happen later. */
  readonly #late: { readonly what: string; readonly perform: () => void }[] = [];
  #struck = 0;
  #last = -1;
  #schedule: string[] = [];

  constructor(scenario: Scenario, open: OpenEngine, server: ModelServer, preemptions: number) {
    this.#scenario = scenario;
    this.#open = open;
    this.#server = server;
    this.preemptions = preemptions;
    this.faults = scenario.faults === undefined ? 0 : (scenario.faultsMax ?? 1);
    this.#hosts = scenario.scripts.map((_, index) => this.#host(index));
  }

  state(): string {
    const hosts = this.#hosts.map(
      ({ history, state, pending }) =>
        `${history} ${state} ${pending.map(({ under }) => under).join()}`,
    );
    const late = this.#late.map(({ what }) => what).toSorted();
    return [this.#server.digest, this.#last, ...hosts, ...late].join('|');
  }

  /** Runs until all have ended, or `choose` says that the rest is known. */
  async go(choose: Choose): Promise<void> {
    try {
      await this.#begin();
      for (let depth = 0; ;) {
        const options = this.#options();
        if (options.length === 0) break;
        const taken = options.length === 1 ? 0 : choose(options.length, depth++);
        const option = options[taken];
        if (option === undefined) return;
        await this.#take(option);
      }
      await this.#end();
    } catch (error) {
      throw this.#failed(error);
    }
  }

  async follow(schedule: string): Promise<void> {
    try {
      await this.#begin();
      for (const part of schedule.split(' ').filter((text) => text !== '')) {
        const [, name = '', count, how = ''] = /^([a-c]|late)(\d*)(?:\/(\S+))?$/.exec(part) ?? [];
        const host = name === 'late' ? -1 : 'abc'.indexOf(name);
        for (let left = count === '' ? 1 : Number(count); left > 0; left--) {
          await this.#take({ host, how, preempts: false });
        }
      }
      for (let options = this.#options(); options[0] !== undefined; options = this.#options()) {
        await this.#take(options[0]);
      }
      await this.#end();
    } catch (error) {
      throw this.#failed(error);
    }
  }

  #failed(error: unknown): Error {
    const trace = this.trace.slice(-TRACE_MAX);
    return new ScheduleError(this.#scenario.name, shortened(this.#schedule), trace, error);
  }

  #host(index: number): Host {
    const { caches = 'positive', skewsMs = [] } = this.#scenario;
    const name = 'abc'[index] ?? '';
    const host = new Host(name, this.#server, this.#open, caches, skewsMs[index]);
    host.steps = this.steps;
    return host;
  }

  async #begin(): Promise<void> {
    for (const [index, host] of this.#hosts.entries()) {
      host.free = false;
      const script = this.#scenario.scripts[index];
      void script?.(host).then(
        () => (host.state = 'ended'),
        (error: unknown) => {
          host.state = 'ended';
          host.trouble = error;
        },
      );
      await settled(host);
    }
  }

  /** What may come next; the first is that the host goes on that is at work. */
  #options(): Option[] {
    const last = this.#hosts[this.#last];
    const goesOn = last !== undefined && last.pending.length > 0;
    const options: Option[] = [];
    if (goesOn) {
      options.push({ host: this.#last, how: '', preempts: false });
      options.push(...this.#faultsOf(this.#last));
      if (!seenByOthers(last)) return options;
    }
    const stays = this.#scenario.aside?.includes(this.#last) === false;
    if (goesOn && (this.preemptions < 1 || (stays && last.pending[0]?.under === undefined))) {
      return options;
    }
    for (const [index, host] of this.#hosts.entries()) {
      if (index === this.#last || host.pending.length === 0) continue;
      options.push({ host: index, how: '', preempts: goesOn });
      options.push(...this.#faultsOf(index).map((fault) => ({ ...fault, preempts: goesOn })));
    }
    if (this.#late.length > 0) options.push({ host: -1, how: '', preempts: goesOn });
    return options;
  }

  #faultsOf(index: number): Option[] {
    const { faults = [], faultsOn, struck } = this.#scenario;
    const [pending] = this.#hosts[index]?.pending ?? [];
    if (pending === undefined || this.faults < 1 || pending.under) return [];
    if (struck !== undefined && !struck.includes(index)) return [];
    if (faultsOn?.test(String(pending.args[0])) === false) return [];
    const own = OWN.has(pending.call);
    return faults
      .flatMap((kind) => (kind === 'crash' && own ? [] : FAILS[kind](pending.call)))
      .map((how) => ({ host: index, how, preempts: false }));
  }

  async #take({ host: index, how, preempts }: Option): Promise<void> {
    if (this.steps.count > STEPS_MAX) throw new Error('it does not come to an end');
    if (preempts) this.preemptions--;
    const host = this.#hosts[index];
    if (host === undefined) {
      this.#schedule.push('late');
      const late = this.#late.shift();
      this.trace.push(`late ${late?.what}`);
      return late?.perform();
    }
    this.#last = index;
    this.#schedule.push(how === '' ? host.name : `${host.name}/${how}`);
    this.#note(host, how);
    if (how !== '') {
      this.faults--;
      this.#struck++;
    }
    this.#perform(host, how);
    await settled(host);
  }

  #perform(host: Host, how: string): void {
    const [pending] = host.pending;
    if (how === 'crash') return host.crash();
    if (how === 'again') return host.loseReply();
    if (how === 'done' || how === 'late') {
      const what = `${pending?.call} ${pending?.args.join(' ')}`;
      const { perform } = host.timeOut();
      if (how === 'done') perform();
      else this.#late.push({ what, perform });
      return;
    }
    if (how === 'neither' || how === 'both') return host.beginList(how);
    host.answer(how === '' ? undefined : (how as Fault));
  }

  #note(host: Host, how: string): void {
    const [pending] = host.pending;
    const args = (pending?.args ?? []).map((arg) =>
      arg instanceof Uint8Array ? `<${arg.byteLength}>` : String(arg),
    );
    this.trace.push(`${host.name} ${how} ${pending?.call} ${args.join(' ')}`);
  }

  async #end(): Promise<void> {
    for (const { perform } of this.#late.splice(0)) perform();
    const scenario = this.#scenario;
    for (const host of this.#hosts) {
      if (host.trouble !== undefined) throw asError(host.trouble);
      host.free = true;
    }
    const reader = new Host('r', this.#server, this.#open, 'none');
    reader.steps = this.steps;
    await scenario.settle?.(reader);
    const end = { hosts: this.#hosts, reader, disturbed: this.#struck > 0 };
    await checkAll(scenario, end);
  }
}

/**
 * Until the host has a next call or none at all: a few promises, as a rule, and no turn of the
 * loop.
 */
async function settled(host: Host): Promise<void> {
  for (let turns = 0; host.state === 'works' && host.pending.length === 0; turns++) {
    if (turns > TURNS_MAX) throw new Error(`${host.name} waits for something that is no call`);
    if (turns < PROMISES_MAX) await Promise.resolve();
    else await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Whether others could tell the call from none. */
function seenByOthers({ pending: [pending] }: Host): boolean {
  if (pending === undefined) return true;
  if (OWN.has(pending.call)) return false;
  return pending.call !== 'create' || !String(pending.args[0]).includes('/tmp/');
}

/** `a a a b/crash` as `a3 b/crash`. */
function shortened(steps: readonly string[]): string {
  const parts: string[] = [];
  for (let at = 0; at < steps.length;) {
    let end = at + 1;
    const step = steps[at] as string;
    while (!step.includes('/') && steps[end] === step) end++;
    parts.push(end - at === 1 ? step : `${step}${end - at}`);
    at = end;
  }
  return parts.join(' ');
}
