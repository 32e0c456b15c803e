/** Health deltas of many services, second by second, made beforehand so that only the judge is measured. */
import { ManualClock } from '../../pipeline/clock.ts';
import type { Context } from '../../pipeline/component.ts';
import type { Storage } from '../../pipeline/storage.ts';
import { verdictConfig } from '../../processors/verdict/config.ts';
import { VerdictProcessor } from '../../processors/verdict/verdict.ts';
import type { Bins, DeltaSeries, HealthDelta } from '../../proto/windback/health.ts';
import { Sink, testContext } from '../../test/support/context.ts';

/** Second 0 in event time: 14 November 2023, 22:13:20 UTC. */
const START = 1_700_000_000;
/** Requests of a series in a second, and one series in so many has a failed one among them. */
const REQUESTS = 6;
const FAILS_EVERY = 40;

export interface Spec {
  readonly services: number;
  /** Operations and instances of each, all versions together. */
  readonly operations: number;
  readonly instances: number;
  /** The part of the services with a candidate, on a tenth of the instances, on one at least. */
  readonly rollouts: number;
  readonly hasLatencies: boolean;
}

/** A judge and what it is fed with. */
export class Load {
  readonly spec: Spec;
  readonly processor: VerdictProcessor;
  readonly context: Context;
  readonly clock = new ManualClock(START * 1000);
  /** By service, then by variant: what a second brings without a candidate, and with one. */
  readonly #alone: DeltaSeries[][][];
  readonly #beside: DeltaSeries[][][];
  #second = 0;

  constructor(spec: Spec, storage?: Storage) {
    this.spec = spec;
    this.context = testContext('verdict', { clock: this.clock, ...(storage === undefined ? {} : { storage }) });
    this.processor = new VerdictProcessor(verdictConfig.parse({}), new Sink(['decisions']), this.context);
    const services = Array.from({ length: spec.services }, (_, i) => i);
    this.#alone = services.map((i) => variants(spec, i, false));
    this.#beside = services.map((i) => variants(spec, i, i < spec.rollouts * spec.services));
  }

  /** Series of all services in a second. */
  get series(): number {
    return this.spec.services * this.spec.operations * this.spec.instances;
  }

  /** What the next second brings; from `candidateFrom` on, candidates among it. */
  next(candidateFrom: number): HealthDelta[] {
    const services = this.#second < candidateFrom ? this.#alone : this.#beside;
    const slot = START + this.#second;
    const deltas = services.map((variantsOfOne, i) => {
      const series = variantsOfOne[(this.#second + i) % variantsOfOne.length] as DeltaSeries[];
      return { source: 'bench', slot, series, events: [] };
    });
    this.#second++;
    return deltas;
  }

  /** The moment at which the last second that was asked for is over, ms. */
  get nowMs(): number {
    return (START + this.#second) * 1000;
  }

  consume(deltas: readonly HealthDelta[]): Promise<void> {
    return this.processor.consume({ signal: 'health', items: deltas.length, deltas });
  }
}

const VARIANTS = 4;

function variants(spec: Spec, service: number, hasCandidate: boolean): DeltaSeries[][] {
  return Array.from({ length: VARIANTS }, (_, variant) => seriesOf(spec, service, hasCandidate, variant));
}

function seriesOf(spec: Spec, service: number, hasCandidate: boolean, variant: number): DeltaSeries[] {
  const candidates = hasCandidate ? Math.max(1, Math.floor(spec.instances / 10)) : 0;
  const series: DeltaSeries[] = [];
  for (let instance = 0; instance < spec.instances; instance++) {
    for (let operation = 0; operation < spec.operations; operation++) {
      const isBad = (series.length + variant) % FAILS_EVERY === 0;
      series.push({
        namespace: 'bench',
        service: name('s', service),
        environment: 'prod',
        version: instance < candidates ? '2' : '1',
        instance: name('i', instance),
        operation: name('GET /', operation),
        kind: 'span',
        name: '',
        all: REQUESTS,
        bad: isBad ? 1 : 0,
        bins: spec.hasLatencies ? (LATENCIES[(variant + operation) % LATENCIES.length] as Bins) : NO_BINS,
        exemplars: [],
      });
    }
  }
  // A candidate on an instance of its own, where there is only one.
  if (hasCandidate && spec.instances === 1)
    return series.flatMap((one) => [one, { ...one, version: '1', instance: 'i' }]);
  return series;
}

const NO_BINS: Bins = { bin: [], count: [] };
/** Bins of 6 requests around 20 ms each, 1.1 % wide: over a block some 20 of them are used. */
const LATENCIES: readonly Bins[] = Array.from({ length: 7 }, (_, i) => ({
  bin: Array.from({ length: REQUESTS }, (__, j) => 760 + ((i * 11) % 7) + 7 * j),
  count: Array.from({ length: REQUESTS }, () => 1),
}));

const names = new Map<string, string>();
/** One string per name, as the folder of telemetry has. */
function name(prefix: string, number: number): string {
  const key = `${prefix}${number}`;
  const known = names.get(key);
  if (known !== undefined) return known;
  names.set(key, key);
  return key;
}
