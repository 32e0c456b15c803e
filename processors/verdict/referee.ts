import type { DecisionEvent } from '../../proto/windback/decision.ts';
import type { Posted } from './board.ts';
import { Cohort } from './cohort.ts';
import { decisionEvent } from './decision.ts';
import type { ServiceIdentity } from './identity.ts';
import { inconclusiveReason } from './inconclusive.ts';
import { type Circumstances, nextStep, type Step, take } from './lifecycle.ts';
import { Recoveries, type RecoveryState } from './recovery.ts';
import type { Rollout } from './rollout.ts';
import type { Rollouts } from './rollouts.ts';
import { duration } from './sentence.ts';
import type { Surroundings } from './service-judge.ts';
import { type Weighed, weigh } from './weighing.ts';

/** A decision that was taken, for the list of a rollout. */
export interface Taken {
  readonly id: string;
  readonly decision: DecisionEvent['data']['decision'];
  readonly time: string;
}

/** What a `Referee` keeps. */
export interface RefereeState {
  readonly taken: readonly (readonly [string, readonly Taken[]])[];
  readonly late: readonly (readonly [string, number])[];
  readonly recoveries: RecoveryState;
}

/** Looks at the evidence of a service's rollouts after every block, and decides. */
export class Referee {
  readonly #identity: ServiceIdentity;
  readonly #surroundings: Surroundings;
  /** By candidate: decisions of the present rollout, and the evidence after the last block. */
  readonly #taken = new Map<string, Taken[]>();
  readonly #weighed = new Map<string, readonly Weighed[]>();
  /** Events that came too late, by version. */
  readonly #late = new Map<string, number>();
  readonly #recoveries = new Recoveries();

  constructor(identity: ServiceIdentity, surroundings: Surroundings) {
    this.#identity = identity;
    this.#surroundings = surroundings;
  }

  sawLate(version: string, count: number): void {
    this.#late.set(version, (this.#late.get(version) ?? 0) + count);
  }

  /** What each rollout asks for after the block that ended before slot `end`. */
  decide(rollouts: Rollouts, cohorts: ReadonlyMap<string, Cohort>, end: number): DecisionEvent[] {
    const { board, config } = this.#surroundings;
    const posted: Posted[] = [];
    for (const rollout of rollouts.underWay.values()) {
      const weighed = weigh(rollout, config);
      this.#weighed.set(rollout.identity.candidate, weighed);
      posted.push(post(rollout, weighed, end, config.hold.at));
    }
    board.post(this.#identity, posted);
    const decisions: DecisionEvent[] = [];
    for (const [i, rollout] of [...rollouts.underWay.values()].entries()) {
      const decision = this.#decideOne(rollout, posted[i] as Posted, rollouts, cohorts, end);
      if (decision !== undefined) decisions.push(decision);
    }
    this.#forgetOthers(rollouts, cohorts);
    for (const [id, outcome, candidate] of this.#recoveries.look(cohorts, end, config)) {
      this.#surroundings.onOutcome(id, outcome);
      if (outcome === 'recovered') rollouts.withdraw(candidate, end);
    }
    return decisions;
  }

  weighedOf(candidate: string): readonly Weighed[] {
    return this.#weighed.get(candidate) ?? [];
  }

  takenOf(candidate: string): readonly Taken[] {
    return this.#taken.get(candidate) ?? [];
  }

  save(): RefereeState {
    return { taken: [...this.#taken], late: [...this.#late], recoveries: this.#recoveries.save() };
  }

  restore({ taken, late, recoveries }: RefereeState): void {
    for (const [candidate, decisions] of taken) this.#taken.set(candidate, [...decisions]);
    for (const [version, count] of late) this.#late.set(version, count);
    this.#recoveries.restore(recoveries);
  }

  #decideOne(
    rollout: Rollout,
    posted: Posted,
    rollouts: Rollouts,
    cohorts: ReadonlyMap<string, Cohort>,
    end: number,
  ): DecisionEvent | undefined {
    const { config, digest, board } = this.#surroundings;
    const { candidate, baseline } = rollout.identity;
    const weighed = this.weighedOf(candidate);
    const step = nextStep(rollout, weighed, this.#circumstances(rollout, posted, rollouts, cohorts, end), config);
    if (step === undefined) return undefined;
    take(rollout, step);
    const absent = (version: string) => new Cohort(version, end, config.max_instances);
    const event = decisionEvent({
      step,
      weighed,
      rollout,
      candidate: cohorts.get(candidate) ?? absent(candidate),
      baseline: cohorts.get(baseline) ?? absent(baseline),
      identity: this.#identity,
      others: board.others(this.#identity, { ...posted, suspectSince: rollout.suspectSince }),
      atSlot: end,
      config,
      digest,
    });
    this.#note(rollout, step, event, rollouts, end);
    return event;
  }

  #note(rollout: Rollout, step: Step, event: DecisionEvent, rollouts: Rollouts, end: number): void {
    const { candidate, baseline } = rollout.identity;
    const taken = this.#taken.get(candidate) ?? [];
    taken.push({ id: event.id, decision: step.kind, time: event.time });
    this.#taken.set(candidate, taken.slice(-MAX_TAKEN));
    if (step.kind !== 'rollback') return;
    rollouts.rolledBack.set(candidate, end);
    this.#recoveries.begin({ id: event.id, candidate, baseline, since: end });
  }

  #circumstances(
    rollout: Rollout,
    posted: Posted,
    rollouts: Rollouts,
    cohorts: ReadonlyMap<string, Cohort>,
    end: number,
  ): Circumstances {
    const { board, config, overrides } = this.#surroundings;
    const { candidate } = rollout.identity;
    return {
      atSlot: end,
      override: overrides.of(this.#identity.key, candidate, end * 1000)?.kind,
      blamedElsewhere: board.culprit(this.#identity, posted),
      inconclusive: inconclusiveReason(rollout, this.weighedOf(candidate), {
        config,
        cohorts,
        late: this.#late.get(candidate) ?? 0,
        atSlot: end,
      }),
      coolingDown: coolingDown(rollout, rollouts.rolledBack.get(candidate), end, config.recovery.cool_down),
    };
  }

  #forgetOthers({ underWay }: Rollouts, cohorts: ReadonlyMap<string, Cohort>): void {
    for (const candidate of this.#weighed.keys()) if (!underWay.has(candidate)) this.#weighed.delete(candidate);
    for (const candidate of this.#taken.keys()) if (!underWay.has(candidate)) this.#taken.delete(candidate);
    for (const version of this.#late.keys()) if (!cohorts.has(version)) this.#late.delete(version);
  }
}

/** Decisions listed per rollout. */
const MAX_TAKEN = 20;

function post(rollout: Rollout, weighed: readonly Weighed[], end: number, holdAt: number): Posted {
  const progress = Math.max(0, ...weighed.filter(({ isGating }) => isGating).map((one) => one.progress));
  if (progress >= holdAt) rollout.suspectSince ??= end;
  else if (!rollout.isRolledBack) rollout.suspectSince = undefined;
  return {
    candidate: rollout.identity.candidate,
    startedAt: rollout.identity.startedAt,
    judgedUntil: end,
    suspectSince: rollout.suspectSince,
    progress,
    verdict: rollout.verdict,
    errors: rollout.totals.candidate.errors,
    origins: rollout.origins.candidate,
  };
}

/** Rolled back a moment ago and back again: a sentence, while that is no longer ago than `coolDownMs`. */
function coolingDown(
  { identity }: Rollout,
  rolledBackAt: number | undefined,
  end: number,
  coolDownMs: number,
): string | undefined {
  if (rolledBackAt === undefined || identity.startedAt < rolledBackAt) return undefined;
  if ((end - rolledBackAt) * 1000 >= coolDownMs) return undefined;
  return `${identity.candidate} was rolled back ${duration(end - rolledBackAt)} ago and is back`;
}
