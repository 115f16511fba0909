/** Kinds of pictures that run nothing, by their first octets, whatever a server calls them. */
const KINDS: readonly (readonly [type: string, begins: RegExp])[] = [
  ['image/png', /^\x89PNG\r\n\x1a\n/],
  ['image/jpeg', /^\xff\xd8\xff/],
  ['image/gif', /^GIF8[79]a/],
  ['image/webp', /^RIFF[^]{4}WEBP/],
  ['image/avif', /^[^]{4}ftypavi[fs]/],
];

/** Undefined: none of them; SVG is a program and none of them either. */
export function kindOf(octets: Uint8Array): string | undefined {
  const start = Buffer.from(octets.subarray(0, 16)).toString('latin1');
  return KINDS.find(([, begins]) => begins.test(start))?.[0];
}
