/**
 * The memory of one request: its bytes and its columns, which are used again once nobody reads them any more. Whoever
 * opens the request holds it; whoever keeps it beyond the promise of `consume` holds it too, and lets go afterwards.
 * A holder that never lets go costs a reuse, no more: the collector has the memory then.
 */
export class Lease {
  #holders = 1;
  readonly #giveBack: (() => void)[] = [];

  /** What to do once nobody holds it. */
  onEnd(giveBack: () => void): void {
    this.#giveBack.push(giveBack);
  }

  /** Throws where it has ended: what it was about may be somebody else's by now. */
  hold(): void {
    if (this.#holders === 0) throw new Error('a lease was held after its end');
    this.#holders++;
  }

  /** Throws where it has ended: somebody lets go twice, and the next time another holder would lose its memory. */
  letGo(): void {
    if (this.#holders === 0) throw new Error('a lease was let go of after its end');
    if (--this.#holders === 0) for (const giveBack of this.#giveBack.splice(0)) giveBack();
  }
}
