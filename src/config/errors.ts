/** Errors of this module that an operator acts upon. */
export const CONFIG_ERRORS = {
  'MF-CONFIG-001': {
    what: 'The last good settings cannot be written to the state directory',
    means: 'Mail flows. After a restart while the directory is away this node would not start',
    mend: 'Give the service user the state directory and room on its disk',
  },
} as const;
