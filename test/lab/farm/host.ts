/** One host: a Linux kernel as processes of this machine, its disks as files. */
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, start, type Running } from '../../harness/process.ts';
import type { Kernel } from '../kernel.ts';
import type { Image } from './image.ts';
import type { Interface, Network } from './network.ts';

const UP_MS = 300_000;
/** A pulled cord and a host that is on again: its ssh answers. */
const CHARACTERS_OF_CONSOLE = 3000;

export interface HostPlan {
  readonly name: string;
  readonly megabytes: number;
  readonly interfaces: readonly Interface[];
  /** Sizes of its empty disks, MB, beside the one with the system. */
  readonly disks: readonly number[];
}

export interface HostParts {
  readonly folder: string;
  readonly kernel: Kernel;
  readonly image: Image;
  readonly network: Network;
  /** Of the laboratory, without the prefix: the hosts' gateways and name servers. */
  readonly gateways: readonly string[];
}

export class Host {
  readonly plan: HostPlan;
  readonly #parts: HostParts;
  #running: Running | undefined;
  #said = '';
  #cables: readonly string[] = [];

  constructor(plan: HostPlan, parts: HostParts) {
    this.plan = plan;
    this.#parts = parts;
  }

  get name(): string {
    return this.plan.name;
  }

  /** All that its kernel printed, boot after boot. */
  console(): string {
    return this.#said + (this.#running?.output() ?? '');
  }

  isOn(): boolean {
    return this.#running?.running() ?? false;
  }

  /** Its disks and cables: once, before it is first switched on. */
  async make(): Promise<void> {
    const { network } = this.#parts;
    this.plan.disks.forEach((megabytes, n) => {
      writeFileSync(this.#disk(n + 1), '');
      truncateSync(this.#disk(n + 1), megabytes * 1024 * 1024);
    });
    const cables: string[] = [];
    for (const { network: name } of this.plan.interfaces) {
      cables.push(await network.lay(this.name, name));
    }
    this.#cables = cables;
  }

  /** Resolves when ssh answers. @throws Error with the end of its console if it never does */
  async on(): Promise<void> {
    if (this.isOn()) throw new Error(`${this.name} is on`);
    const { folder, kernel, network } = this.#parts;
    this.#said = this.console();
    rmSync(join(folder, 'uml', this.name), { recursive: true, force: true });
    const argv = [...network.enter, join(kernel.folder, 'linux'), ...this.#words()];
    const running = start(argv, { withParent: 'KILL', cwd: folder });
    this.#running = running;
    const until = performance.now() + UP_MS;
    while (!(await this.#answers())) {
      if (!running.running() || performance.now() > until) {
        this.off();
        const said = this.console().slice(-CHARACTERS_OF_CONSOLE);
        throw new Error(`${this.name} does not start:\n${said}`);
      }
      await sleep(300);
    }
  }

  /** As if its cord were pulled. */
  off(): void {
    this.#running?.kill('SIGKILL');
  }

  /** Resolves when nothing of it runs any more. */
  async gone(): Promise<void> {
    await this.#running?.exited;
  }

  async #answers(): Promise<boolean> {
    const { network, folder } = this.#parts;
    const ssh = [
      'ssh',
      '-F',
      join(folder, 'ssh_config'),
      '-o',
      'ControlPath=none',
      this.name,
      'true',
    ];
    const { code } = await run([...network.enter, ...ssh], { ms: UP_MS });
    return code === 0;
  }

  #disk(n: number): string {
    return join(this.#parts.folder, 'disks', `${this.name}-${n}`);
  }

  #words(): readonly string[] {
    const { folder, image, gateways } = this.#parts;
    const { interfaces, megabytes, disks } = this.plan;
    const words = [
      `mem=${megabytes}M`,
      'quiet',
      'seccomp=on', // System calls take two thirds of the time that they take under ptrace.
      `uml_dir=${join(folder, 'uml')}`,
      `umid=${this.name}`,
      `ubd0=${this.#disk(0)}.cow,${image.disk}`,
      ...disks.map((_, n) => `ubd${n + 1}=${this.#disk(n + 1)}`),
      'root=/dev/ubda',
      'rw',
      ...interfaces.map(
        ({ addresses }, n) =>
          `vec${n}:transport=tap,ifname=${this.#cables[n] ?? ''},depth=128,gro=1,` +
          `mac=${macOf(addresses[0] ?? '', n)}`,
      ),
      ...interfaces.map(({ addresses }, n) => `lab.net=vec${n},${addresses.join(',')}`),
      `lab.gateway=${gateways.join(',')}`,
      `systemd.hostname=${this.name}`,
      'con=null',
      'con0=null,fd:1',
      'ssl=null',
    ];
    const odd = words.find((word) => /[\s"']/.test(word));
    if (odd !== undefined) throw new Error(`a kernel's command line cannot carry ${odd}`);
    return words;
  }
}

/** The last octet of the IPv4 address is a host's own within a network. */
const macOf = (address: string, n: number): string => {
  const octet = Number(/\.(\d+)(?:\/|$)/.exec(address)?.[1] ?? 0);
  return `02:00:00:00:0${n}:${octet.toString(16).padStart(2, '0')}`;
};
