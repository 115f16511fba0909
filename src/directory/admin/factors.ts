import { valuesOf } from '../client/entries.ts';
import {
  APP_LABEL_BYTES_MAX,
  APP_PASSWORDS_MAX,
  parseAppPassword,
  printAppPassword,
  RECOVERY_CODES_MAX,
} from '../factors.ts';
import type { AppPassword } from '../types.ts';
import { AdminError, isKind } from './error.ts';
import { printable } from './names.ts';
import type { AdminSession } from './session.ts';

/**
 * App passwords and the second factor of one entry: made by its user, taken away also by who helps
 * users (rights.ts). Each method is one change, which the directory makes whole or not at all.
 */
export class Factors {
  readonly #session: AdminSession;

  constructor(session: AdminSession) {
    this.#session = session;
  }

  /** Oldest first. @throws AdminError */
  async appPasswords(dn: string): Promise<readonly AppPassword[]> {
    const made = (await this.#stored(dn)).flatMap((text) => parseAppPassword(text) ?? []);
    return made.toSorted((a, b) => (a.createdAt ?? 0) - (b.createdAt ?? 0));
  }

  /** @throws AdminError invalid where there are too many of them, or the label is none */
  async addAppPassword(
    dn: string,
    made: AppPassword & { readonly createdAt: number },
  ): Promise<void> {
    const text = printAppPassword(made);
    if (Buffer.byteLength(made.label) > APP_LABEL_BYTES_MAX || !parseAppPassword(text)) {
      const said = `A name for a program is one line of at most ${APP_LABEL_BYTES_MAX} octets`;
      throw new AdminError('invalid', said);
    }
    if ((await this.#stored(dn)).length >= APP_PASSWORDS_MAX) {
      const said = `There are ${APP_PASSWORDS_MAX} app passwords, the limit; remove one first`;
      throw new AdminError('invalid', said);
    }
    await this.#session.addValue(dn, 'mwAppPassword', text);
  }

  /** @throws AdminError not-found */
  async removeAppPassword(dn: string, id: string): Promise<void> {
    const text = (await this.#stored(dn)).find((one) => one.startsWith(`${id} `));
    if (id !== '' && text !== undefined) {
      return await this.#session.removeValue(dn, 'mwAppPassword', text);
    }
    throw new AdminError('not-found', `There is no app password ${printable(id)} any more`);
  }

  /** Turns the second factor on, or replaces it, with its recovery codes. @throws AdminError */
  async setSecondFactor(
    dn: string,
    { totp, recoveryCodes }: { readonly totp: string; readonly recoveryCodes: readonly string[] },
  ): Promise<void> {
    if (recoveryCodes.length > RECOVERY_CODES_MAX) throw new RangeError('too many recovery codes');
    await this.#session.replace(dn, { mwTotp: totp, mwRecoveryCode: recoveryCodes });
  }

  /** @throws AdminError */
  async setRecoveryCodes(dn: string, recoveryCodes: readonly string[]): Promise<void> {
    await this.#session.replace(dn, { mwRecoveryCode: recoveryCodes });
  }

  /** Whether there was one or not: nobody but front ends may look. @throws AdminError */
  async removeSecondFactor(dn: string): Promise<void> {
    await this.#session.replace(dn, { mwTotp: [], mwRecoveryCode: [] });
  }

  /** Of all who try to take it, one hears yes. @throws AdminError */
  async takeRecoveryCode(dn: string, hash: string): Promise<boolean> {
    try {
      await this.#session.removeValue(dn, 'mwRecoveryCode', hash);
      return true;
    } catch (error) {
      if (isKind(error, 'not-found')) return false;
      throw error;
    }
  }

  async #stored(dn: string): Promise<readonly string[]> {
    const entry = await this.#session.entry(dn, ['mwAppPassword']);
    return entry ? valuesOf(entry, 'mwAppPassword') : [];
  }
}
