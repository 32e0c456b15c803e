import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../clock.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Authenticator } from './authenticator.ts';
import type { AuthExtension } from './config.ts';
import { ReplaceableAuthenticator } from './replaceable.ts';

/** A change of the set that is ready, and holds once it is committed. */
export interface PreparedAuthenticators {
  commit(): void;
  undo(): void;
}

/** The authenticators of a service. */
export class AuthenticatorSet {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #byId = new Map<string, ReplaceableAuthenticator>();
  #extensions: readonly AuthExtension[] = [];

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  get all(): ReadonlyMap<string, Authenticator> {
    return this.#byId;
  }

  /** Rejects with `file_unreadable` or `config`. */
  async start(extensions: readonly AuthExtension[]): Promise<void> {
    (await this.prepare(extensions)).commit();
  }

  /** Starts those that are new or have changed. New ids are known from here on, for those who are about to ask for them. */
  async prepare(extensions: readonly AuthExtension[]): Promise<PreparedAuthenticators> {
    const changed = extensions.filter((one) => !this.#extensions.some((known) => isDeepStrictEqual(known, one)));
    const started = new Map<string, Authenticator>();
    const undo = () => {
      for (const [id, authenticator] of started) {
        authenticator.stop();
        if (!this.#extensions.some((known) => known.id === id)) this.#byId.delete(id);
      }
    };
    try {
      for (const extension of changed) started.set(extension.id, await this.#started(extension));
    } catch (thrown) {
      undo();
      throw thrown;
    }
    for (const [id, authenticator] of started) {
      if (!this.#byId.has(id)) this.#byId.set(id, new ReplaceableAuthenticator(authenticator));
    }
    return { undo, commit: () => this.#commit(extensions, started) };
  }

  stop(): void {
    for (const authenticator of this.#byId.values()) authenticator.stop();
  }

  #commit(extensions: readonly AuthExtension[], started: ReadonlyMap<string, Authenticator>): void {
    for (const { id } of this.#extensions) {
      const next = started.get(id);
      if (next !== undefined) this.#byId.get(id)?.replace(next);
      if (extensions.some((one) => one.id === id)) continue;
      this.#byId.get(id)?.stop();
      this.#byId.delete(id);
    }
    this.#extensions = extensions;
  }

  async #started(extension: AuthExtension): Promise<Authenticator> {
    // Loaded here, so that whoever has none does not wait for it.
    const { createAuthenticator } = await import('./create.ts');
    const authenticator = createAuthenticator(extension);
    await authenticator.start(this.#clock, this.#logger);
    return authenticator;
  }
}
