/** Errors of this module that an operator acts upon. */
export const CONFIG_ERRORS = {
  'MF-CONFIG-001': {
    what: 'The node file has problems; each is printed with its line',
    means: 'The node does not start. Other nodes go on; no mail is lost',
    mend: 'Repair every line named, then start again; `mailfarm check` only checks',
  },
  'MF-CONFIG-002': {
    what: 'A setting in the directory (cn=farm) is unknown or out of bounds',
    means: 'The node goes on with the last good value of that setting, or with its default',
    mend: 'Correct the mwSetting value; the message names it, its bounds and the nearest known name',
  },
  'MF-CONFIG-003': {
    what: 'The last good settings cannot be written to the state directory',
    means: 'Mail flows. After a restart while the directory is away this node would not start',
    mend: 'Give the service user the state directory and room on its disk',
  },
} as const;
