import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type OverrideRequest, overrideRequest, Overrides } from '../../../processors/verdict/overrides.ts';
import type { OverrideKind } from '../../../proto/windback/status.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const HOUR = 3_600_000;

function wanted(kind: OverrideKind, service: string, version: string | null, untilMs?: number): OverrideRequest {
  const until = untilMs === undefined ? null : new Date(untilMs).toISOString();
  return { kind, service, version, until, by: 'ada', reason: 'a sale' };
}

describe('what is in force', () => {
  test('what was said of the version goes before what was said of the service', () => {
    const overrides = new Overrides();
    overrides.set(wanted('ignore', 's', null), NOW);
    overrides.set(wanted('pin', 's', '1'), NOW);
    expect(overrides.of('s', '1', NOW)?.kind).toBe('pin');
    expect(overrides.of('s', '2', NOW)?.kind).toBe('ignore');
    expect(overrides.of('t', '1', NOW)).toBeUndefined();
    expect(overrides.of('s","1', '1', NOW)).toBeUndefined();
  });

  test('the last word counts', () => {
    const overrides = new Overrides();
    overrides.set(wanted('pin', 's', '1'), NOW);
    const set = overrides.set(wanted('approve', 's', '1'), NOW + 1);
    expect(set.set_at).toBe('2026-01-01T00:00:00.001Z');
    expect(overrides.list(NOW + 1)).toEqual([set]);
  });

  test('until its end, and what was said of the service from then on', () => {
    const overrides = new Overrides();
    overrides.set(wanted('ignore', 's', null), NOW);
    overrides.set(wanted('pin', 's', '1', NOW + HOUR), NOW);
    expect(overrides.of('s', '1', NOW + HOUR - 1)?.kind).toBe('pin');
    expect(overrides.of('s', '1', NOW + HOUR)?.kind).toBe('ignore');
    expect(overrides.list(NOW + HOUR)).toHaveLength(1);
    expect(overrides.remove('s', '1', NOW + HOUR)).toBeUndefined();
  });

  test('until it is removed', () => {
    const overrides = new Overrides();
    const pin = overrides.set(wanted('pin', 's', '1'), NOW);
    expect(overrides.remove('s', null, NOW)).toBeUndefined();
    expect(overrides.remove('s', '1', NOW)).toEqual(pin);
    expect(overrides.remove('s', '1', NOW)).toBeUndefined();
    expect(overrides.of('s', '1', NOW)).toBeUndefined();
  });
});

describe('refused', () => {
  test.each([
    [wanted('approve', 's', null), 'approve needs a version'],
    [wanted('pin', 's', '1', NOW), 'in the past: 2026-01-01T00:00:00.000Z'],
  ])('%j', (request, message) => {
    const overrides = new Overrides();
    expect(() => overrides.set(request, NOW)).toThrow(message);
    expect(overrides.list(0)).toEqual([]);
  });

  test('more than there is room for; those that have ended make room, and one may always be replaced', () => {
    const overrides = new Overrides(2);
    overrides.set(wanted('pin', 'a', null, NOW + HOUR), NOW);
    overrides.set(wanted('pin', 'b', null), NOW);
    expect(() => overrides.set(wanted('pin', 'c', null), NOW)).toThrow('2 overrides are set');
    overrides.set(wanted('ignore', 'b', null), NOW);
    overrides.set(wanted('pin', 'c', null), NOW + HOUR);
    expect(overrides.list(NOW + HOUR).map(({ service, kind }) => `${service} ${kind}`)).toEqual(['b ignore', 'c pin']);
  });
});

test('saved and restored it is the same, in whatever order it was set', () => {
  const request = fc.record({
    kind: fc.constantFrom<OverrideKind>('pin', 'ignore', 'approve'),
    service: fc.constantFrom('a', 'a/b/c', '["a"]', '__proto__', `a/b\u200b/${'c'.repeat(1000)}`),
    version: fc.constantFrom('1', '2', 'é€', '1\u001b[2J\u200f', '1'.repeat(501)),
    until: fc.constantFrom(null, '2026-01-01T01:00:00Z', '2026-01-02T00:00:00+02:00'),
    by: fc.constantFrom('', 'ada'),
    reason: fc.constantFrom('', 'it\'s "good"'),
  });
  const many = fc.uniqueArray(request, { selector: ({ service, version }) => `${service} ${version}` });
  fc.assert(
    fc.property(many, fc.nat({ max: 48 }), (requests, hours) => {
      const [forward, backward, restored] = [new Overrides(), new Overrides(), new Overrides()];
      for (const one of requests) forward.set(one, NOW);
      for (const one of requests.toReversed()) backward.set(one, NOW);
      expect(backward.save()).toBe(forward.save());
      restored.set(wanted('pin', 'gone', null), NOW);
      restored.restore(forward.save());
      const atMs = NOW + hours * HOUR;
      expect(restored.list(atMs)).toEqual(forward.list(atMs));
      for (const { service, version } of requests) {
        expect(restored.of(service, version, atMs)).toEqual(forward.of(service, version, atMs));
      }
    }),
  );
});

test.each(['', 'null', '{}', '{"overrides":[{}]}', '{"overrides":[{"kind":"pin"}]}'])('%j is not restored', (saved) => {
  const overrides = new Overrides();
  overrides.set(wanted('pin', 's', null), NOW);
  expect(() => overrides.restore(saved)).toThrow(expect.objectContaining({ code: 'state_damaged' }));
  expect(overrides.list(NOW)).toHaveLength(1);
});

describe('a request', () => {
  test('has only what is needed', () => {
    const parsed = overrideRequest.parse({ kind: 'pin', service: 's' });
    expect(parsed).toEqual({ kind: 'pin', service: 's', version: null, until: null, by: '', reason: '' });
  });

  test.each([
    [undefined],
    [[]],
    [{ kind: 'pni', service: 's' }],
    [{ kind: 'pin' }],
    [{ kind: 'pin', service: '' }],
    [{ kind: 'pin', service: 's', version: 1 }],
    [{ kind: 'pin', service: 's', until: 'tomorrow' }],
    [{ kind: 'pin', service: 's', until: '2026-01-01' }],
    [{ kind: 'pin', service: 's', reason: 'a\u001b[2Jb' }],
    [{ kind: 'pin', service: 's', by: 'a\nb' }],
    [{ kind: 'pin', service: 's', reason: 'x'.repeat(1001) }],
    [{ kind: 'pin', service: 's', extra: 1 }],
  ])('%j is refused', (body) => {
    expect(overrideRequest.safeParse(body).success).toBe(false);
  });
});
