/** Minutes of telemetry with everything in it that decides or shows, and a judge that is fed with it. */
import { ManualClock } from '../../pipeline/clock.ts';
import type { Storage } from '../../pipeline/storage.ts';
import { VerdictProcessor } from '../../processors/verdict/verdict.ts';
import type { DeltaSeries, DeploymentEvent, HealthDelta } from '../../proto/windback/health.ts';
import { valueBinOf } from '../../proto/windback/value-bins.ts';
import { Sink, testContext } from './context.ts';
import { config, deployment, series, START } from './judging.ts';
import type { Random } from './random.ts';

/** What a version does in a second. */
interface Doing {
  readonly service: string;
  readonly version: string;
  readonly instance: string;
  readonly rate: number;
  readonly errors: number;
  readonly ms: number;
  /** The part of its failed requests that failed since a call did. */
  readonly blamed?: number;
  readonly callsEach: number;
  readonly memory: number;
  readonly signature: string;
}

/** Indicators of the user's own that `eventful` counts. */
export const CUSTOM = { declined: {} } as const;

/**
 * Some minutes of three services: `cart` calls `pay`, whose new version is bad, so that its own new one fails too;
 * `mail` has request metrics alone and two candidates at once. Instances come and go, and stragglers come late.
 */
export function eventful(random: Random, seconds: number): HealthDelta[] {
  const turn = (part: number) => Math.round(seconds * part);
  const second = (i: number): Doing[] => {
    const common = { callsEach: 1, memory: 100 + i / 60, signature: 'timeout after <*> ms', ms: 20, errors: 0.01 };
    const one = (service: string, version: string, host: string, rate: number, more: Partial<Doing> = {}): Doing => ({
      ...common,
      service,
      version,
      instance: `${version}-${host}`,
      rate,
      ...more,
    });
    const bad = { errors: 0.3, ms: 45, callsEach: 2, memory: 100 + i, signature: 'TypeError at pay (pay.js)' };
    return [
      one('cart', '1', 'a', 4),
      one('cart', '1', 'b', 4),
      ...(i < turn(0.2) ? [] : [one('cart', '2', 'a', 2, { errors: 0.3, blamed: 0.9 })]),
      one('pay', '1', 'a', 4),
      one('pay', '1', 'b', 4),
      ...(i < turn(0.25) || i > turn(0.9) ? [] : [one('pay', '2', 'a', 2, bad), one('pay', '2', 'b', 2, bad)]),
      one('mail', '7', 'a', 3),
      ...(i < turn(0.3)
        ? []
        : [one('mail', '8', 'a', 2), one('mail', '9', `${Math.floor(i / 30)}`, 1, { errors: 0.2 })]),
    ];
  };
  return Array.from({ length: seconds }, (_, i) => ({
    source: 'one',
    slot: START + i,
    series: second(i)
      .flatMap((doing) => [...(doing.service === 'mail' ? exported(random, doing, i) : traced(random, doing, i))])
      .filter(({ all }) => all > 0),
    events: announced(i, turn),
  }));
}

function announced(i: number, turn: (part: number) => number): DeploymentEvent[] {
  const events: DeploymentEvent[] = [];
  const add = (service: string, spec: Partial<DeploymentEvent> & { version: string }) =>
    events.push(deployment({ service, atSeconds: START + i, ...spec }));
  if (i === turn(0.2)) add('cart', { version: '2', previousVersion: '1', weight: 0.2 });
  if (i === turn(0.25)) {
    add('pay', { version: '2', previousVersion: '1', weight: 0.1 });
    add('pay', { version: '2', status: 'succeeded', weight: 0.3 });
  }
  if (i === turn(0.6)) add('mail', { version: '9', weight: 0.5 });
  return events;
}

/** A version with spans, logs, gauges and an indicator of the user's own. */
function traced(random: Random, doing: Doing, i: number): DeltaSeries[] {
  const { service, version, instance, rate, errors, ms, callsEach, memory, signature, blamed = 0 } = doing;
  const of = { service, version, instance };
  const seen: DeltaSeries[] = [];
  for (const operation of ['GET /a', 'POST /b']) {
    const all = random.poisson(rate / 2);
    const bad = random.binomial(all, errors);
    const fast = random.below(all + 1);
    const exemplars = Array.from({ length: Math.min(10, bad) }, () => hex(random)).sort();
    seen.push(series({ ...of, operation, all, bad, ms: { [ms]: fast, [ms * 2]: all - fast }, exemplars }));
    seen.push(series({ ...of, operation, kind: 'metric', all: all * 3, ms: { 5: all * 3 } }));
    const calling = random.binomial(all, 0.95);
    const bins = { bin: calling > 0 ? [callsEach] : [], count: calling > 0 ? [calling] : [] };
    seen.push({ ...series({ ...of, operation, kind: 'calls', name: 'pay', all: calling }), bins });
    const origins = random.binomial(bad, blamed);
    seen.push(series({ ...of, operation, kind: 'origin', name: 'pay', all: origins, bad: origins }));
    seen.push(series({ ...of, operation, kind: 'custom', name: 'declined', all, bad: random.binomial(all, errors) }));
  }
  const records = random.poisson(rate);
  seen.push(series({ ...of, kind: 'log', operation: '', all: records, bad: random.binomial(records, errors) }));
  const thrown = random.binomial(records, errors);
  seen.push(series({ ...of, kind: 'signature', operation: '', name: signature, all: thrown, bad: thrown }));
  // More of them than anybody remembers, several in a second.
  for (let n = random.poisson(service === 'pay' && version === '2' ? 2 : 0.1); n > 0; n--) {
    const own = `Error${random.below(200)} at step (${service}.js)`;
    seen.push(series({ ...of, kind: 'signature', operation: '', name: own, all: 1, bad: 1 }));
  }
  if (i % 5 === 0) seen.push(gauge(of, 'memory', memory * (0.95 + 0.1 * random.next())));
  return seen;
}

/** A version with request metrics alone, exported every ten seconds. */
function exported(random: Random, { service, version, instance, rate, errors, ms }: Doing, i: number): DeltaSeries[] {
  if (i % 10 !== 0) return [];
  const all = random.poisson(rate * 10);
  return [
    series({ service, version, instance, kind: 'metric', all, bad: random.binomial(all, errors), ms: { [ms]: all } }),
  ];
}

function gauge(of: { service: string; version: string; instance: string }, name: string, value: number): DeltaSeries {
  const bins = { bin: [valueBinOf(value)], count: [1] };
  return { ...series({ ...of, kind: 'resource', operation: '', name, all: 1 }), bins };
}

function hex(random: Random): string {
  const words = Array.from({ length: 4 }, () => random.below(2 ** 32));
  return words.map((word) => word.toString(16).padStart(8, '0')).join('');
}

/** A delta, and when it comes. */
export interface Arrival {
  readonly atMs: number;
  readonly delta: HealthDelta;
}

/** Every second's delta when the second is over. */
export function live(deltas: readonly HealthDelta[]): Arrival[] {
  return deltas.map((delta) => ({ atMs: (delta.slot + 1) * 1000, delta }));
}

/** The series of a delta dealt out to several, as if several processes had folded it. */
export function split(delta: HealthDelta, parts: number, random: Random): HealthDelta[] {
  const dealt = Array.from({ length: parts }, (_, i) => ({
    ...delta,
    source: `part-${i}`,
    series: [] as DeltaSeries[],
    events: [] as DeploymentEvent[],
  }));
  for (const event of delta.events) dealt[random.below(parts)]?.events.push(event);
  for (const one of delta.series) {
    for (const share of halves(one, random)) dealt[random.below(parts)]?.series.push(share);
  }
  return dealt.map((part) => ({ ...part, series: random.shuffle(part.series), events: random.shuffle(part.events) }));
}

/** One series as two whose sum it is, or as one. */
function halves(whole: DeltaSeries, random: Random): DeltaSeries[] {
  const taken = whole.bins.count.map((count) => random.below(count + 1));
  const all = whole.bins.bin.length === 0 ? random.below(whole.all + 1) : taken.reduce((a, b) => a + b, 0);
  const least = Math.max(0, whole.bad - (whole.all - all));
  const bad = least + random.below(Math.min(all, whole.bad) - least + 1);
  const part = (counts: readonly number[], total: number, wrong: number, exemplars: readonly string[]): DeltaSeries => {
    const kept = whole.bins.bin.map((bin, i) => [bin, counts[i] as number] as const).filter(([, count]) => count > 0);
    const bins = { bin: kept.map(([bin]) => bin), count: kept.map(([, count]) => count) };
    return { ...whole, all: total, bad: wrong, bins, exemplars };
  };
  const rest = whole.bins.count.map((count, i) => count - (taken[i] as number));
  const cut = all === 0 ? 0 : all === whole.all ? whole.exemplars.length : random.below(whole.exemplars.length + 1);
  const first = part(taken, all, bad, whole.exemplars.slice(0, cut));
  const second = part(rest, whole.all - all, whole.bad - bad, whole.exemplars.slice(cut));
  return [first, second].filter((one) => one.all > 0);
}

/** How a judge is fed. */
export interface Feeding {
  readonly overrides?: Record<string, unknown>;
  /** Where its state lies. */
  readonly storage?: Storage;
  /** Seconds from the start at which it is stopped and another one started from its storage; ascending. */
  readonly restarts?: readonly number[];
}

/** The decisions of a processor that gets the arrivals in the order of their time, one JSON text a line. */
export async function judged(arrivals: readonly Arrival[], feeding: Feeding = {}): Promise<string> {
  const { overrides = {}, storage, restarts = [] } = feeding;
  const clock = new ManualClock(START * 1000);
  const sink = new Sink(['decisions']);
  const made = () => {
    const context = testContext('verdict', storage === undefined ? { clock } : { clock, storage });
    return new VerdictProcessor(config(overrides), sink, context);
  };
  let processor = made();
  await processor.start();
  const due = restarts.map((second) => (START + second) * 1000);
  const restart = async () => {
    // Right after a tick: when it looks at the clock is part of what comes too late.
    await clock.advanceTo(due.shift() as number);
    await processor.stop();
    processor = made();
    await processor.start();
  };
  for (const { atMs, delta } of arrivals.toSorted((a, b) => a.atMs - b.atMs)) {
    while (due.length > 0 && (due[0] as number) <= atMs) await restart();
    await clock.advanceTo(atMs);
    await processor.consume({ signal: 'health', items: 1, deltas: [delta] });
  }
  await clock.advanceTo(clock.now() + 300_000);
  await processor.stop();
  return sink.batches
    .flatMap((batch) => (batch.signal === 'decisions' ? batch.decisions : []))
    .map((event) => JSON.stringify(event))
    .join('\n');
}
