import { type DestinationStream, type Logger as Pino, pino } from 'pino';

/** Structured log lines on stderr. Never telemetry content, never a secret, never one line per item. */
export type Logger = Pick<Pino, 'debug' | 'info' | 'warn' | 'error'>;

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** The process's logger: JSON lines, one object each, to `destination` (stderr unless told otherwise). */
export function createLogger(level: LogLevel, destination: DestinationStream = pino.destination(2)): Pino {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
