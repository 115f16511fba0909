/** Conditions that the operator of a node acts upon. */
export const NODE_ERRORS = {
  'MF-NODE-001': {
    what:
      'The node has no entry in the directory or the entry names no listener, and ' +
      'node.listen is empty',
    means: 'The node serves nothing. No mail is touched.',
    mend:
      'Add it: `mailfarm node add NAME --listen "mx 0.0.0.0:25"`, or set `node.listen`, ' +
      'with which nodes add themselves, or correct `name:` in the node\u2019s file.',
  },
  'MF-NODE-002': {
    what:
      'Settings in cn=farm or the listeners of the node are wrong, or none of these is a service ' +
      'that this release knows',
    means: 'At start the node does not serve; while it runs it goes on with the settings it has.',
    mend:
      'Run `mailfarm check`, which lists everything that is wrong at once, and correct ' +
      'mwSetting or mwListen.',
  },
  'MF-NODE-003': {
    what: 'A worker hangs in the kernel on a volume and cannot be ended',
    means:
      'Its connections are lost, nothing acknowledged is. It holds no listening port; a ' +
      'new worker serves.',
    mend:
      'Look at the volume (dead server, lost route). The process ends by itself when the ' +
      'volume is back.',
  },
  'MF-NODE-004': {
    what:
      'The directory did not answer at start; the node runs with the settings of its last ' +
      'good start',
    means: 'Mail goes on as far as the directory\u2019s cache allows; else it is deferred.',
    mend: 'Bring a directory replica back, or correct `directory.urls` in the node\u2019s file.',
  },
  'MF-NODE-005': {
    what: 'A worker ended unexpectedly',
    means: 'The connections it held are lost; senders try again. A new worker was started.',
    mend:
      'Look for the line before it in the log; report a bug with its trace id when it ' +
      'names one.',
  },
  'MF-NODE-006': {
    what: 'The node cannot speak for itself: its entry in the directory has another key',
    means:
      'The node serves all the same. Its entry shows no status and no beat of it: the ' +
      'node was installed anew, or two nodes have one name.',
    mend:
      '`mailfarm node set NAME --new-key`: the node gives itself a new key at its next ' +
      'beat. Where two nodes have one name, give one another.',
  },
  'MF-NODE-007': {
    what: 'The node could not tell the directory that it lives',
    means: 'The node serves. Others may see it as silent.',
    mend:
      'The log says why. When no directory server answers: MF-DIR-001. It tries again by ' +
      'itself.',
  },
  'MF-NODE-008': {
    what: 'Two nodes have the same number',
    means: 'Both serve. Two replicas of the directory took both entries at one moment.',
    mend: '`mailfarm node set NAME --nid N` for one of them, with a number that no node has.',
  },
  'MF-NODE-009': {
    what: 'The directory has a setting or a listener that this release does not know',
    means:
      'The node serves with all the others; of these it does nothing. A newer release may know ' +
      'them, or a name is mistyped.',
    mend:
      'While nodes of two releases serve, nothing. Else `mailfarm check` lists them: take them ' +
      'away by `mailfarm config set NAME` and `mailfarm node set NAME --listen …`.',
  },
} as const;
