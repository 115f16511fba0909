/**
 * A loopback address of a server's own: all of 127.0.0.0/8 is this machine, so that several servers
 * can stand on one port (an MX has no other choice than the port of all others). The number is by
 * chance: tests of other processes take theirs at the same time and ask nobody.
 */
import { randomInt } from 'node:crypto';

export const ownAddress = (): string =>
  `127.${randomInt(64, 192)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
