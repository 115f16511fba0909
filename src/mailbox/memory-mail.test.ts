import { systemClock } from '../base/clock.ts';
import { memoryAccount } from '../directory/memory.ts';
import { MemoryStore } from './memory.ts';
import { mailConformance } from './testing/mail-conformance.ts';

mailConformance('memory', async ({ quotaBytes = 0, foldersMax = 1000, messageMax = 1e8 } = {}) => {
  const store = new MemoryStore(systemClock, { foldersMax, messageMax });
  const account = { ...memoryAccount({ login: 'alice@example.test' }), quotaBytes };
  const newcomer = { ...memoryAccount({ login: 'bob@example.test' }), quotaBytes };
  return {
    one: await store.openMail(account),
    two: await store.openMail(account),
    newcomer: await store.openMail(newcomer),
    deliver: async (stored, name) => store.deliver(account, Buffer.from(stored, 'latin1'), name),
    close: async () => {},
  };
});
