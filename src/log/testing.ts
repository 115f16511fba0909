import type { Logger } from './types.ts';

export type LogLine = Record<string, unknown> & {
  readonly level: string;
  readonly message: string;
};

/** Keeps what is logged. */
export function collectingLogger(lines: LogLine[]): Logger {
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ ...fields, level, message });
  const logger: Logger = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  };
  return logger;
}
