/** Minutes remembered one by one. */
export const REMEMBERED = 120;
/** Minutes of an hour that must be known for it to count. */
const ENOUGH = 20;
const HOURS_PER_DAY = 24;
const HOURS_PER_WEEK = 168;
/** The usual high is that of nine minutes of ten. */
const USUAL = 0.9;
/** How far the usual high comes down per week towards one that was lower. Up it goes at once. */
const FALLING = 0.25;

/** What `save` gives: base64 of float32, oldest first. */
export interface SavedRatios {
  readonly recent: string;
  readonly hour: number;
  readonly inHour: number;
  readonly hours: string;
}

/**
 * One indicator's ratios of seen to expected: the last 120 minutes one by one, and the usual high of each hour of the
 * week. Bytes: none before the first, then 480, and 672 once an hour is over. Larger is worse; an indicator where less is worse stores negatives.
 */
export class Ratios {
  /** Undefined before the first: of many an indicator nothing is ever learnt. */
  #recent: Float32Array | undefined;
  /** The usual high by hour of the week; NaN where unknown. */
  #hours: Float32Array | undefined;
  #next = 0;
  #count = 0;
  /** The hour since 1970 that is being learnt, and its minutes so far. */
  #hour = 0;
  #inHour = 0;

  get count(): number {
    return this.#count;
  }

  learn(minute: number, ratio: number): void {
    const hour = Math.floor(minute / 60);
    if (hour !== this.#hour) {
      this.#endHour();
      this.#hour = hour;
      this.#inHour = 0;
    }
    this.#recent ??= new Float32Array(REMEMBERED);
    this.#recent[this.#next] = ratio;
    this.#next = (this.#next + 1) % REMEMBERED;
    this.#count = Math.min(REMEMBERED, this.#count + 1);
    this.#inHour++;
  }

  /** The `rank`-th largest of the remembered ratios; 1 is the largest. */
  largest(rank: number): number {
    return this.#last(this.#count).sort()[this.#count - rank] as number;
  }

  /** How many of the remembered ratios are at least as large. */
  atLeast(ratio: number): number {
    const value = Math.fround(ratio);
    let found = 0;
    for (let i = 0; i < this.#count; i++) if ((this.#recent?.[i] as number) >= value) found++;
    return found;
  }

  /** Runs of neighbouring ratios of at least `threshold`. */
  runs(threshold: number): number {
    let runs = 0;
    let isIn = false;
    for (const ratio of this.#last(this.#count)) {
      if (ratio >= threshold && !isIn) runs++;
      isIn = ratio >= threshold;
    }
    return runs;
  }

  /** The usual high of this hour of the week; where no such hour is known, the highest of the same hour on other days. */
  usual(minute: number): number | undefined {
    if (this.#hours === undefined) return undefined;
    const hour = Math.floor(minute / 60) % HOURS_PER_WEEK;
    const own = this.#hours[hour] as number;
    if (!Number.isNaN(own)) return own;
    const others = this.#hours.filter((high, i) => (i - hour) % HOURS_PER_DAY === 0 && !Number.isNaN(high));
    return others.length === 0 ? undefined : Math.max(...others);
  }

  save(): SavedRatios {
    return {
      recent: encode(this.#last(this.#count)),
      hour: this.#hour,
      inHour: this.#inHour,
      hours: this.#hours === undefined ? '' : encode(this.#hours),
    };
  }

  static restore({ recent, hour, inHour, hours }: SavedRatios): Ratios {
    const ratios = new Ratios();
    const values = decode(recent);
    if (values.length > 0) {
      ratios.#recent = new Float32Array(REMEMBERED);
      ratios.#recent.set(values);
    }
    ratios.#count = values.length;
    ratios.#next = values.length % REMEMBERED;
    ratios.#hour = hour;
    ratios.#inHour = inHour;
    if (hours !== '') ratios.#hours = decode(hours);
    return ratios;
  }

  /** The newest `count` ratios, oldest first; a copy. */
  #last(count: number): Float32Array {
    return Float32Array.from({ length: count }, (_, i) => {
      const place = (this.#next - count + i + REMEMBERED) % REMEMBERED;
      return this.#recent?.[place] as number;
    });
  }

  #endHour(): void {
    if (this.#inHour < ENOUGH) return;
    this.#hours ??= new Float32Array(HOURS_PER_WEEK).fill(Number.NaN);
    const high = this.#last(this.#inHour).sort()[Math.ceil(USUAL * this.#inHour) - 1] as number;
    const place = this.#hour % HOURS_PER_WEEK;
    const before = this.#hours[place] as number;
    const isFall = high < before;
    this.#hours[place] = isFall ? before + FALLING * (high - before) : high;
  }
}

function encode(values: Float32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}

function decode(text: string): Float32Array {
  const bytes = Buffer.from(text, 'base64');
  return new Float32Array(Uint8Array.from(bytes).buffer);
}
