/**
 * The memory of one request: its bytes and its columns, which are used again once nobody reads them any more. Whoever
 * opens the request holds it; whoever keeps it beyond the promise of `consume` holds it too, and lets go afterwards.
 * A holder that never lets go costs a reuse, no more: the collector has the memory then.
 */
export class Lease {
  #holders = 1;
  /** Those who hold the bytes alone. */
  #keepers = 0;
  readonly #giveBack: (() => void)[] = [];
  readonly #giveBackColumns: (() => void)[] = [];

  /** What to do once nobody holds it. */
  onEnd(giveBack: () => void): void {
    this.#giveBack.push(giveBack);
  }

  /** What to do once nobody holds more of it than the bytes. */
  onColumnsEnd(giveBack: () => void): void {
    this.#giveBackColumns.push(giveBack);
  }

  /** Throws where it has ended: what it was about may be somebody else's by now. */
  hold(): void {
    this.#check();
    this.#holders++;
  }

  /** Holds the bytes, and not the columns, until `other` ends. Throws where it has ended itself. */
  holdBytesFor(other: Lease): void {
    this.#check();
    this.#keepers++;
    other.onEnd(() => {
      this.#keepers--;
      this.#endIfNobodys();
    });
  }

  /** Throws where it has ended: somebody lets go twice, and the next time another holder would lose its memory. */
  letGo(): void {
    if (this.#holders === 0) throw new Error('a lease was let go of after its end');
    if (--this.#holders > 0) return;
    for (const giveBack of this.#giveBackColumns.splice(0)) giveBack();
    this.#endIfNobodys();
  }

  #check(): void {
    if (this.#holders === 0) throw new Error('a lease was held after its end');
  }

  #endIfNobodys(): void {
    if (this.#holders === 0 && this.#keepers === 0) for (const giveBack of this.#giveBack.splice(0)) giveBack();
  }
}
