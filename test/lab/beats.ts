/**
 * A node that only beats: `beats.ts PATH NODE` tends the hosts' files of the volume mounted
 * at PATH, twice a second, and says so each time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeFs } from '#maildir';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom as random } from '../../src/base/random.ts';
import { hostBeat } from '../../src/volumes/host-facts.ts';
import { tendHosts } from '../../src/volumes/hosts.ts';

const [path = '', node = ''] = process.argv.slice(2);
const now = (): number => systemClock.now();
const directory = `${path}/.mailfarm-hosts`;
const beat = async () => ({ ...(await hostBeat(path, node, 'lab')), clock: now() });
const isOurs = () => Promise.resolve(true);
for (;;) {
  await tendHosts({ fs: nodeFs, directory, node, random, now, beat, isOurs });
  process.stdout.write('beats\n');
  await sleep(500);
}
