/**
 * What the address says, behind `#`: the server sees none of it. Each view can be a bookmark, and
 * Back works. Other pages of the client get a row in `PAGES` (view/pages.ts) and no change here.
 */
export type Route =
  | {
      readonly kind: 'folder';
      readonly folder: string | undefined;
      readonly open: string | undefined;
    }
  | { readonly kind: 'search'; readonly text: string; readonly open: string | undefined }
  | { readonly kind: 'page'; readonly name: string; readonly rest: readonly string[] };

export function parseRoute(hash: string): Route {
  const [kind = '', first, second, ...more] = hash
    .replace(/^#?\/?/, '')
    .split('/')
    .map(decode);
  if (kind === 'search' && first !== undefined) {
    return { kind: 'search', text: first, open: second || undefined };
  }
  if (kind === '' || kind === 'folder') {
    return { kind: 'folder', folder: first || undefined, open: second || undefined };
  }
  const rest = [first, second, ...more].filter((part) => part !== undefined);
  return { kind: 'page', name: kind, rest };
}

export function formatRoute(route: Route): string {
  // What is open keeps its place in the address where no folder is named: the inbox.
  const folder = (one: { folder: string | undefined; open: string | undefined }) =>
    one.folder ?? (one.open === undefined ? undefined : '');
  const parts =
    route.kind === 'page'
      ? [route.name, ...route.rest]
      : [route.kind, route.kind === 'search' ? route.text : folder(route), route.open];
  return `#/${parts
    .filter((part) => part !== undefined)
    .map(encodeURIComponent)
    .join('/')}`;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // Typed by hand.
  }
}
