import { readFile } from 'node:fs/promises';
import { systemRandom } from '../../base/random.ts';
import { SECRET_KINDS } from '../../directory/types.ts';
import { withAdmin, withChange } from '../administration.ts';
import {
  done,
  flagOn,
  flagText,
  quoted,
  UsageError,
  word,
  type Call,
  type Group,
} from '../command.ts';
import { humanTime } from '../human.ts';

/** The value from where no list of processes and no history of a shell shows it. */
async function valueOf(call: Call): Promise<string> {
  const file = flagText(call, 'file');
  if (flagOn(call, 'password-stdin')) {
    if (file !== undefined) throw new UsageError('--file and --password-stdin exclude each other');
    return await call.readInput();
  }
  if (file !== undefined) return (await contentOf(file)).replace(/\r?\n$/, '');
  const typed = await call.askSecret?.('Secret: ');
  if (typed !== undefined) return typed;
  throw new UsageError('The secret is read from --file, --password-stdin or a terminal');
}

async function contentOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new UsageError(`--file: ${quoted(file)} cannot be read (${why})`);
  }
}

export const SECRET_COMMANDS: Group = {
  'secret add': {
    usage: 'KIND NAME [--password-stdin|--file FILE] [--replace]',
    summary: 'Stores a key or password that only nodes which send may read',
    examples: [
      'mailfarm secret add smarthost relay.example.net --password-stdin < password',
      'mailfarm secret add dkim s1._domainkey.example.org --file s1.pem',
      'mailfarm secret add srs forward --file srs.key --replace',
    ],
    options: {
      'password-stdin': { type: 'boolean', doc: 'It is read from standard input' },
      file: { type: 'string', value: 'FILE', doc: 'It is read from a file' },
      replace: { type: 'boolean', doc: 'Where there is one of this name, it is replaced' },
    },
    args: [2, 2],
    words: SECRET_KINDS,
    run: async (call) => {
      const [kind, name] = [word(call, 0), word(call, 1).toLowerCase()];
      const value = await valueOf(call);
      const replace = flagOn(call, 'replace');
      await withChange(call, (admin) => admin.secrets.add(kind, name, value, { replace }));
      done(call, { kind, name }, `the secret ${kind} ${name} is stored`);
    },
  },
  'secret rotate': {
    usage: 'web',
    summary:
      'Makes a new key for the sessions of the webmail; what the last one sealed still counts',
    examples: ['mailfarm secret rotate web'],
    args: [1, 1],
    words: ['web'],
    run: async (call) => {
      if (word(call, 0) !== 'web') {
        throw new UsageError('Only the key of web sessions is made by itself: secret rotate web');
      }
      await withChange(call, (admin) => admin.secrets.rotateWeb(systemRandom));
      done(call, { rotated: 'web' }, 'sessions are sealed with a new key');
    },
  },
  'secret list': {
    usage: '',
    summary: 'Lists secrets: what there is, never what it is',
    examples: ['mailfarm secret list --json'],
    args: [0, 0],
    run: async (call) => {
      const secrets = await withAdmin(call, (admin) => admin.secrets.list());
      if (call.json) return call.out.json(secrets);
      call.out.table(
        ['kind', 'name', 'changed'],
        secrets.map(({ kind, name, changed }) => [kind, name, changed ? humanTime(changed) : '']),
      );
    },
  },
  'secret remove': {
    usage: 'KIND NAME',
    summary: 'Removes a secret; nodes forget it within directory.cache.fresh',
    examples: ['mailfarm secret remove smarthost relay.example.net'],
    args: [2, 2],
    words: SECRET_KINDS,
    run: async (call) => {
      const [kind, name] = [word(call, 0), word(call, 1).toLowerCase()];
      await withChange(call, (admin) => admin.secrets.remove(kind, name));
      done(call, { removed: { kind, name } }, `the secret ${kind} ${name} is removed`);
    },
  },
};
