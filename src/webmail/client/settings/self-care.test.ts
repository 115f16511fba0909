import { expect, it } from 'vitest';

import { testPage } from '../testing/page.ts';
import { ask, dayOf, momentOf } from './self-care.ts';

it('[P-06] a refusal is told in the server’s words', async () => {
  const page = testPage();
  await page.app.start();
  await page.clock.pass(200);
  page.server.fault = () => Response.json({ title: 'This is not your password' }, { status: 403 });
  const asked = await ask(page.app, 'PUT', '/self/password', { current: 'x', password: 'y' });
  expect(asked).toEqual({ kind: 'refused', why: 'This is not your password' });
  page.server.fault = () => Response.json({ changed: 'password' });
  expect(await ask(page.app, 'PUT', '/self/password', {})).toEqual({
    kind: 'done',
    value: { changed: 'password' },
  });
});

it('what makes something new is not asked for twice', async () => {
  const page = testPage();
  await page.app.start();
  await page.clock.pass(200);
  let times = 0;
  page.server.fault = () => {
    times += 1;
    throw new TypeError('network error');
  };
  const asked = await ask(page.app, 'POST', '/self/app-passwords', {});
  expect(asked.kind).toBe('refused');
  expect(times).toBe(1);
});

it('days of an absence are whole, the last one too', () => {
  expect(dayOf(momentOf('2026-11-22'))).toBe('2026-11-22');
  const end = momentOf('2026-11-30', 1) ?? 0;
  expect(dayOf(end)).toBe('2026-12-01');
  expect(dayOf(end - 1)).toBe('2026-11-30');
  expect([dayOf(undefined), momentOf('')]).toEqual(['', undefined]);
});
