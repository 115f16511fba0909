/** Where the minutes of a test run went: by project and folder, with the slowest files. */
import type { TestModule } from 'vitest/node';

const GROUPS_MAX = 15;
const FILES_MAX = 10;

export interface Timed {
  /** `farm test/interop`. */
  readonly group: string;
  readonly file: string;
  readonly tests: number;
  readonly seconds: number;
}

const timed = (module: TestModule): Timed => {
  const { duration, collectDuration, prepareDuration } = module.diagnostic();
  const file = module.relativeModuleId;
  return {
    group: `${module.project.name} ${file.split('/').slice(0, -1).slice(0, 2).join('/')}`,
    file,
    tests: [...module.children.allTests()].length,
    seconds: (duration + collectDuration + prepareDuration) / 1000,
  };
};

/** Lines, longest first. Seconds of files that ran beside each other are counted for each. */
export function timeLines(files: readonly Timed[]): string[] {
  const groups = new Map<string, { files: number; tests: number; seconds: number }>();
  for (const { group, tests, seconds } of files) {
    const sum = groups.get(group) ?? { files: 0, tests: 0, seconds: 0 };
    groups.set(group, {
      files: sum.files + 1,
      tests: sum.tests + tests,
      seconds: sum.seconds + seconds,
    });
  }
  const longest = <T extends { readonly seconds: number }>(all: Iterable<T>, max: number): T[] =>
    [...all].toSorted((a, b) => b.seconds - a.seconds).slice(0, max);
  const row = (seconds: number, text: string): string =>
    `${seconds.toFixed(1).padStart(8)} s  ${text}`;
  return [
    'seconds by folder (files beside each other are counted for each):',
    ...longest(
      [...groups].map(([group, sum]) => ({ group, ...sum })),
      GROUPS_MAX,
    ).map((g) => row(g.seconds, `${g.group} (${g.files} files, ${g.tests} tests)`)),
    'slowest files:',
    ...longest(files, FILES_MAX).map(({ seconds, file }) => row(seconds, file)),
  ];
}

export const timeTable = (modules: readonly TestModule[]): string =>
  `\n${timeLines(modules.map(timed)).join('\n')}\n`;
