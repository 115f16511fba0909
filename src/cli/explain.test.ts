import { expect, test } from 'vitest';
import { parseSettings } from '../config/settings.ts';
import { StoreFailure } from '../directory/embedded/store.ts';
import { TABLES } from '../roles/tables.ts';
import { explain } from './explain.ts';
import { createOutput } from './output.ts';

test('directory data that is served already or damaged is said without a stack trace', () => {
  const said = explain(new StoreFailure('/data is served already (MF-DIR-012)'));
  expect(said).toEqual({ text: '/data is served already (MF-DIR-012)', code: 74 });
});

test('no control character of an argument or an entry reaches the terminal by an error', () => {
  let err = '';
  const out = createOutput({
    out: { write: () => true },
    err: { write: (text) => (err += text.toString()) },
  });
  out.note('mailfarm: no command "\u001b[31m\u0007\u009b2J"\nusage: mailfarm');
  expect(err).toBe('mailfarm: no command "\ufffd[31m\ufffd\ufffd2J"\nusage: mailfarm\n');
});

test('the setting postmaster, which MF-DIR-005 names, is an option', () => {
  const { problems } = parseSettings(TABLES, [['postmaster', 'admin@example.test']]);
  expect(problems).toEqual([]);
});
