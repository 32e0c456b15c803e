/** What decisions do not depend on, beside how telemetry was grouped and ordered (`test/property/merging.test.ts`). */
import { describe, expect, it } from 'vitest';
import { type Arrival, eventful, judged, live } from '../../support/history.ts';
import { Random } from '../../support/random.ts';

/** One service of some minutes of telemetry. */
const deltas = eventful(new Random(1), 420).map((delta) => ({
  ...delta,
  series: delta.series.filter(({ service }) => service === 'pay'),
  events: delta.events.filter(({ service }) => service === 'pay'),
}));
const expected = judged(live(deltas));

describe('decisions', () => {
  it('are taken in this history at all', async () => {
    const kinds = (await expected).split('\n').map((line) => JSON.parse(line).data.decision);
    expect(kinds).toContain('rollback');
    expect(kinds.length).toBeGreaterThan(1);
  });

  it('do not depend on how often the clock ticks', async () => {
    const rare = deltas.map((delta): Arrival => ({ atMs: Math.ceil((delta.slot + 1) / 4) * 4000, delta }));
    expect(await judged(rare)).toBe(await expected);
  });

  it('of several services come in an order of their own', async () => {
    const services = ['a', 'b', 'c'].flatMap((service) =>
      deltas.map((delta) => ({
        ...delta,
        series: delta.series.map((one) => ({ ...one, service })),
        events: delta.events.map((event) => ({ ...event, service })),
      })),
    );
    const forward = await judged(live(services));
    expect(forward.split('\n')).toHaveLength((await expected).split('\n').length * 3);
    expect(await judged(live([...services].reverse()))).toBe(forward);
  });

  it('have ids that do not depend on the rest of the configuration, and a digest that does', async () => {
    const other = await judged(live(deltas), { overrides: { source: 'eu-west', dry_run: true } });
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
