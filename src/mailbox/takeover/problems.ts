/** What an import met that is not as it should be: counted, with the first case, never fatal. */
const PROBLEMS = {
  'line-broken': 'Lines in files of numbers are broken; what they say is not known',
  'numbers-broken': 'The numbers of a folder cannot be used; its messages get new ones',
  'uid-doubled': 'One UID stands for several messages; they get new ones',
  'uid-impossible':
    'A UID is none (0, or too near the end of the numbers); its message gets a new one',
  'uid-above-next': 'A UID is above the next one that its file promises; it is kept',
  'no-uid': 'The other server had not numbered some messages yet; they get new UIDs',
  'file-doubled': 'Two files have one name; the second has another name now, and a new UID',
  'name-changed': 'File names that cannot be kept were replaced; UID and UIDL stay',
  'name-unreadable': 'File names are not UTF-8, so that nothing can open them: rename the files',
  'uidl-lost':
    'A UIDL is none (more than 70 octets, or spaces) or has no room; POP3 clients fetch again',
  'keyword-lost': 'A keyword is none that IMAP can say, or its name is not known; it is left out',
  'not-a-file': 'What lies among messages is no file (a link, a directory); it is left out',
  'file-vanished': 'Files went away meanwhile: stop the other server and repeat the command',
  'folder-refused': 'A folder cannot have its name here; it is left out',
  'folder-broken': 'A folder cannot be read; it is left out',
  'seen-unknown': 'This Cyrus keeps elsewhere what has been read; messages come as unread',
} as const;
export type ProblemKind = keyof typeof PROBLEMS;

export interface Problem {
  readonly problem: ProblemKind;
  readonly count: number;
  /** Where it was met first. */
  readonly first: string;
  readonly text: string;
}

const WHERE_MAX = 300;

export class Problems {
  readonly #met = new Map<ProblemKind, { count: number; readonly first: string }>();

  add(kind: ProblemKind, where: string, count = 1): void {
    if (count === 0) return;
    const met = this.#met.get(kind);
    if (met === undefined) this.#met.set(kind, { count, first: where.slice(0, WHERE_MAX) });
    else met.count += count;
  }

  list(): readonly Problem[] {
    return [...this.#met].map(([problem, { count, first }]) => ({
      problem,
      count,
      first,
      text: PROBLEMS[problem],
    }));
  }
}
