import type { Command } from './command.ts';
import { check } from './command/check.ts';
import { demo } from './command/demo.ts';
import { directoryServe } from './command/directory.ts';
import { configOptions } from './command/options.ts';
import { serve } from './command/serve.ts';
import { SETTING_COMMANDS } from './command/setting.ts';
import { TABLE_COMMANDS } from './command/tables.ts';
import { USER_COMMANDS } from './command/user.ts';
import { version } from './command/version.ts';

/** The whole command line. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  demo,
  serve,
  check,
  ...USER_COMMANDS,
  ...TABLE_COMMANDS,
  ...SETTING_COMMANDS,
  'config options': configOptions,
  'directory serve': directoryServe,
  version,
};
