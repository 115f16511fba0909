/** One line of the product that is switched off, and the test that must notice. */
export interface Mutant {
  /** Contract statement (`N-05`), or the number of the design's promise (`promise 8`). */
  readonly statement: string;
  /** What the product does without it. */
  readonly why: string;
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** Test file, and a part of the title of the test that must fail. */
  readonly test: string;
  readonly title: string;
}

export const MUTANTS: readonly Mutant[] = [];
