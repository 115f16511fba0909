/**
 * All hosts of an inventory, booted, and what may be done to them from outside: power, cables.
 * Everything dies with this process; a janitor takes the folder away when nobody wants it.
 */
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Kernel } from '../kernel.ts';
import { Host, type HostPlan } from './host.ts';
import type { Image } from './image.ts';
import type { Inventory } from './inventory.ts';
import { Network, type NetworkName } from './network.ts';

/** More at once do not come up sooner on two processors. */
const BOOTED_AT_ONCE = 4;

/** What hosts are made of. */
export interface Parts {
  readonly kernel: Kernel;
  readonly image: Image;
  readonly inventory: Inventory;
}

export class Laboratory {
  /** With bin/enter, bin/ssh, bin/play; ssh_config, consoles, disks. */
  readonly folder: string;
  readonly #network: Network;
  readonly #hosts = new Map<string, Host>();
  #parts: Parts | undefined;
  #closed = false;

  private constructor(folder: string, network: Network) {
    this.folder = folder;
    this.#network = network;
  }

  /** The networks without a host in them. */
  static async open(): Promise<Laboratory> {
    const folder = mkdtempSync(join(tmpdir(), 'mailfarm-farm-'));
    for (const name of ['uml', 'disks', 'bin', 'cm', 'console', 'host', 'log']) {
      mkdirSync(join(folder, name));
    }
    const laboratory = new Laboratory(folder, await Network.open());
    laboratory.#writeCommands();
    return laboratory;
  }

  /** Words that run a command in the farm's network. */
  get enter(): readonly string[] {
    return this.#network.enter;
  }

  get hosts(): readonly Host[] {
    return [...this.#hosts.values()];
  }

  /** Switches on all hosts of the inventory. @throws Error with the console of one that fails */
  async bootAll(parts: Parts): Promise<void> {
    this.#parts = parts;
    await this.#network.stand(parts.inventory.ours);
    for (const plan of parts.inventory.hosts) await this.add(plan);
    const waiting = [...this.hosts];
    const boot = async (): Promise<void> => {
      for (let host = waiting.shift(); host !== undefined; host = waiting.shift()) await host.on();
    };
    await Promise.all(Array.from({ length: BOOTED_AT_ONCE }, boot));
  }

  /** A new host, with its cables laid, not switched on. */
  async add(plan: HostPlan): Promise<Host> {
    if (this.#parts === undefined || this.#closed) throw new Error('the laboratory is not open');
    if (this.#hosts.has(plan.name)) throw new Error(`${plan.name} is here already`);
    const { folder } = this;
    const { kernel, image, inventory } = this.#parts;
    const gateways = inventory.ours.map((address) => address.replace(/\/.*/, ''));
    const host = new Host(plan, { folder, kernel, image, network: this.#network, gateways });
    this.#hosts.set(plan.name, host);
    writeFileSync(join(folder, 'host', plan.name), '');
    this.#writeSsh(image);
    await host.make();
    return host;
  }

  /** @throws Error where there is no such host */
  host(name: string): Host {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`no host ${name}; there are ${this.hostNames()}`);
    return host;
  }

  hostNames(): string {
    return [...this.#hosts.keys()].join(' ');
  }

  /** The cord of a host is pulled: SIGKILL of its kernel. */
  async powerOff(name: string): Promise<void> {
    const host = this.host(name);
    host.off();
    await host.gone();
  }

  async powerOn(name: string): Promise<void> {
    await this.host(name).on();
  }

  async cut(name: string, network: NetworkName): Promise<void> {
    await this.#network.cut(this.host(name).name, network);
  }

  async mend(name: string, network: NetworkName): Promise<void> {
    await this.#network.mend(this.host(name).name, network);
  }

  /** Nothing of it runs any more afterwards; consoles stay in the folder. Twice is fine. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const host of this.hosts) host.off();
    await Promise.all(this.hosts.map((host) => host.gone()));
    for (const host of this.hosts) {
      writeFileSync(join(this.folder, 'console', host.name), host.console());
    }
    await this.#network.close();
    rmSync(join(this.folder, 'disks'), { recursive: true, force: true });
    rmSync(join(this.folder, 'uml'), { recursive: true, force: true });
  }

  #writeSsh(image: Image): void {
    const { folder } = this;
    copyFileSync(image.key, join(folder, 'key'));
    chmodSync(join(folder, 'key'), 0o600);
    writeFileSync(join(folder, 'known_hosts'), `* ${image.hostKey}\n`);
    const common = [
      'User root',
      `IdentityFile ${folder}/key`,
      'IdentitiesOnly yes',
      'IdentityAgent none',
      `UserKnownHostsFile ${folder}/known_hosts`,
      'GlobalKnownHostsFile /dev/null',
      'StrictHostKeyChecking yes',
      'ConnectTimeout 15',
      'ServerAliveInterval 15',
      'LogLevel ERROR',
    ];
    const named = this.hosts.flatMap(({ name, plan }) => {
      const address = plan.interfaces[0]?.addresses[0] ?? '';
      return [`Host ${name}`, `  HostName ${address.replace(/\/.*/, '')}`, ''];
    });
    const all = ['Host *', ...common.map((line) => `  ${line}`), ''];
    writeFileSync(join(folder, 'ssh_config'), [...named, ...all].join('\n'));
  }

  /** A command of people in the folder's bin. */
  command(name: string, ...lines: readonly string[]): void {
    const text = ['#!/bin/sh', ...lines, ''].join('\n');
    writeFileSync(join(this.folder, 'bin', name), text, { mode: 0o755 });
  }

  /** Commands in the farm's network. */
  #writeCommands(): void {
    const enter = `exec ${this.enter.join(' ')}`;
    this.command('enter', `${enter} "$@"`);
    this.command('ssh', `${enter} ssh -F ${this.folder}/ssh_config "$@"`);
    const settings = [
      `export ANSIBLE_SSH_COMMON_ARGS='-F ${this.folder}/ssh_config'`,
      `export ANSIBLE_SSH_CONTROL_PATH_DIR=${this.folder}/cm`,
      `export ANSIBLE_LOCAL_TEMP=${this.folder}/tmp`,
    ];
    this.command(
      'play',
      `cd ${this.folder}/ansible || exit 1`,
      ...settings,
      `${enter} ansible-playbook -i ${this.folder}/inventory ` +
        `-e farm_release="$(cat ${this.folder}/release-first)" "$@"`,
    );
  }
}
