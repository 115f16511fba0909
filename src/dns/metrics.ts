import { counter } from '../metrics/metrics.ts';

export const questions = counter({
  name: 'mailfarm_dns_questions_total',
  help: 'Questions to resolvers: answered (with a no, too), or failed',
  label: 'result',
  values: ['answered', 'failed'],
});
