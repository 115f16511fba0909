/** The machines as the program outside holds them: one kernel's processes each, and their disks. */
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runOrThrow, start, type Running } from '../../harness/process.ts';
import { type Kernel, kernelCommand } from '../kernel.ts';
import { makeBox, readOrNothing, refuseAll, upFile } from './box.ts';
import { EXPORTS, FRONTENDS, type Host, HOSTS, macOf, VOLUMES } from './hosts.ts';

const HERE = import.meta.dirname;
const AGENT = 'test/lab/machines/agent.ts';
const UP_MS = 120_000;
const TREE = join(HERE, '../../..');

const diskPath = (folder: string, host: Host, disk: string): string =>
  join(folder, 'disks', `${host}-${disk}`);

/** Makes the host's disks, empty, with a file system on each. */
export async function makeDisks(folder: string, host: Host): Promise<void> {
  mkdirSync(join(folder, 'disks'), { recursive: true });
  for (const { name, megabytes, inodes } of HOSTS[host].disks) {
    const path = diskPath(folder, host, name);
    writeFileSync(path, '');
    truncateSync(path, megabytes * 1024 * 1024);
    const sizes = ['-N', String(inodes), '-m', '0', '-E', 'lazy_itable_init=1'];
    await runOrThrow(['mkfs.ext4', '-q', '-F', ...sizes, path]);
  }
}

export class Machine {
  readonly host: Host;
  readonly #folder: string;
  readonly #kernel: Kernel;
  #boots = 0;
  #running: Running | undefined;
  /** Of earlier boots. */
  #said = '';

  constructor(folder: string, kernel: Kernel, host: Host) {
    this.host = host;
    this.#folder = folder;
    this.#kernel = kernel;
    makeBox(folder, host);
    mkdirSync(join(folder, 'uml'), { recursive: true });
  }

  /** All that its kernel printed, boot after boot. */
  console(): string {
    return this.#said + (this.#running?.output() ?? '');
  }

  /** Resolves when its agent answers. @throws Error with the end of its console if it never does */
  async on(): Promise<void> {
    if (this.isOn()) throw new Error(`${this.host} is on`);
    this.#said = this.console();
    const socket = join(this.#folder, `net-${this.host}`);
    rmSync(socket, { force: true });
    rmSync(join(this.#folder, 'uml', this.host), { recursive: true, force: true });
    const boot = String(++this.#boots);
    const running = start(kernelCommand(this.#kernel, this.#words(socket, boot)), {
      cwd: TREE,
      withParent: 'KILL',
    });
    this.#running = running;
    void running.exited.then(() => {
      if (this.#running === running) this.#dead('ended by itself');
    });
    const until = performance.now() + UP_MS;
    while (readOrNothing(upFile(this.#folder, this.host)) !== boot) {
      if (!running.running() || performance.now() > until) {
        this.off();
        throw new Error(`${this.host} does not start:\n${this.console().slice(-3000)}`);
      }
      await sleep(50);
    }
  }

  /** As if its cord were pulled. */
  off(): void {
    this.#running?.kill('SIGKILL');
    this.#dead('lost its power');
  }

  isOn(): boolean {
    return this.#running?.running() ?? false;
  }

  /** Resolves when nothing of it runs any more. */
  async gone(): Promise<void> {
    await this.#running?.exited;
  }

  #dead(why: string): void {
    rmSync(upFile(this.#folder, this.host), { force: true });
    refuseAll(this.#folder, this.host, why);
  }

  #words(socket: string, boot: string): readonly string[] {
    const { host } = this;
    const { address, memory, disks } = HOSTS[host];
    const mounts = EXPORTS.map((name) => `${name}=${HOSTS[VOLUMES[name]].address}`);
    const isFrontend = FRONTENDS.some((name) => name === host);
    const words = [
      `mem=${memory}`,
      'quiet',
      `uml_dir=${join(this.#folder, 'uml')}`,
      `umid=${host}`,
      `vec0:transport=bess,dst=${join(this.#folder, `sw-${host}`)},src=${socket},` +
        `depth=128,gro=1,mac=${macOf(host)}`,
      ...disks.map(({ name }, n) => `ubd${n}=${diskPath(this.#folder, host, name)}`),
      `init=${join(HERE, 'init.sh')}`,
      `lab_agent=${AGENT}`,
      `lab_host=${host}`,
      `lab_boot=${boot}`,
      `lab_address=${address}`,
      `lab_run=${this.#folder}`,
      `lab_kernel=${this.#kernel.folder}`,
      `lab_disks=${disks.map(({ name }) => name).join(',')}`,
      `lab_mounts=${isFrontend ? mounts.join(',') : ''}`,
    ];
    const odd = words.find((word) => /[\s"']/.test(word));
    if (odd !== undefined) throw new Error(`a kernel's command line cannot carry ${odd}`);
    return words;
  }
}
