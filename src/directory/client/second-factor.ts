import { recoveryCodeIsUsable, totpIsUsable } from '../factors.ts';
import type { AttributeMap } from '../map.ts';
import { DirectoryUnavailable, type Account, type SecondFactor } from '../types.ts';
import { valuesOf } from './entries.ts';
import type { Ask } from './replicas.ts';

/** What is asked, of whom. */
export interface SecondFactorAsk {
  readonly map: AttributeMap;
  readonly ask: <T>(ask: Ask<T>) => Promise<T>;
}

/**
 * The second factor of a user, from the entry itself and from no cache. "None" counts only from a
 * server that is whole and current.
 * @throws DirectoryUnavailable also where the entry was renamed, or has a secret nobody can use: a
 *   second factor that is damaged is not none
 */
export async function secondFactorOf(
  account: Account,
  { map, ask }: SecondFactorAsk,
): Promise<SecondFactor | undefined> {
  const { factors } = map;
  if (!factors) return undefined;
  const attributes = [map.id, factors.totp, factors.recoveryCodes];
  return await ask(async (connection, whole) => {
    const options = { scope: 'base', attributes, sizeLimit: 1 } as const;
    const [entry] = await connection.search(account.dn, options);
    if (!entry || valuesOf(entry, map.id)[0] !== account.id) {
      throw new DirectoryUnavailable(`The entry ${account.dn} was renamed or removed`);
    }
    const [totp] = valuesOf(entry, factors.totp);
    if (totp === undefined) {
      await whole();
      return undefined;
    }
    if (!totpIsUsable(totp)) {
      throw new DirectoryUnavailable(
        `The entry ${account.dn} has no usable ${factors.totp} (MF-DIR-004)`,
      );
    }
    const recoveryCodes = valuesOf(entry, factors.recoveryCodes).filter(recoveryCodeIsUsable);
    return { totp, recoveryCodes };
  });
}
