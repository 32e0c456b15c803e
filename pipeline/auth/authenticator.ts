import type { Clock } from '../clock.ts';
import type { Logger } from '../telemetry/logger.ts';

/** Tells who may send. One per id of an extension; receivers name it as `auth.authenticator`. */
export interface Authenticator {
  /** How to ask for credentials (RFC 9110, 11.6.1). */
  readonly challenge: string;
  /** Reads its files, and again when they change. Rejects with `file_unreadable` or `config`. */
  start(clock: Clock, logger: Logger): Promise<void>;
  stop(): void;
  /**
   * Lets a request pass by its headers, names in lower case. Throws `unauthenticated`, or `auth_busy` where too many
   * strangers ask.
   */
  check(headers: Readonly<Record<string, string | undefined>>): void;
}

/** Those of a service, by id. */
export type Authenticators = ReadonlyMap<string, Authenticator>;
