import { createPrivateKey } from 'node:crypto';
import type { Random } from '../../base/random.ts';
import { dkimKeyProblem } from '../../message/dkim/keys.ts';
import { valuesOf } from '../client/entries.ts';
import { nameDn } from '../dn.ts';
import { SECRET_BYTES_MAX, secretEntryName, secretOfEntry } from '../secret-name.ts';
import { SECRET_KINDS, type SecretKind } from '../types.ts';
import type { Farm } from './collection.ts';
import { AdminError, isKind } from './error.ts';
import { requireRight } from './identity.ts';
import { printable } from './names.ts';

/** Of a key that seals sessions, 256 bits. */
const WEB_KEY_BYTES = 32;

/** A secret as everybody who lists them sees it: never its value. */
export interface SecretRecord {
  readonly kind: SecretKind;
  readonly name: string;
  readonly dn: string;
  /** For people; of a key of DKIM its record in the DNS. */
  readonly description: string | undefined;
  /** generalizedTime of the last change; undefined where the server does not say. */
  readonly changed: string | undefined;
}

/**
 * Keys and passwords for mail that leaves. They are written here and read by nodes that send,
 * nowhere else: there is no function that gives a value back.
 */
export class Secrets {
  readonly #farm: Farm;

  constructor(farm: Farm) {
    this.#farm = farm;
  }

  /** Sorted by kind and name. @throws AdminError */
  async list(): Promise<readonly SecretRecord[]> {
    const { session } = this.#farm;
    const entries = await session.search({
      base: session.names.secrets,
      objectClass: 'mwSecret',
      attributes: ['cn', 'description', 'modifyTimestamp'],
    });
    return entries
      .flatMap((entry) => {
        const named = secretOfEntry(valuesOf(entry, 'cn')[0] ?? '');
        const changed = valuesOf(entry, 'modifyTimestamp')[0];
        const [description] = valuesOf(entry, 'description');
        return named ? [{ ...named, dn: entry.dn, description, changed }] : [];
      })
      .toSorted((a, b) => (`${a.kind}/${a.name}` < `${b.kind}/${b.name}` ? -1 : 1));
  }

  async has(kind: string, name: string): Promise<boolean> {
    const dn = this.#dn(kind, name);
    return (await this.#farm.session.entry(dn, ['cn'])) !== undefined;
  }

  /**
   * @param options replace: where there is one already its value is replaced, else that is refused
   * @throws AdminError exists, invalid, denied
   */
  async add(
    kind: string,
    name: string,
    value: string,
    options: { readonly replace?: boolean; readonly description?: string } = {},
  ): Promise<void> {
    const { session, who } = this.#farm;
    const dn = this.#dn(kind, name);
    const cn = secretEntryName(checkedKind(kind), name) ?? '';
    const mwSecretValue = checkedSecret(checkedKind(kind), value);
    requireRight(who, { place: 'secrets', levelled: false }, 'entries');
    try {
      const { description } = options;
      const objectClass = ['top', 'mwSecret'];
      await session.add(dn, { objectClass, cn, mwSecretValue, description });
    } catch (error) {
      if (isKind(error, 'not-found')) throw noBranch(session.names.secrets, error);
      if (!isKind(error, 'exists')) throw error;
      const replaced = { mwSecretValue, description: options.description ?? [] };
      if (options.replace === true) return await session.replace(dn, replaced);
      const text = `There is a secret ${kind} ${printable(name)} already; --replace replaces it`;
      throw new AdminError('exists', text, { cause: error });
    }
  }

  /**
   * A new key for the sessions of the webmail. What the one of before sealed is still opened, what
   * the one before that sealed is not. Nobody reads a key here: the entry itself is renamed.
   * Interrupted, it leaves no current one, and nodes use the previous one; doing it again
   * completes it.
   * @throws AdminError
   */
  async rotateWeb(random: Random): Promise<void> {
    const { session } = this.#farm;
    if (await this.has('web', 'current')) {
      if (await this.has('web', 'previous')) await this.remove('web', 'previous');
      await session.rename(this.#dn('web', 'current'), 'cn=web/previous');
    }
    const key = Buffer.from(random.bytes(WEB_KEY_BYTES)).toString('base64url');
    await this.add('web', 'current', key);
  }

  /** @throws AdminError not-found */
  async remove(kind: string, name: string): Promise<void> {
    const { session, who } = this.#farm;
    const dn = this.#dn(kind, name);
    requireRight(who, { place: 'secrets', levelled: false }, 'entries');
    try {
      await session.remove(dn);
    } catch (error) {
      if (!isKind(error, 'not-found')) throw error;
      const text = `There is no secret ${kind} ${printable(name)}`;
      throw new AdminError('not-found', text, { cause: error });
    }
  }

  #dn(kind: string, name: string): string {
    const cn = secretEntryName(checkedKind(kind), name);
    if (cn !== undefined) return nameDn('cn', cn, this.#farm.session.names.secrets);
    const text = `"${printable(name)}" is not a name for a secret: letters, digits, . _ @ : - (252)`;
    throw new AdminError('invalid', text);
  }
}

function noBranch(branch: string, cause: unknown): AdminError {
  const text =
    `The directory has no ${branch}: OpenLDAP gets it from \`mailfarm schema --part frame\` ` +
    '(ldapadd -c leaves alone what is there)';
  return new AdminError('not-found', text, { cause });
}

function checkedKind(kind: string): SecretKind {
  const found = SECRET_KINDS.find((known) => known === kind.toLowerCase());
  if (found !== undefined) return found;
  const known = SECRET_KINDS.join(', ');
  throw new AdminError('invalid', `A secret is of a kind ${known}, not "${printable(kind)}"`);
}

/** Texts of errors never show what was given. @throws AdminError invalid */
function checkedSecret(kind: SecretKind, value: string): string {
  if (value === '') throw new AdminError('invalid', 'The secret is empty');
  if (Buffer.byteLength(value) > SECRET_BYTES_MAX || value.includes('\0')) {
    throw new AdminError('invalid', `A secret has at most ${SECRET_BYTES_MAX} octets and no NUL`);
  }
  if (kind === 'dkim') return checkedKey(value);
  if (/[\r\n]/.test(value)) throw new AdminError('invalid', `A secret of ${kind} is one line`);
  return value;
}

/** As PKCS #8, whatever form it came in. */
function checkedKey(pem: string): string {
  const key = (() => {
    try {
      return createPrivateKey(pem);
    } catch {
      const text = 'A secret of dkim is a private key as PEM, without a passphrase';
      throw new AdminError('invalid', text);
    }
  })();
  const problem = dkimKeyProblem(key);
  if (problem === undefined) return key.export({ type: 'pkcs8', format: 'pem' }) as string;
  throw new AdminError('invalid', `This key cannot be one of dkim: ${problem}`);
}
