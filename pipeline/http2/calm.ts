import { ERROR, Http2Error } from './protocol.ts';

/** Frames without work that a peer may send at once, and per second from then on. */
const BURST = 1000;
const PER_SECOND = 200;
/** What we send makes the peer widen its windows: one such frame for so many bytes is no flood. */
const BYTES_PER_FRAME = 256;

/**
 * Bounds what costs us more than it costs the other side: pings, settings, resets, empty frames (CVE-2019-9512, 9515,
 * 9518, CVE-2023-44487). Whatever carries work gives some of it back, so a busy connection is not mistaken for a flood.
 */
export class Calm {
  #left = BURST;
  #atMs = performance.now();

  /** A frame came that carries no work. Throws `enhanceYourCalm` where there were too many. */
  spend(amount = 1): void {
    this.#left -= amount;
    if (this.#left >= 0) return;
    const nowMs = performance.now();
    this.#left = Math.min(BURST, this.#left + ((nowMs - this.#atMs) / 1000) * PER_SECOND);
    this.#atMs = nowMs;
    if (this.#left < 0) throw new Http2Error(ERROR.enhanceYourCalm, 'too many frames that carry nothing');
  }

  /** A frame came that carries work. */
  earn(): void {
    if (this.#left < BURST) this.#left++;
  }

  /** So many bytes of bodies went out. */
  earnBySending(bytes: number): void {
    this.#left = Math.min(BURST, this.#left + Math.ceil(bytes / BYTES_PER_FRAME));
  }
}
