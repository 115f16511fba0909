/** Pictures as `blob:` addresses: of kinds that run nothing, told by their first octets. */

const KINDS: readonly { readonly type: string; readonly begins: RegExp }[] = [
  { type: 'image/png', begins: /^\x89PNG\r\n\x1a\n/ },
  { type: 'image/jpeg', begins: /^\xff\xd8\xff/ },
  { type: 'image/gif', begins: /^GIF8[79]a/ },
  { type: 'image/webp', begins: /^RIFF[^]{4}WEBP/ },
  { type: 'image/avif', begins: /^[^]{4}ftypavi[fs]/ },
];

/** Undefined: no picture that is shown, whatever it is called. */
export function pictureType(octets: Uint8Array): string | undefined {
  const start = String.fromCharCode(...octets.subarray(0, 16));
  return KINDS.find(({ begins }) => begins.test(start))?.type;
}

/** Fetches a picture from our own host. @returns its address, undefined where it is none */
export async function pictureAt(
  url: string,
  fetch: (url: string, init: RequestInit) => Promise<Response>,
): Promise<string | undefined> {
  try {
    const response = await fetch(url, { credentials: 'same-origin', cache: 'default' });
    if (!response.ok) return undefined;
    const octets = new Uint8Array(await response.arrayBuffer());
    const type = pictureType(octets);
    return type === undefined ? undefined : URL.createObjectURL(new Blob([octets], { type }));
  } catch {
    return undefined;
  }
}
