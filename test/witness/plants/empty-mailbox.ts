/** An empty mailbox while the volume is away: listings of an unmounted volume, now and then. */
import { isOn, nodeFs } from './storage.ts';

const PERIOD_MS = 2_000;
const AWAY_MS = 600;
const away = (): boolean => isOn('empty-mailbox') && performance.now() % PERIOD_MS < AWAY_MS;

const { changed, list } = nodeFs;
nodeFs.list = (directory) =>
  /\/(new|cur)$/.test(directory) && away() ? Promise.resolve([]) : list(directory);
nodeFs.changed = async (directory) => `${away()} ${await changed(directory)}`;
