import type { Clock } from '../clock.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Authenticator } from './authenticator.ts';

/** Stays when what is behind it is replaced, so that receivers which name it keep their connections. */
export class ReplaceableAuthenticator implements Authenticator {
  #current: Authenticator;

  constructor(current: Authenticator) {
    this.#current = current;
  }

  get challenge(): string {
    return this.#current.challenge;
  }

  start(clock: Clock, logger: Logger): Promise<void> {
    return this.#current.start(clock, logger);
  }

  stop(): void {
    this.#current.stop();
  }

  check(headers: Readonly<Record<string, string | undefined>>): void {
    this.#current.check(headers);
  }

  /** From here on `next` decides, which has been started. */
  replace(next: Authenticator): void {
    this.#current.stop();
    this.#current = next;
  }
}
