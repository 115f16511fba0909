import { afterEach, beforeEach, describe } from 'vitest';
import { folderCases } from './mail-folders.ts';
import { messageCases } from './mail-messages.ts';
import { togetherCases } from './mail-together.ts';
import { viewCases } from './mail-view.ts';
import type { Current, MailLimits, MailUnderTest, OpenMail } from './mail-under-test.ts';

/** The cases that every Mail passes, or it is none. */
export function mailConformance(name: string, open: OpenMail): void {
  const opened: MailUnderTest[] = [];
  const limited = async (limits: MailLimits): Promise<MailUnderTest> => {
    const under = await open(limits);
    opened.push(under);
    return under;
  };
  const first = (): MailUnderTest => opened[0] as MailUnderTest;
  const current: Current = {
    get one() {
      return first().one;
    },
    get two() {
      return first().two;
    },
    get under() {
      return first();
    },
    limited,
  };
  describe(`Mail ${name}`, () => {
    beforeEach(async () => {
      await limited({});
    });
    afterEach(async () => {
      for (const under of opened.splice(0)) await under.close();
    });
    folderCases(current);
    messageCases(current);
    togetherCases(current);
    viewCases(current);
  });
}
