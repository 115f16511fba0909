/** A message and its answers; without a number it only holds them together. */
export interface ThreadNode {
  readonly uid: number | undefined;
  readonly children: readonly ThreadNode[];
}

/**
 * THREAD (RFC 5256 §4): a chain of only answers is a list, several answers to one are lists in it.
 * Threads may be as deep as a folder is long, so the stack is our own.
 * @param numberOf what a UID is told as; 0: it is left out, and its answers stay
 */
export function writeThreads(
  threads: readonly ThreadNode[],
  numberOf: (uid: number) => number,
): string {
  const pieces: string[] = [];
  const stack: (ThreadNode | ')')[] = threads.toReversed();
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (next === ')') pieces.push(')');
    else writeThread(next, numberOf, pieces, stack);
  }
  const text = pieces.join('');
  return `* THREAD${text === '' ? '' : ' '}${text}\r\n`;
}

function writeThread(
  thread: ThreadNode,
  numberOf: (uid: number) => number,
  pieces: string[],
  stack: (ThreadNode | ')')[],
): void {
  let members = '';
  let node: ThreadNode | undefined = thread;
  let branches: readonly ThreadNode[] = [];
  while (node !== undefined) {
    const number = node.uid === undefined ? 0 : numberOf(node.uid);
    if (number > 0) members += members === '' ? `${number}` : ` ${number}`;
    const { children }: ThreadNode = node;
    node = children.length === 1 ? children[0] : undefined;
    if (node === undefined) branches = children;
  }
  if (members === '' && branches.length === 0) return;
  pieces.push('(', members, members !== '' && branches.length > 0 ? ' ' : '');
  stack.push(')');
  for (let at = branches.length - 1; at >= 0; at -= 1) stack.push(branches[at] as ThreadNode);
}
