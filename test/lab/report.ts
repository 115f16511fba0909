/** What vitest left inside a laboratory, read outside. */
import { readFileSync } from 'node:fs';

export interface LabTest {
  readonly title: string;
  readonly file: string;
  readonly state: 'passed' | 'failed' | 'skipped';
  readonly ms: number;
  readonly messages: readonly string[];
  /** Passed, but not at the first try; the messages are the first try's. */
  readonly unsteady: boolean;
}

export interface TestReport {
  readonly tests: readonly LabTest[];
  /** Files that could not even be read, and the like. */
  readonly trouble: readonly string[];
  /** Those files: not one of their tests was tried. */
  readonly troubled: readonly string[];
}

interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly duration?: number;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** Reads vitest's report in JSON; `tree` is where the tree was for those that ran. */
export function readReport(path: string, tree = '/mnt/tree/'): TestReport {
  const report = JSON.parse(readFileSync(path, 'utf8')) as VitestReport;
  const tests: LabTest[] = [];
  const trouble: string[] = [];
  const troubled: string[] = [];
  for (const file of report.testResults) {
    const name = file.name.replace(tree, '');
    if (file.status === 'failed' && file.assertionResults.every((a) => a.status !== 'failed')) {
      trouble.push(`${name}: ${file.message}`);
      troubled.push(name);
    }
    for (const { fullName, status, duration, failureMessages } of file.assertionResults) {
      tests.push({
        title: fullName,
        file: name,
        state: status === 'passed' || status === 'failed' ? status : 'skipped',
        ms: duration ?? 0,
        messages: failureMessages,
        unsteady: status === 'passed' && failureMessages.length > 0,
      });
    }
  }
  return { tests, trouble, troubled };
}
