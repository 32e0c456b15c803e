import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import { PipelineError } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import { WatchedFiles } from '../watched-files.ts';
import type { Authenticator } from './authenticator.ts';
import { type BasicAuthConfig, userLines, usersProblem } from './config.ts';
import { Passwords } from './passwords.ts';
import { digest } from './same-text.ts';
import { Strangers } from './strangers.ts';

/** Credentials that were right, and as many that were not, so that the next request with them costs no bcrypt. */
const KNOWN_MAX = 1024;

/** Lets in whoever knows a user's password (RFC 7617). */
export class BasicAuth implements Authenticator {
  readonly challenge = 'Basic realm="windback", charset="UTF-8"';
  readonly #config: BasicAuthConfig;
  readonly #id: string;
  readonly #files: WatchedFiles;
  readonly #known = new LRUCache<string, true>({ max: KNOWN_MAX });
  /** Apart from those, so that nobody pushes them out by guessing. */
  readonly #refused = new LRUCache<string, true>({ max: KNOWN_MAX });
  #passwords = new Passwords(new Map());
  #strangers = new Strangers(0);
  #clock: Clock | undefined;
  #endWatching: () => void = () => {};

  constructor(id: string, config: BasicAuthConfig) {
    this.#id = id;
    this.#config = config;
    this.#files = new WatchedFiles({ [`extensions.${id}.htpasswd.file`]: config.htpasswd.file });
  }

  async start(clock: Clock, logger: Logger): Promise<void> {
    this.#clock = clock;
    this.#strangers = new Strangers(clock.now());
    await this.#read();
    if (this.#config.htpasswd.file === undefined) return;
    this.#endWatching = clock.every(this.#config.reload_interval, async () => {
      try {
        if (!(await this.#files.changed())) return;
        await this.#read();
        logger.info({ extension: this.#id }, 'new users are in use');
      } catch (error) {
        logger.warn({ extension: this.#id }, `${(error as Error).message}; the users from before stay in use`);
      }
    });
  }

  stop(): void {
    this.#endWatching();
  }

  check({ authorization }: Readonly<Record<string, string | undefined>>): void {
    const [, encoded] = /^basic +([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '') ?? [];
    if (encoded === undefined)
      throw new PipelineError('unauthenticated', 'want Authorization: Basic USER:PASSWORD in base64');
    const known = digest(encoded).toString('base64');
    if (this.#known.get(known) === true) return;
    if (this.#refused.get(known) === true || !this.#fits(encoded)) {
      this.#refused.set(known, true);
      throw new PipelineError('unauthenticated', 'there is no such user with this password');
    }
    this.#known.set(known, true);
  }

  /** Throws `auth_busy`. */
  #fits(encoded: string): boolean {
    const told = Buffer.from(encoded, 'base64').toString('utf8');
    const colon = told.indexOf(':');
    // No user has the name '', so who tells none is compared as one that is unknown.
    const user = told.slice(0, Math.max(colon, 0));
    const isKnown = this.#passwords.has(user);
    this.#strangers.admit(isKnown ? user : undefined, this.#clock?.now() ?? 0, `extensions.${this.#id}`);
    return this.#passwords.fits(user, told.slice(colon + 1));
  }

  async #read(): Promise<void> {
    const [file] = (await this.#files.read()).values();
    const users = new Map<string, string>();
    for (const text of [file?.toString('utf8') ?? '', this.#config.htpasswd.inline ?? '']) {
      const problem = usersProblem(text);
      if (problem !== undefined) throw new PipelineError('config', `extensions.${this.#id}.htpasswd: ${problem}`);
      for (const [, user, password] of userLines(text)) users.set(user, password);
    }
    if (users.size === 0) throw new PipelineError('config', `extensions.${this.#id}.htpasswd: there is no user in it`);
    this.#passwords = new Passwords(users);
    this.#strangers.forgetNames(this.#clock?.now() ?? 0);
    // Whoever has been let in by what is gone must not go on, and who was refused may be right now.
    this.#known.clear();
    this.#refused.clear();
  }
}
