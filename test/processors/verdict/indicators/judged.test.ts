/** Indicators beside errors and latency, from what came to what was decided. */
import { describe, expect, it } from 'vitest';
import { valueBinOf } from '../../../../proto/windback/value-bins.ts';
import type { DeltaSeries, SeriesKind } from '../../../../proto/windback/health.ts';
import { Bench, series, type SeriesSpec } from '../../../support/judging.ts';

const served = (version: string, all: number, more: Partial<SeriesSpec> = {}) =>
  series({ version, all, ms: { 20: all }, ...more });
const of = (kind: SeriesKind, version: string, all: number, bad: number, more: Partial<SeriesSpec> = {}) =>
  series({ version, kind, operation: '', all, bad, ...more });
const logs = (version: string, all: number, bad: number) => of('log', version, all, bad);
const signature = (version: string, name: string, count: number) => of('signature', version, count, count, { name });
const binned = (one: DeltaSeries, bin: number, count: number): DeltaSeries => ({
  ...one,
  all: count,
  bins: { bin: count > 0 ? [bin] : [], count: count > 0 ? [count] : [] },
});

const rollback = (bench: Bench) => bench.decisions.find(({ data }) => data.decision === 'rollback')?.data;
const settled = (at: (i: number) => readonly DeltaSeries[], seconds = 120, overrides = {}) =>
  new Bench({ promotion: { enabled: false }, ...overrides }).run(seconds, at);

describe('log_errors', () => {
  it('are counted per request where both versions serve: saying more is no failure', () => {
    const quiet = (version: string, all: number) => [served(version, all), logs(version, all, all / 10)];
    const bench = settled(() => quiet('1', 20));
    // Ten times as many records a request, of which as many are errors a request.
    bench.run(400, () => [...quiet('1', 20), served('2', 10), logs('2', 100, 1)]);
    expect(bench.kinds).toEqual([]);
    const louder = settled(() => quiet('1', 20));
    louder.run(400, () => [...quiet('1', 20), served('2', 10), logs('2', 10, 6)]);
    expect(rollback(louder)).toMatchObject({ indicator: 'log_errors' });
  });

  it('are counted per record where nothing is served', () => {
    const bench = settled(() => [logs('1', 20, 2)]);
    bench.run(300, () => [logs('1', 20, 2), logs('2', 10, 6)]);
    expect(rollback(bench)).toMatchObject({ indicator: 'log_errors' });
    expect(rollback(bench)?.evidence[0]).toMatchObject({ candidate: { all: expect.any(Number) } });
  });
});

describe('new_signatures', () => {
  const KNOWN = 'connection to <*> lost after <*> ms, trying again';
  const usual = (i: number) => [
    served('1', 20),
    signature('1', KNOWN, i % 5 === 0 ? 1 : 0),
    served('2', 10),
    signature('2', KNOWN, i % 10 === 0 ? 1 : 0),
  ];
  const old = (i: number) => usual(i).filter(({ version }) => version === '1');

  it('roll back a version that throws what nobody threw before, and name it', () => {
    const bench = settled(old);
    bench.run(400, (i) => [...usual(i), signature('2', 'TypeError at pay (pay.js)', 2)]);
    expect(rollback(bench)).toMatchObject({ indicator: 'new_signatures' });
    expect(rollback(bench)?.signatures[0]).toMatchObject({ signature: 'TypeError at pay (pay.js)' });
    expect(rollback(bench)?.signatures.map(({ signature: name }) => name)).not.toContain(KNOWN);
  });

  it('are none that the baseline has too, were it in the same seconds for the first time', () => {
    const bench = settled(old);
    const both = (name: string) => [signature('1', name, 2), signature('2', name, 1)];
    bench.run(400, (i) => [...usual(i), ...both('Timeout at call (http.js)')]);
    expect(bench.kinds).toEqual([]);
  });

  it('are none that differ in a word or two from a known message', () => {
    const bench = settled((i) => [...old(i), signature('1', 'user anna was refused at the door', i % 5 === 0 ? 1 : 0)]);
    bench.run(400, (i) => [...usual(i), signature('2', 'user bert was refused at the door', 1)]);
    expect(bench.kinds).toEqual([]);
  });

  it('are none of what was put together for want of room', () => {
    const bench = settled(old);
    bench.run(400, (i) => [...usual(i), signature('2', 'other', 3)]);
    expect(bench.kinds).toEqual([]);
  });
});

describe('calls', () => {
  /** Requests of which each calls `pay` this many times. */
  const calling = (version: string, all: number, calls: number) => {
    const one = of('calls', version, all, 0, { operation: 'POST /pay', name: 'pay' });
    return [served(version, all), ...(calls === 0 ? [] : [binned(one, calls, all)])];
  };
  const canary = (calls: number) =>
    settled(() => calling('1', 20, 2)).run(400, () => [...calling('1', 20, 2), ...calling('2', 10, calls)]);

  it.each([
    [0, 'missing'],
    [4, 'doubled'],
  ])('roll back a version that makes %i instead of 2: %s', (calls) => {
    expect(rollback(canary(calls))).toMatchObject({ indicator: 'calls' });
    expect(rollback(canary(calls))?.operations[0]).toMatchObject({ operation: 'POST /pay → pay' });
    expect(rollback(canary(calls))?.reason).toContain('makes unusual calls');
  });

  it('leave a version alone that makes as many', () => {
    expect(canary(2).kinds).toEqual([]);
  });

  it('to whom the baseline never called are no fault', () => {
    const bench = settled(() => calling('1', 20, 2));
    const other = binned(of('calls', '2', 10, 0, { operation: 'POST /pay', name: 'fraud' }), 3, 10);
    bench.run(400, () => [...calling('1', 20, 2), ...calling('2', 10, 2), other]);
    expect(bench.kinds).toEqual([]);
  });
});

describe('resource', () => {
  const sample = (version: string, name: string, level: number) =>
    binned(of('resource', version, 1, 0, { instance: `${version}-${name}`, name: 'memory' }), valueBinOf(level), 1);
  const hosts = (version: string, i: number, level: number, names = ['a', 'b']) =>
    names.flatMap((name) => [
      served(version, 5, { instance: `${version}-${name}` }),
      ...(i % 15 === 0 ? [sample(version, name, level)] : []),
    ]);
  const GATING = { indicators: { resource: { gating: true } } };
  const canary = (
    level: (i: number) => number,
    names?: readonly string[],
    overrides: Record<string, unknown> = GATING,
  ) =>
    settled((i) => hosts('1', i, 100), 900, overrides).run(3600, (i) => [
      ...hosts('1', i, 100),
      ...hosts('2', i, level(i), names === undefined ? undefined : [...names]),
    ]);

  it('rolls back a version that uses twice as much', () => {
    expect(rollback(canary(() => 200))).toMatchObject({ indicator: 'resource' });
  });

  it('rolls back one whose use grows and grows, from less than is usual on', () => {
    const bench = canary((i) => 20 * 1.05 ** (i / 60));
    const { candidate } = rollback(bench)!.evidence.find(({ indicator }) => indicator === 'resource')!;
    expect(candidate.bad).toBeGreaterThan(0);
    expect(rollback(bench)?.operations[0]?.operation).toMatch(/^memory/);
  });

  it('only holds one of a single instance: a level tells hosts apart as easily as versions', () => {
    const bench = canary(() => 200, ['a']);
    expect(bench.kinds[0]).toBe('hold');
    expect(bench.kinds).not.toContain('rollback');
  });

  it('only holds unless it is made to gate', () => {
    expect(canary(() => 200, undefined, {}).kinds).toEqual(['hold']);
  });

  it('leaves one alone that uses as much, or a little more', () => {
    expect(canary(() => 110).kinds).toEqual([]);
  });
});

describe('an indicator of the user', () => {
  const declined = (version: string, all: number, bad: number) =>
    of('custom', version, all, bad, { operation: 'POST /pay', name: 'declined' });
  const canary = (overrides: Record<string, unknown>) => {
    const bench = settled((i) => [served('1', 20), declined('1', 20, i % 5 === 0 ? 1 : 0)], 120, overrides);
    return bench.run(400, (i) => [
      served('1', 20),
      declined('1', 20, i % 5 === 0 ? 1 : 0),
      served('2', 10),
      declined('2', 10, 4),
    ]);
  };

  it('rolls back, under its name', () => {
    const bench = canary({ indicators: { custom: { declined: {} } } });
    expect(rollback(bench)).toMatchObject({ indicator: 'custom.declined' });
    expect(rollback(bench)?.reason).toContain('has bad declined items');
  });

  it('is not judged where the configuration does not list it, or has switched it off', () => {
    expect(canary({}).kinds).toEqual([]);
    expect(canary({ indicators: { custom: { declined: { enabled: false } } } }).kinds).toEqual([]);
  });

  it('has terms of its own', () => {
    expect(canary({ indicators: { custom: { declined: { gating: false } } } }).kinds).toEqual(['hold']);
    expect(canary({ indicators: { custom: { declined: { floor: 0.9 } } } }).kinds).not.toContain('rollback');
    expect(canary({ indicators: { custom: { declined: { margin: 10 } } } }).kinds).not.toContain('rollback');
  });
});
