/** Deltas merge exactly: however telemetry was folded, dealt out and ordered, the decisions are the same bytes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HealthDelta } from '../../proto/windback/health.ts';
import { type Arrival, CUSTOM, eventful, judged, live, split } from '../support/history.ts';
import { Random } from '../support/random.ts';

const overrides = { indicators: { custom: CUSTOM } };
const shop = eventful(new Random(1), 540);

/**
 * Services one by one: what one knows of another's rollout depends on how far that one has been judged, and so on when
 * its telemetry came.
 */
const SERVICES = ['cart', 'pay', 'mail'].map((service) => {
  const isOf = (one: { readonly service: string }) => one.service === service;
  const deltas = shop.map((delta) => ({
    ...delta,
    series: delta.series.filter(isOf),
    events: delta.events.filter(isOf),
  }));
  return { service, deltas, expected: judged(live(deltas), { overrides }) };
});

it('the history has decisions of every service, about every kind of series', async () => {
  const texts = await Promise.all(SERVICES.map(({ expected }) => expected));
  const events = texts.flatMap((text) => text.split('\n').map((line) => JSON.parse(line)));
  const of = (service: string) => events.filter(({ data }) => data.service.name === service);
  for (const { service } of SERVICES) expect(of(service).map(({ data }) => data.decision)).toContain('rollback');
  const named = new Set(events.flatMap(({ data }) => data.evidence.map((one: { indicator: string }) => one.indicator)));
  for (const indicator of [
    'errors',
    'slow_p50',
    'log_errors',
    'new_signatures',
    'calls',
    'resource',
    'silence',
    'custom.declined',
  ]) {
    expect(named).toContain(indicator);
  }
  expect(events.some(({ data }) => data.signatures.length === 10)).toBe(true);
  expect(events.some(({ data }) => data.exemplars.length === 10)).toBe(true);
});

describe.each(SERVICES)('decisions about $service are the same bytes', ({ deltas, expected }) => {
  it('when several processes fold the telemetry and it arrives shuffled within the lateness', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 5 }), async (seed, parts) => {
        const random = new Random(seed);
        const arrivals = deltas.flatMap((delta) =>
          split(delta, parts, random).map(
            (part): Arrival => ({
              atMs: (delta.slot + 1) * 1000 + random.below(4000),
              delta: part,
            }),
          ),
        );
        expect(await judged(random.shuffle(arrivals), { overrides })).toBe(await expected);
      }),
      { seed: 5, numRuns: 8 },
    );
  });

  it('when each series comes alone, in any order', async () => {
    const random = new Random(6);
    const arrivals = deltas.flatMap((delta) => {
      const alone: HealthDelta[] = delta.series.map((one) => ({ ...delta, series: [one], events: [] }));
      return random
        .shuffle([...alone, { ...delta, series: [] }])
        .map((part): Arrival => ({ atMs: (delta.slot + 1) * 1000, delta: part }));
    });
    expect(await judged(arrivals, { overrides })).toBe(await expected);
  });

  it('when a backlog comes all at once, in any order', async () => {
    const atMs = ((deltas.at(-1) as HealthDelta).slot + 1) * 1000;
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const arrivals = new Random(seed).shuffle(deltas).map((delta): Arrival => ({ atMs, delta }));
        expect(await judged(arrivals, { overrides })).toBe(await expected);
      }),
      { seed: 7, numRuns: 4 },
    );
  });
});
