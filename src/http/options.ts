import type { OptionTable } from '../config/options.ts';

/** The small HTTP server for health and metrics. */
export const HTTP_OPTIONS = {
  'http.answer.timeout': {
    kind: 'duration',
    default: 5000,
    min: 100,
    max: 60_000,
    doc: 'How long gathering metrics from all processes may take before the answer is 503.',
  },
  'http.connections.max': {
    kind: 'count',
    default: 64,
    min: 1,
    max: 10_000,
    doc: 'Connections to the server for health and metrics. More are closed at once.',
  },
} as const satisfies OptionTable;
