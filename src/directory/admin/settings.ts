import type { Random } from '../../base/random.ts';
import { toSettings } from '../client/entries.ts';
import { FARM_COOKIE, newFarmCookie } from '../farm-cookie.ts';
import { AdminError } from './error.ts';
import * as names from './names.ts';
import type { AdminSession } from './session.ts';

/** Options of the farm: `mwSetting` values of cn=farm. */
export class Settings {
  readonly #session: AdminSession;

  constructor(session: AdminSession) {
    this.#session = session;
  }

  async all(): Promise<ReadonlyMap<string, string>> {
    const base = this.#session.names.farm;
    const [farm] = await this.#session.search({ base, objectClass: 'mwFarm', limit: 1 });
    if (farm) return toSettings(farm);
    throw new AdminError('not-found', `The directory has no ${base}`);
  }

  /**
   * The farm's cookie, made where it has none: a node knows by it its own farm (N-12).
   * @returns whether it was made now
   */
  async ensureCookie(random: Random): Promise<boolean> {
    if (((await this.all()).get(FARM_COOKIE) ?? '') !== '') return false;
    await this.set(FARM_COOKIE, newFarmCookie(random));
    return true;
  }

  /** Sets an option, or takes it away. Its value is checked where options are known: by the CLI. */
  async set(name: string, value: string | undefined): Promise<void> {
    if (!/^[a-z][a-z0-9.-]{0,99}$/.test(name)) {
      throw new AdminError('invalid', `"${names.printable(name)}" is not the name of an option`);
    }
    if (value !== undefined && /[\0\n\r]/.test(value)) {
      throw new AdminError('invalid', 'A value is one line');
    }
    const before = (await this.all()).get(name);
    const { farm } = this.#session.names;
    if (before === value) return;
    // Added first: a reader between the two sees both and takes the later one, never none.
    if (value !== undefined) await this.#session.addValue(farm, 'mwSetting', `${name}=${value}`);
    if (before !== undefined) {
      await this.#session.removeValue(farm, 'mwSetting', `${name}=${before}`);
    }
  }
}
