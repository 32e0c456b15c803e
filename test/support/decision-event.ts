import type { DecisionEvent } from '../../proto/windback/decision.ts';

/** A rollback decision as the judge would take it, with figures that agree with each other. */
export function decisionEvent(id = 'd-1'): DecisionEvent {
  const cohort = { requests: 1000, log_records: 0, log_errors: 0, instances: 3 };
  return {
    id,
    source: '/windback/test',
    type: 'dev.windback.decision.rollback.v1',
    subject: 'shop/cart/prod',
    time: '2026-01-01T00:05:00.000Z',
    data: {
      decision: 'rollback',
      verdict: 'failing',
      reason: 'cart 1.4.2 fails 5.0 % of its requests, 1.4.1 fails 0.1 %',
      service: { name: 'cart', namespace: 'shop', environment: 'prod' },
      candidate: { ...cohort, version: '1.4.2', score: scores(50), errors: 50 },
      baseline: { ...cohort, version: '1.4.1', score: scores(99), errors: 1 },
      rollout: {
        id: '0123456789abcdef0123456789abcdef',
        started_at: '2026-01-01T00:00:00.000Z',
        decided_at: '2026-01-01T00:05:00.000Z',
        elapsed_seconds: 300,
        known_by: 'telemetry',
      },
      evidence: [
        {
          indicator: 'errors',
          e: 5000,
          bar: 2000,
          progress: 1.12,
          blocks: 30,
          candidate: { bad: 50, all: 1000 },
          baseline: { bad: 1, all: 1000 },
          relative_risk: 50,
          interval: [7, 360],
          fired: true,
        },
      ],
      indicator: 'errors',
      operations: [],
      exemplars: ['5b8efff798038103d269b633813fc60c'],
      guards: [{ guard: 'min_requests', passed: true, detail: '1000 of 100' }],
      policy: { false_rollback_rate: 0.001, tolerance: 1.5, digest: '0123456789abcdef' },
      baseline_kind: 'concurrent',
      inconclusive: null,
      signatures: [],
      blame: [],
      explanation: 'as above',
      dry_run: false,
    },
  };
}

function scores(value: number): Record<string, number> {
  return { '1m': value, '5m': value, '30m': value, '1h': value };
}
