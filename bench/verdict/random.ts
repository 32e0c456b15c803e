/**
 * Seeded numbers, fast enough for simulations that draw every request. The same seed gives the same run on every
 * machine. Sources: sfc32 of PractRand for the bits; Hörmann, "The transformed rejection method for generating Poisson
 * random variables" (1993), for means above 10.
 */
export class Random {
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 1;

  /** `seeds` are mixed; order matters. */
  constructor(...seeds: readonly number[]) {
    let state = 0x9e3779b9;
    for (const seed of seeds) state = mix(state ^ (seed >>> 0)) + (Math.floor(seed / 2 ** 32) >>> 0);
    this.#a = mix(state + 1);
    this.#b = mix(state + 2);
    this.#c = mix(state + 3);
    for (let i = 0; i < 12; i++) this.bits();
  }

  /** 32 random bits as a signed integer. */
  bits(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum;
  }

  /** Uniform in [0, 1). */
  next(): number {
    return (this.bits() >>> 0) / 4_294_967_296;
  }

  /** Uniform in [from, to). */
  between(from: number, to: number): number {
    return from + (to - from) * this.next();
  }

  /** An integer in [0, below). */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  /** Standard normal: Box and Muller. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }

  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }

  poisson(mean: number): number {
    if (!(mean > 0)) return 0;
    if (mean > 10) return this.#poissonOfLargeMean(mean);
    const limit = Math.exp(-mean);
    let count = 0;
    for (let product = this.next(); product > limit; product *= this.next()) count++;
    return count;
  }

  #poissonOfLargeMean(mean: number): number {
    const b = 0.931 + 2.53 * Math.sqrt(mean);
    const a = -0.059 + 0.02483 * b;
    const accepted = 0.9277 - 3.6224 / (b - 2);
    const inverse = 1.1239 + 1.1328 / (b - 3.4);
    for (;;) {
      const u = this.next() - 0.5;
      const v = this.next();
      const us = 0.5 - Math.abs(u);
      const count = Math.floor(((2 * a) / us + b) * u + mean + 0.43);
      if (us >= 0.07 && v <= accepted) return count;
      if (count < 0 || (us < 0.013 && v > us)) continue;
      const left = Math.log(v) + Math.log(inverse) - Math.log(a / (us * us) + b);
      if (left <= -mean + count * Math.log(mean) - logFactorial(count)) return count;
    }
  }

  /** Trials that succeed: by the gaps between successes, so that it costs as much as there are successes. */
  binomial(trials: number, probability: number): number {
    if (probability <= 0 || trials <= 0) return 0;
    if (probability >= 1) return trials;
    if (probability > 0.5) return trials - this.binomial(trials, 1 - probability);
    const scale = 1 / Math.log1p(-probability);
    let count = -1;
    for (let at = 0; at <= trials; at += 1 + Math.floor(Math.log(1 - this.next()) * scale)) count++;
    return Math.min(count, trials);
  }

  /**
   * Draws `draws` entries of `table` (65 536 of them), adds `shift` and counts each in `counts` at `offset` + its whole
   * part, limited to [0, `bins`). Returns nothing; two draws for every 32 bits.
   */
  tally(draws: number, table: Float32Array, shift: number, counts: Uint32Array, offset: number, bins: number): void {
    const last = bins - 1;
    for (let drawn = 0; drawn < draws; drawn += 2) {
      const bits = this.bits();
      let bin = Math.floor((table[bits & 0xffff] as number) + shift);
      let at = offset + (bin < 0 ? 0 : bin > last ? last : bin);
      counts[at] = (counts[at] as number) + 1;
      if (drawn + 1 === draws) return;
      bin = Math.floor((table[bits >>> 16] as number) + shift);
      at = offset + (bin < 0 ? 0 : bin > last ? last : bin);
      counts[at] = (counts[at] as number) + 1;
    }
  }
}

/** Murmur's finaliser: every bit of the seed moves every bit of the result. */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** A number for a text, to seed with. */
export function seedOf(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = mix(Math.imul(hash, 31) + text.charCodeAt(i));
  return hash >>> 0;
}

const LOG_FACTORIALS = Float64Array.from({ length: 16 }, () => 0);
for (let i = 2; i < 16; i++) LOG_FACTORIALS[i] = (LOG_FACTORIALS[i - 1] as number) + Math.log(i);

/** ln n!, by Stirling's series above 15. */
function logFactorial(n: number): number {
  if (n < 16) return LOG_FACTORIALS[n] as number;
  return (n + 0.5) * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * n) - 1 / (360 * n ** 3);
}
