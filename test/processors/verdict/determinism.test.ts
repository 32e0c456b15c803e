/** The same telemetry gives the same decisions, byte for byte, however it was folded, grouped and ordered. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../pipeline/clock.ts';
import { VerdictProcessor } from '../../../processors/verdict/verdict.ts';
import type { DeltaSeries, DeploymentEvent, HealthDelta } from '../../../proto/windback/health.ts';
import { Sink, testContext } from '../../support/context.ts';
import { config, deployment, series, START } from '../../support/judging.ts';
import { Random } from '../../support/random.ts';

/** What happened in each second: some minutes of a rollout with everything in it that decides or shows. */
function history(seed: number): HealthDelta[] {
  const random = new Random(seed);
  const deltas: HealthDelta[] = [];
  for (let i = 0; i < 420; i++) {
    const seen: DeltaSeries[] = [];
    const events: DeploymentEvent[] = [];
    const slot = START + i;
    if (i === 90) events.push({ ...deployment({ version: '2', previousVersion: '1', weight: 0.1 }), atSeconds: slot });
    if (i === 90) events.push({ ...deployment({ version: '2', weight: 0.2, status: 'succeeded' }), atSeconds: slot });
    const request = (version: string, instance: string, rate: number, errors: number) => {
      for (const operation of ['GET /a', 'POST /b']) {
        const all = random.poisson(rate);
        const bad = random.binomial(all, errors);
        const fast = random.below(all + 1);
        const exemplars = Array.from({ length: Math.min(10, bad) }, () => hex(random)).sort();
        seen.push(
          series({ version, instance, operation, all, bad, ms: { 12: fast, 40: all - fast }, exemplars }),
          series({ version, instance, operation, kind: 'metric', all: all * 3, bad: 0, ms: { 5: all * 3 } }),
        );
      }
      const records = random.poisson(rate);
      const bad = random.binomial(records, errors);
      seen.push(series({ version, instance, kind: 'log', operation: '', all: records, bad }));
    };
    request('1', '1-a', 5, 0.01);
    request('1', '1-b', 5, 0.01);
    if (i >= 100) request('2', '2-a', 2, 0.25);
    if (i >= 200) request('3', '3-a', 2, 0.01);
    if (i >= 200) request('4', '4-a', 2, 0.01);
    deltas.push({ source: 'one', slot, series: seen.filter(({ all }) => all > 0), events });
  }
  return deltas;
}

function hex(random: Random): string {
  return Array.from({ length: 4 }, () =>
    random
      .below(2 ** 32)
      .toString(16)
      .padStart(8, '0'),
  ).join('');
}

interface Arrival {
  readonly atMs: number;
  readonly delta: HealthDelta;
}

async function judge(arrivals: readonly Arrival[], overrides: Record<string, unknown> = {}): Promise<string> {
  const clock = new ManualClock(START * 1000);
  const sink = new Sink(['decisions']);
  const processor = new VerdictProcessor(config(overrides), sink, testContext('verdict', { clock }));
  await processor.start();
  for (const { atMs, delta } of [...arrivals].sort((a, b) => a.atMs - b.atMs)) {
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

const live = (deltas: readonly HealthDelta[]): Arrival[] =>
  deltas.map((delta) => ({ atMs: (delta.slot + 1) * 1000, delta }));

/** The series of a delta dealt out to several, as if several processes had folded it. */
function split(delta: HealthDelta, parts: number, random: Random): HealthDelta[] {
  const dealt = Array.from({ length: parts }, (_, i) => ({
    ...delta,
    source: `part-${i}`,
    series: [] as DeltaSeries[],
    events: [] as DeploymentEvent[],
  }));
  for (const event of delta.events) dealt[random.below(parts)]?.events.push(event);
  for (const one of delta.series) for (const [i, share] of halves(one, random)) dealt[i % parts]?.series.push(share);
  return dealt.map((part) => ({ ...part, series: random.shuffle(part.series), events: random.shuffle(part.events) }));
}

/** One series as two whose sum it is. */
function halves(whole: DeltaSeries, random: Random): [number, DeltaSeries][] {
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
  return ([first, second] as const)
    .filter((one) => one.all > 0)
    .map((one): [number, DeltaSeries] => [random.below(1000), one]);
}

describe('decisions', () => {
  const deltas = history(1);
  const expected = judge(live(deltas));

  it('are taken in this history at all', async () => {
    const kinds = (await expected).split('\n').map((line) => JSON.parse(line).data.decision);
    expect(kinds).toContain('rollback');
    expect(kinds.length).toBeGreaterThan(1);
  });

  it('are the same when the telemetry was folded by several processes and arrives shuffled within the lateness', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 4 }), async (seed, parts) => {
        const random = new Random(seed);
        const arrivals = deltas.flatMap((delta) =>
          split(delta, parts, random).map((part) => ({
            atMs: (delta.slot + 1) * 1000 + random.below(4000),
            delta: part,
          })),
        );
        expect(await judge(arrivals)).toBe(await expected);
      }),
      { seed: 5, numRuns: 12 },
    );
  });

  it('are the same when a backlog comes all at once, for what was judged from it', async () => {
    // The decider was away for all the time and gets everything in one go, in any order.
    const now = (START + 420) * 1000;
    const random = new Random(9);
    const arrivals = random.shuffle(deltas).map((delta) => ({ atMs: now, delta }));
    expect(await judge(arrivals)).toBe(await expected);
  });

  it('do not depend on how often the clock ticks', async () => {
    const rare = deltas.map((delta) => ({ atMs: Math.ceil((delta.slot + 1) / 4) * 4000, delta }));
    expect(await judge(rare)).toBe(await expected);
  });

  it('of several services come in an order of their own', async () => {
    const services = ['a', 'b', 'c'].flatMap((service) =>
      deltas.map((delta) => ({
        ...delta,
        series: delta.series.map((one) => ({ ...one, service })),
        events: delta.events.map((event) => ({ ...event, service })),
      })),
    );
    const forward = await judge(live(services));
    expect(forward.split('\n')).toHaveLength((await expected).split('\n').length * 3);
    expect(await judge(live([...services].reverse()))).toBe(forward);
  });

  it('have ids that do not depend on the rest of the configuration, and a digest that does', async () => {
    const other = await judge(live(deltas), { source: 'eu-west', dry_run: true });
    const ids = (text: string) => text.split('\n').map((line) => JSON.parse(line).id);
    expect(ids(other)).toEqual(ids(await expected));
    const digest = (text: string) => JSON.parse(text.split('\n')[0] as string).data.policy.digest;
    expect(digest(other)).not.toBe(digest(await expected));
  });

  it('have distinct ids', async () => {
    const ids = (await expected).split('\n').map((line) => JSON.parse(line).id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
  });
});
