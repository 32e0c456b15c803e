import type { Clock } from '../clock.ts';
import { PipelineError } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import { WatchedFiles } from '../watched-files.ts';
import type { Authenticator } from './authenticator.ts';
import type { BearerTokenAuthConfig } from './config.ts';
import { digest, isOneOf } from './same-text.ts';

/** Lets in whoever carries one of its tokens (RFC 6750). */
export class BearerTokenAuth implements Authenticator {
  readonly challenge = 'Bearer realm="windback"';
  readonly #config: BearerTokenAuthConfig;
  readonly #id: string;
  readonly #header: string;
  readonly #prefix: string;
  readonly #files: WatchedFiles;
  #digests: readonly Buffer[] = [];
  #endWatching: () => void = () => {};

  constructor(id: string, config: BearerTokenAuthConfig) {
    this.#id = id;
    this.#config = config;
    this.#header = config.header.toLowerCase();
    this.#prefix = config.scheme === '' ? '' : `${config.scheme} `;
    this.#files = new WatchedFiles({ [`extensions.${id}.filename`]: config.filename });
  }

  async start(clock: Clock, logger: Logger): Promise<void> {
    await this.#read();
    if (this.#config.filename === undefined) return;
    this.#endWatching = clock.every(this.#config.reload_interval, async () => {
      try {
        if (!(await this.#files.changed())) return;
        await this.#read();
        logger.info({ extension: this.#id }, 'new tokens are in use');
      } catch (error) {
        logger.warn({ extension: this.#id }, `${(error as Error).message}; the tokens from before stay in use`);
      }
    });
  }

  stop(): void {
    this.#endWatching();
  }

  check(headers: Readonly<Record<string, string | undefined>>): void {
    const told = headers[this.#header];
    if (told === undefined) throw new PipelineError('unauthenticated', `there is no header ${this.#config.header}`);
    // Schemes are compared whatever their case (RFC 9110, 11.1).
    const hasScheme = told.slice(0, this.#prefix.length).toLowerCase() === this.#prefix.toLowerCase();
    if (!hasScheme) throw new PipelineError('unauthenticated', `want ${this.#prefix}TOKEN`);
    if (!isOneOf(told.slice(this.#prefix.length), this.#digests))
      throw new PipelineError('unauthenticated', 'the token is not one of those known here');
  }

  async #read(): Promise<void> {
    const { token, tokens } = this.#config;
    const [file] = (await this.#files.read()).values();
    const lines = file
      ?.toString('utf8')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
    if (lines?.length === 0)
      throw new PipelineError('config', `extensions.${this.#id}.filename: there is no token in it`);
    this.#digests = (lines ?? [...(token === undefined ? [] : [token]), ...tokens]).map(digest);
  }
}
