/** Scenarios that errors do not show: latencies, memory, silence, signatures. */
import { plain, type Row, row } from './scenario.ts';
import type { CandidateSpec, ServiceSpec, SignatureSpec } from './spec.ts';
import { BASELINE, CANDIDATE } from './world.ts';

const USUAL = { rps: 100, share: 0.1, errors: 0.005 };

/** 10 % is within what is tolerated, so it must not be rolled back either. */
export function latencies(): Row[] {
  const service = (candidate: CandidateSpec) => plain({ ...USUAL, candidate });
  const of = (effect: string, candidate: CandidateSpec, isNull = false) =>
    row('latency', effect, service(candidate), { signal: 'latency', isNull });
  return [
    of('x1', {}, true),
    of('median +10 %', { slower: 1.1 }, true),
    of('median +30 %', { slower: 1.3 }),
    of('median x2', { slower: 2 }),
    of('5 % take x5', { tail: { share: 0.05, factor: 5 } }),
  ];
}

const MEBIBYTE = 2 ** 20;

/** Memory of a fresh process climbs to the usual level in ten minutes; a leak then does not stop. */
export function leak(): Row[] {
  const fresh = (second: number) => 0.6 + 0.4 * Math.min(1, second / 600);
  const service = (candidate: (second: number) => number): ServiceSpec => ({
    ...plain({ ...USUAL, share: 0.3, hosts: { baseline: 7, candidate: 3 } }),
    memory: { every: 15, level: 500 * MEBIBYTE, candidate },
  });
  return [
    row('leak', 'fresh process', service(fresh), { signal: 'memory', isNull: true }),
    row(
      'leak',
      '3 % a minute',
      service((second) => fresh(second) * 1.03 ** (second / 60)),
      { signal: 'memory' },
    ),
  ];
}

/** The deployment says 20 %. A sound candidate gets its part in five minutes, less what old connections keep. */
export function silence(): Row[] {
  const service = (delivered: (second: number, luck: number) => number): ServiceSpec => ({
    ...plain({ ...USUAL, share: 0.2, hosts: { baseline: 8, candidate: 2 }, candidate: { delivered } }),
    announces: 0.01,
  });
  const growing = (second: number, luck: number) => (0.6 + 0.4 * luck) * Math.min(1, 0.5 + second / 600);
  return [
    row('silence', 'uneven share', service(growing), { signal: 'none', isNull: true }),
    row(
      'silence',
      '10 % of its share',
      service(() => 0.1),
      { signal: 'none' },
    ),
    row(
      'silence',
      'nothing arrives',
      service(() => 0),
      { signal: 'none' },
    ),
  ];
}

/** Exceptions that both versions throw, most of them so seldom that either may show one for the first time. */
const COMMON_SIGNATURES: readonly SignatureSpec[] = Array.from({ length: 30 }, (_, i) => ({
  name: `CommonError${i} at frame ${i}`,
  ratio: 1e-6 * 10 ** ((3 * i) / 29),
  cohorts: [BASELINE, CANDIDATE],
}));

export function signatures(): Row[] {
  const service = (added: readonly SignatureSpec[]): ServiceSpec => ({
    ...plain(USUAL),
    signatures: [...COMMON_SIGNATURES, ...added],
  });
  const fresh = { name: 'NewError at pay', ratio: 0.01, cohorts: [CANDIDATE] } as const;
  return [
    row('new signature', 'rare common ones', service([]), { signal: 'none', isNull: true }),
    row('new signature', 'in 1 % of requests', service([fresh]), { signal: 'none' }),
  ];
}
