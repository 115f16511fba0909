import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Farm } from './farm.ts';

const HASH = /^[0-9a-f]{2}$/;
const below = (directory: string): string[] =>
  existsSync(directory)
    ? readdirSync(directory)
        .filter((name) => HASH.test(name))
        .map((name) => join(directory, name))
    : [];

/** Where the farm keeps a user's mail, on either of its volumes. @throws Error when nowhere */
export async function maildirOf(farm: Farm, login: string): Promise<string> {
  const shown = await farm.command(['user', 'show', login, '--json']);
  if (shown.code !== 0) throw new Error(shown.stderr);
  const { id } = JSON.parse(shown.stdout.toString()) as { readonly id: string };
  const roots = ['mail1', 'mail2'].map((volume) => join(farm.dir, volume));
  const places = roots.flatMap(below).flatMap(below);
  const found = places.map((place) => join(place, id)).find((place) => existsSync(place));
  if (found === undefined) throw new Error(`no Maildir of ${login} in ${farm.dir}`);
  return found;
}
