import { PipelineError } from '../errors.ts';

/** Unknown credentials to look at, at once and per second: bcrypt takes the thread for a tenth of a second. */
const STRANGERS_BURST = 10;
const STRANGERS_PER_SECOND = 1;
/** The same of one name: a part, so that whoever tries passwords of one user leaves the rest to the others. */
const NAME_BURST = 4;
const NAME_PER_SECOND = 1 / 4;

/** How many unknown credentials are looked at. What is more is refused, never waited for. */
export class Strangers {
  readonly #all: Places;
  readonly #byName = new Map<string, Places>();
  /** Of all names that no user has: whoever makes up names must not get places by it. */
  #unknown: Places;

  constructor(nowMs: number) {
    this.#all = new Places(STRANGERS_BURST, STRANGERS_PER_SECOND, nowMs);
    this.#unknown = new Places(NAME_BURST, NAME_PER_SECOND, nowMs);
  }

  /** Takes a place for credentials of this user, undefined where there is none. Throws `auth_busy`, of `what`. */
  admit(user: string | undefined, nowMs: number, what: string): void {
    const own = user === undefined ? this.#unknown : this.#of(user, nowMs);
    for (const places of [own, this.#all]) {
      if (!places.isFree(nowMs)) throw new PipelineError('auth_busy', what, { retryAfterMs: places.pauseMs });
    }
    own.take();
    this.#all.take();
  }

  /** Other users have names now. What all may ask for stays as it is. */
  forgetNames(nowMs: number): void {
    this.#byName.clear();
    this.#unknown = new Places(NAME_BURST, NAME_PER_SECOND, nowMs);
  }

  #of(user: string, nowMs: number): Places {
    const known = this.#byName.get(user);
    if (known !== undefined) return known;
    const places = new Places(NAME_BURST, NAME_PER_SECOND, nowMs);
    this.#byName.set(user, places);
    return places;
  }
}

/** Places that come back one by one. */
class Places {
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;
  #atMs: number;

  constructor(burst: number, perSecond: number, nowMs: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#left = burst;
    this.#atMs = nowMs;
  }

  /** How long one takes to come back. */
  get pauseMs(): number {
    return 1000 / this.#perSecond;
  }

  isFree(nowMs: number): boolean {
    const gained = (Math.max(nowMs - this.#atMs, 0) / 1000) * this.#perSecond;
    this.#left = Math.min(this.#burst, this.#left + gained);
    this.#atMs = nowMs;
    return this.#left >= 1;
  }

  take(): void {
    this.#left--;
  }
}
