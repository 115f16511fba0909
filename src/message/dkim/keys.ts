/** Keys of signatures: made, checked, and as the DNS shows them (RFC 6376 §3.6.1, RFC 8463 §4). */
import { createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

/** One private key, and where its record stands: `<selector>._domainkey.<domain>`. */
export interface DkimKey {
  /** A-labels, lower case. */
  readonly domain: string;
  readonly selector: string;
  readonly key: KeyObject;
}

export type DkimAlgorithm = 'rsa' | 'ed25519';

/** RFC 8301 §3.2: verifiers take no shorter key, and need not take a longer one than the other. */
const RSA_BITS_MIN = 1024;
const RSA_BITS_MAX = 4096;
const RSA_BITS = 2048;

const makePair = promisify(generateKeyPair);

/** A new private key as PEM (PKCS #8). RSA with 2,048 bits takes a part of a second. */
export async function generateDkimKey(algorithm: DkimAlgorithm): Promise<string> {
  const { privateKey } =
    algorithm === 'rsa'
      ? await makePair('rsa', { modulusLength: RSA_BITS })
      : await makePair('ed25519', {});
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** Why no signature can be made with this key; undefined when one can. For people. */
export function dkimKeyProblem(key: KeyObject): string | undefined {
  if (key.type === 'secret') return 'it is no key of a pair';
  if (key.asymmetricKeyType === 'ed25519') return undefined;
  if (key.asymmetricKeyType !== 'rsa') {
    return `it is of the type ${key.asymmetricKeyType ?? 'unknown'}; DKIM knows rsa and ed25519`;
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX
    ? undefined
    : `it has ${bits} bits; receivers accept ${RSA_BITS_MIN} to ${RSA_BITS_MAX}`;
}

/** What has to stand in the DNS for a key. */
export interface KeyRecord {
  /** Relative to the domain: `k1._domainkey`. */
  readonly name: string;
  /** Longer than one string of a TXT record may be: who prints it for a zone file cuts it. */
  readonly text: string;
}

/**
 * The record of a key, private or public, in PEM.
 * @throws Error with what is wrong, for people; never with anything of the key
 */
export function keyRecord(pem: string, selector: string): KeyRecord {
  const label = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
  if (!selector.split('.').every((part) => label.test(part))) {
    throw new Error(`"${selector}" is no selector: letters, digits and hyphens, such as "k1"`);
  }
  const key = publicKeyOf(pem);
  const problem = dkimKeyProblem(key);
  if (problem !== undefined) throw new Error(`this key cannot be used: ${problem}`);
  const der = key.export({ type: 'spki', format: 'der' });
  const isRsa = key.asymmetricKeyType === 'rsa';
  // The last 32 octets of an Ed25519 key's DER are the key itself, which is all that is shown.
  const shown = (isRsa ? der : der.subarray(-32)).toString('base64');
  const text = `v=DKIM1; k=${isRsa ? 'rsa' : 'ed25519'}; p=${shown}`;
  return { name: `${selector}._domainkey`, text };
}

function publicKeyOf(pem: string): KeyObject {
  try {
    return createPublicKey(pem); // Of a private key too.
  } catch {
    throw new Error('this is no key in PEM without a passphrase (-----BEGIN PRIVATE KEY-----)');
  }
}
