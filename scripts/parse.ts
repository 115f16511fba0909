/**
 * TypeScript as the checkers see it: parsed by rolldown's parser (vitest brings it), because a
 * regular expression that looks for imports believes comments and strings.
 */
import { parseSync } from 'rolldown/utils';

export interface Import {
  /** What stands between the quotes; undefined where it is computed. */
  readonly specifier: string | undefined;
  /** Names taken from it; `*` for the whole module. */
  readonly names: readonly string[];
  /** Erased before it runs. */
  readonly typeOnly: boolean;
  readonly line: number;
}

/** A function and how many lines it has, from its first to its last. */
export interface Span {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

export interface Source {
  readonly file: string;
  readonly text: string;
  /** The text with comments and the insides of strings blanked; lines and columns stay. */
  readonly code: string;
  readonly imports: readonly Import[];
  readonly functions: readonly Span[];
  /** Values of all string literals and plain template strings. */
  readonly strings: readonly { readonly value: string; readonly line: number }[];
  /** Member calls such as `fs.rename(…)`, as `fs.rename`. */
  readonly calls: readonly { readonly name: string; readonly line: number }[];
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value && 'start' in value;

function visit(node: Node, enter: (node: Node, parents: readonly Node[]) => void): void {
  const parents: Node[] = [];
  const descend = (at: Node): void => {
    enter(at, parents);
    parents.push(at);
    for (const value of Object.values(at)) {
      if (Array.isArray(value)) value.filter(isNode).forEach(descend);
      else if (isNode(value)) descend(value);
    }
    parents.pop();
  };
  descend(node);
}

/** @throws SyntaxError with file and line, where the text does not parse. */
export function parse(file: string, text: string): Source {
  const lineAt = lineFinder(text);
  const { program, comments, errors } = parseSync(file, text, { preserveParens: false });
  const wrong = errors[0];
  if (wrong) {
    throw new SyntaxError(`${file}:${lineAt(wrong.labels[0]?.start ?? 0)}: ${wrong.message}`);
  }
  const imports: Import[] = [];
  const functions: Span[] = [];
  const strings: { value: string; line: number }[] = [];
  const calls: { name: string; line: number }[] = [];
  const blanks: [number, number][] = comments.map((c) => [c.start, c.end]);
  visit(program as unknown as Node, (node, parents) => {
    const line = lineAt(node.start);
    const found = importOf(node);
    if (found) imports.push({ ...found, line });
    const value = stringOf(node);
    if (value !== undefined) {
      strings.push({ value, line });
      blanks.push(
        node.type === 'Literal' ? [node.start + 1, node.end - 1] : [node.start, node.end],
      );
    }
    const called = calledName(node);
    if (called) calls.push({ name: called, line });
    if (isFunction(node)) {
      const lines = lineAt(node.end) - line + 1;
      functions.push({ name: nameOf(node, parents), line, lines });
    }
  });
  return { file, text, code: blank(text, blanks), imports, functions, strings, calls };
}

function lineFinder(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let [low, high] = [0, starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  };
}

function blank(text: string, ranges: readonly [number, number][]): string {
  let [out, at] = ['', 0];
  for (const [start, end] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (start < at) continue;
    out += text.slice(at, start) + text.slice(start, end).replace(/[^\n]/g, ' ');
    at = end;
  }
  return out + text.slice(at);
}

function importOf(node: Node): Omit<Import, 'line'> | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration': {
      if (!isNode(node['source'])) return undefined;
      const parts = ((node['specifiers'] ?? []) as Node[]).filter(isNode);
      const names = parts.map(importedName);
      const erased = node['importKind'] === 'type' || node['exportKind'] === 'type';
      return {
        specifier: stringOf(node['source']),
        names: node.type === 'ExportAllDeclaration' ? ['*'] : names,
        typeOnly: erased,
      };
    }
    case 'ImportExpression':
      return { specifier: textOf(node['source']), names: ['*'], typeOnly: false };
    case 'TSImportType':
      return { specifier: textOf(node['source']), names: ['*'], typeOnly: true };
    case 'TSExternalModuleReference':
      return { specifier: textOf(node['expression']), names: ['*'], typeOnly: false };
    case 'CallExpression': {
      const callee = node['callee'];
      if (!isNode(callee) || callee['name'] !== 'require') return undefined;
      return { specifier: textOf((node['arguments'] as Node[])[0]), names: ['*'], typeOnly: false };
    }
    default:
      return undefined;
  }
}

function importedName(specifier: Node): string {
  const taken = specifier['imported'] ?? specifier['local'];
  if (specifier.type !== 'ImportSpecifier' && specifier.type !== 'ExportSpecifier') return '*';
  return isNode(taken) && typeof taken['name'] === 'string' ? taken['name'] : '*';
}

const textOf = (value: unknown): string | undefined =>
  isNode(value) ? stringOf(value) : undefined;

function stringOf(node: Node): string | undefined {
  if (node.type === 'Literal' && typeof node['value'] === 'string') return node['value'];
  if (node.type === 'TemplateElement') {
    return (node['value'] as { cooked?: string }).cooked ?? '';
  }
  return undefined;
}

/** `a.b.c(…)` as `a.b.c`; where the object is an expression, `?.c`. */
function calledName(node: Node): string | undefined {
  if (node.type !== 'CallExpression' || !isNode(node['callee'])) return undefined;
  return dotted(node['callee']);
}

function dotted(node: Node): string {
  if (node.type === 'Identifier') return identifier(node);
  if (node.type !== 'MemberExpression' || node['computed'] === true) return '?';
  const { object, property } = node as unknown as { object: Node; property: Node };
  return `${dotted(object)}.${identifier(property)}`;
}

const identifier = (node: Node): string => (typeof node['name'] === 'string' ? node['name'] : '?');

const isFunction = (node: Node): boolean =>
  /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type);

/** Name for a message; a callback is named after what it is given to. */
function nameOf(node: Node, parents: readonly Node[]): string {
  const own = node['id'];
  if (isNode(own)) return identifier(own);
  const parent = parents.at(-1);
  const key = parent?.['id'] ?? parent?.['key'];
  if (isNode(key) && typeof key['name'] === 'string') return key['name'];
  if (parent?.type === 'CallExpression') {
    // `describe.each(SERVERS)('…', () => …)` is in describe.each.
    const callee = parent['callee'];
    const tabled = isNode(callee) && callee.type === 'CallExpression' ? callee : parent;
    return `in ${calledName(tabled) ?? 'a call'}`;
  }
  return 'a function';
}
