import type { RolloutStatus } from '../../proto/windback/status.ts';
import { Cohort } from './cohort.ts';
import { healthOf, rolloutId, rounded, timestamp } from './decision.ts';
import type { Rollout } from './rollout.ts';
import type { ServiceJudge, Surroundings } from './service-judge.ts';

/** Every rollout under way as a person sees it, by service key, then candidate. */
export function statusOf(
  services: readonly ServiceJudge[],
  surroundings: Surroundings,
  nowMs: number,
): readonly RolloutStatus[] {
  return services
    .toSorted((a, b) => (a.identity.key < b.identity.key ? -1 : 1))
    .flatMap((service) =>
      [...service.rollouts.underWay.values()]
        .toSorted((a, b) => (a.identity.candidate < b.identity.candidate ? -1 : 1))
        .map((rollout) => statusOfOne(service, rollout, surroundings, nowMs)),
    );
}

function statusOfOne(
  { identity, cohorts, referee, judgedUntil }: ServiceJudge,
  rollout: Rollout,
  { config, overrides }: Surroundings,
  nowMs: number,
): RolloutStatus {
  const { candidate, baseline, baselineKind, startedAt, knownBy } = rollout.identity;
  const cohort = (version: string) => cohorts.get(version) ?? new Cohort(version, startedAt, config.max_instances);
  return {
    id: rolloutId(identity.key, candidate, startedAt),
    key: identity.key,
    service: { name: identity.service, namespace: identity.namespace, environment: identity.environment },
    candidate: healthOf(cohort(candidate), rollout.totals.candidate, config.indicators),
    baselines: [healthOf(cohort(baseline), rollout.totals.baseline, config.indicators)],
    baseline_kind: baselineKind,
    verdict: rollout.verdict,
    inconclusive: rollout.inconclusive,
    evidence: referee.weighedOf(candidate).map((one) => rounded(one.evidence())),
    started_at: timestamp(startedAt),
    judged_until: judgedUntil === undefined ? null : timestamp(judgedUntil),
    known_by: knownBy,
    decisions: referee.takenOf(candidate),
    override: overrides.of(identity.key, candidate, nowMs) ?? null,
  };
}
