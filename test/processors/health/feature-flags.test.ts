import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TelemetryBatch } from '../../../pipeline/batch.ts';
import type { DeltaSeries } from '../../../proto/windback/health.ts';
import { type Attributes, keyValues, nanos, open, type SpanSpec, traces, tracesJson } from '../../support/telemetry.ts';
import { Folding, NOW, RESOURCE } from './support.ts';

const evaluated = (variant: string, key = 'new-pay'): Attributes => ({
  'feature_flag.key': key,
  'feature_flag.result.variant': variant,
});
const spans = (...items: Partial<SpanSpec>[]) =>
  traces({ resource: RESOURCE, items: items.map((item) => ({ end: NOW, ...item })) });

/** One span with events, as name and attributes. */
function withEvents(attributes: Attributes, ...events: [string, Attributes][]): TelemetryBatch {
  const json: any = tracesJson({ resource: RESOURCE, items: [{ end: NOW, attributes }] });
  json.resourceSpans[0].scopeSpans[0].spans[0].events = events.map(([name, given]) => ({
    timeUnixNano: nanos(NOW),
    name,
    attributes: keyValues(given),
  }));
  return open('traces', json);
}

async function fold(batch: TelemetryBatch, flags = ['new-pay']) {
  const folding = new Folding({ feature_flags: flags });
  await folding.consume(batch);
  const series = await folding.series();
  return { folding, own: series.filter(isOwn), flagged: series.filter((one) => !isOwn(one)) };
}

const isOwn = ({ service }: DeltaSeries) => service === 'checkout';
const cohorts = (series: readonly DeltaSeries[]) =>
  series.map(({ service, version, all, bad }) => `${service} ${version}: ${bad} of ${all}`).toSorted();

describe('a feature flag', () => {
  it('makes cohorts of its variants, beside that of the version', async () => {
    const { own, flagged, folding } = await fold(
      spans(
        { attributes: evaluated('on'), status: 2 },
        { attributes: evaluated('on') },
        { attributes: evaluated('off') },
        {},
      ),
    );
    expect(cohorts(own)).toEqual(['checkout 1: 1 of 4']);
    expect(cohorts(flagged)).toEqual(['checkout#new-pay off: 0 of 1', 'checkout#new-pay on: 1 of 2']);
    expect(await folding.folded('traces')).toBe(4);
  });

  it('keeps all else of the request: operation, instance, duration, exemplar', async () => {
    const attributes = { ...evaluated('on'), 'http.route': '/pay', 'http.request.method': 'POST' };
    const { own, flagged } = await fold(spans({ attributes, status: 2, durationMs: 12, traceId: 'ab'.repeat(16) }));
    expect(flagged).toEqual([{ ...own[0], service: 'checkout#new-pay', version: 'on' }]);
    expect(own[0]).toMatchObject({ operation: 'POST /pay', exemplars: ['ab'.repeat(16)] });
  });

  it('is not looked at unless it is listed', async () => {
    const batch = spans({ attributes: evaluated('on', 'other-flag') });
    expect((await fold(batch)).flagged).toEqual([]);
    expect((await fold(batch, [])).flagged).toEqual([]);
  });

  it.each<[string, TelemetryBatch, string[]]>([
    [
      'the old name',
      spans({ attributes: { 'feature_flag.key': 'new-pay', 'feature_flag.variant': 'a' } }),
      ['a: 0 of 1'],
    ],
    ['an event', withEvents({}, ['feature_flag.evaluation', evaluated('a')]), ['a: 0 of 1']],
    ['the old event', withEvents({}, ['feature_flag', evaluated('a')]), ['a: 0 of 1']],
    ['another event', withEvents({}, ['exception', evaluated('a')]), []],
    ['attributes before events', withEvents(evaluated('a'), ['feature_flag', evaluated('b')]), ['a: 0 of 1']],
    ['twice', withEvents({}, ['feature_flag', evaluated('a')], ['feature_flag', evaluated('b')]), ['a: 0 of 1']],
    ['a flag without a variant', spans({ attributes: { 'feature_flag.key': 'new-pay' } }), []],
    [
      'a variant that is not text',
      spans({ attributes: { ...evaluated(''), 'feature_flag.result.variant': true } }),
      ['true: 0 of 1'],
    ],
    ['an empty variant', spans({ attributes: evaluated('') }), []],
    ['a variant that means none', spans({ attributes: evaluated('unknown') }), []],
    ['a consumer', spans({ kind: 5, attributes: evaluated('a') }), ['a: 0 of 1']],
    ['a client', spans({ kind: 3, attributes: evaluated('a') }), []],
    ['an absurd duration', spans({ durationMs: 2 * 86_400_000, attributes: evaluated('a') }), []],
    ['an absurd time', spans({ end: 5, attributes: evaluated('a') }), []],
  ])('%s', async (_name, batch, expected) => {
    expect(cohorts((await fold(batch)).flagged)).toEqual(expected.map((one) => `checkout#new-pay ${one}`));
  });

  it('stands beside other flags of the same request', async () => {
    const batch = withEvents(evaluated('on'), ['feature_flag.evaluation', evaluated('blue', 'colour')]);
    expect(cohorts((await fold(batch, ['new-pay', 'colour'])).flagged)).toEqual([
      'checkout#colour blue: 0 of 1',
      'checkout#new-pay on: 0 of 1',
    ]);
  });

  it('counts for a service that tells no version, too', async () => {
    const { 'service.version': _, ...unversioned } = RESOURCE;
    const batch = traces({ resource: unversioned, items: [{ end: NOW, attributes: evaluated('on') }] });
    expect(cohorts((await fold(batch)).flagged)).toEqual(['checkout#new-pay on: 0 of 1']);
  });

  it('has up to fifty variants per resource; those beyond are counted and left out', async () => {
    const batch = spans(...Array.from({ length: 53 }, (_, i) => ({ attributes: evaluated(`v${i}`) })));
    const { flagged, folding } = await fold(batch);
    expect(flagged).toHaveLength(50);
    expect(await folding.ignored('traces', 'over_limit')).toBe(3);
  });

  it('partitions the requests that evaluated it', async () => {
    const variant = fc.constantFrom('on', 'off', undefined);
    const items = fc.array(fc.record({ variant, isBad: fc.boolean() }), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(items, async (given) => {
        const specs = given.map(({ variant: one, isBad }) => ({
          attributes: one === undefined ? {} : evaluated(one),
          status: isBad ? 2 : 0,
        }));
        const { flagged } = await fold(spans(...specs));
        for (const version of ['on', 'off']) {
          const expected = given.filter((one) => one.variant === version);
          const found = flagged.find((one) => one.version === version) ?? { all: 0, bad: 0 };
          expect(found).toMatchObject({ all: expected.length, bad: expected.filter(({ isBad }) => isBad).length });
        }
      }),
      { numRuns: 50 },
    );
  });
});
