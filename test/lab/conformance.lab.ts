import { mailStoreConformance } from '../../src/mailbox/conformance.ts';
import { openOn } from './stores.ts';

mailStoreConformance('[S2-02] [S2-03] delivered by one host, read by another', () =>
  openOn('c1', 'c2'),
);
