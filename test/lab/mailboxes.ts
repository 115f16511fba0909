/** Maildirs of the laboratory, as clients see them. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeFs, openMaildirs, systemClock, systemRandom, type Maildirs } from '#maildir';
import { type Client, mountOf, type VolumeName } from './inside.ts';

/** The engine as a process of a client has it. */
export const engineOf = (client: Client): Maildirs =>
  openMaildirs({
    fs: nodeFs,
    clock: systemClock,
    random: systemRandom,
    node: client,
    pid: process.pid,
    directorySync: 'never',
  });

/** One directory on a volume: where the server and each client see it. */
export class SharedMaildir {
  readonly volume: VolumeName;
  readonly name: string;

  constructor(volume: VolumeName = 'mail1') {
    this.volume = volume;
    this.name = `t${randomBytes(6).toString('hex')}`;
  }

  on(client: Client): string {
    return join(mountOf(client, this.volume), this.name);
  }

  /** On the server's own disk: no client knows of what is done here. */
  get atServer(): string {
    return join('/mnt/srv', this.volume, this.name);
  }

  async create(client: Client): Promise<void> {
    await engineOf(client).create(this.on(client), { root: mountOf(client, this.volume) });
  }

  /** Letters that arrived some other way, with sizes in their names as ours have. */
  fill(count: number, text = 'x\n'): void {
    for (const name of ['tmp', 'new', 'cur']) {
      mkdirSync(join(this.atServer, name), { recursive: true });
    }
    for (let i = 0; i < count; i++) {
      const base = `17000${String(i).padStart(5, '0')}.M${i}P1Q${i}.lab`;
      const sizes = `,S=${text.length},W=${text.replaceAll('\n', '\r\n').length}`;
      writeFileSync(join(this.atServer, 'cur', `${base}${sizes}:2,S`), text);
    }
  }
}

/** Delivers one letter. @returns its key. @throws what the engine says; then it is not there */
export async function deliver(engine: Maildirs, maildir: string, text: string): Promise<string> {
  const bytes = Buffer.from(text, 'latin1');
  const base = engine.uniqueName();
  await engine.stage({ maildir, base, offset: 0, bytes, last: true });
  const wireOctets = text.replaceAll('\n', '\r\n').length;
  const octets = bytes.length;
  const [result] = await engine.publish({ maildir, base, octets, wireOctets, targets: [maildir] });
  if (result?.error) throw result.error;
  return base;
}
