import { createHash } from 'node:crypto';
import { compareSync } from 'bcryptjs';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import { PipelineError } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import { WatchedFiles } from '../watched-files.ts';
import type { Authenticator } from './authenticator.ts';
import { type BasicAuthConfig, userLines, usersProblem } from './config.ts';
import { digest, isOneOf } from './same-text.ts';

/** Credentials that were right, so that the next request with them costs no bcrypt. */
const KNOWN_MAX = 1024;
/** Unknown credentials to look at, at once and per second: bcrypt takes the thread for a tenth of a second. */
const STRANGERS_BURST = 10;
const STRANGERS_PER_SECOND = 1;
const BCRYPT = /^\$2[aby]?\$/;
/** What a user is compared with that is not known, so that it takes as long: bcrypt of nothing in particular. */
const NOBODY = '$2b$10$p.D14R60AOeOZNKjUImfQ.tgfuoVSIbVAv1VSsZViwgH6AG9/3npa';

/** Lets in whoever knows a user's password (RFC 7617). */
export class BasicAuth implements Authenticator {
  readonly challenge = 'Basic realm="windback", charset="UTF-8"';
  readonly #config: BasicAuthConfig;
  readonly #id: string;
  readonly #files: WatchedFiles;
  readonly #known = new LRUCache<string, true>({ max: KNOWN_MAX });
  #users = new Map<string, string>();
  #strangersLeft = STRANGERS_BURST;
  #strangersAtMs = 0;
  #clock: Clock | undefined;
  #endWatching: () => void = () => {};

  constructor(id: string, config: BasicAuthConfig) {
    this.#id = id;
    this.#config = config;
    this.#files = new WatchedFiles({ [`extensions.${id}.htpasswd.file`]: config.htpasswd.file });
  }

  async start(clock: Clock, logger: Logger): Promise<void> {
    this.#clock = clock;
    this.#strangersAtMs = clock.now();
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
    this.#admitStranger();
    const told = Buffer.from(encoded, 'base64').toString('utf8');
    const colon = told.indexOf(':');
    const kept = colon < 0 ? undefined : this.#users.get(told.slice(0, colon));
    if (!fits(told.slice(colon + 1), kept ?? NOBODY) || kept === undefined)
      throw new PipelineError('unauthenticated', 'there is no such user with this password');
    this.#known.set(known, true);
  }

  #admitStranger(): void {
    const nowMs = this.#clock?.now() ?? 0;
    const gained = (Math.max(nowMs - this.#strangersAtMs, 0) / 1000) * STRANGERS_PER_SECOND;
    this.#strangersLeft = Math.min(STRANGERS_BURST, this.#strangersLeft + gained);
    this.#strangersAtMs = nowMs;
    if (this.#strangersLeft < 1) throw new PipelineError('auth_busy', `extensions.${this.#id}`, { retryAfterMs: 1000 });
    this.#strangersLeft--;
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
    this.#users = users;
    // Whoever has been let in by what is gone must not go on.
    this.#known.clear();
  }
}

/** Whether a password is the one that is kept, in any of the forms of htpasswd. */
function fits(password: string, kept: string): boolean {
  if (BCRYPT.test(kept)) return compareSync(password, kept);
  if (kept.startsWith('{SHA}'))
    return isOneOf(`{SHA}${createHash('sha1').update(password).digest('base64')}`, [digest(kept)]);
  return isOneOf(password, [digest(kept)]);
}
