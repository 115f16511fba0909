import { expect, test } from 'vitest';

import { formatRoute, parseRoute, type Route } from './routes.ts';

test.each<Route>([
  { kind: 'folder', folder: undefined, open: undefined },
  { kind: 'folder', folder: undefined, open: 'T1' },
  { kind: 'folder', folder: 'F1', open: undefined },
  { kind: 'folder', folder: 'F1', open: 'T1' },
  { kind: 'search', text: 'a/b in:x', open: undefined },
  { kind: 'search', text: 'a', open: 'T1' },
  { kind: 'page', name: 'settings', rest: ['look'] },
])('an address that is loaded again leads where it led: %j', (route) => {
  expect(parseRoute(formatRoute(route))).toEqual(route);
});
