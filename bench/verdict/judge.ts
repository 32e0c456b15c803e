/** What a judge must be to stand in the table. */
import type { Signal } from './scenario.ts';
import type { Frame, Layout } from './world.ts';

export interface Verdict {
  /** Index of the service whose candidate is to be rolled back. */
  readonly service: number;
  /** Event time: seconds since the candidate's first. */
  readonly second: number;
  /** What decided, in the judge's own words. */
  readonly reason: string;
}

/** A judge at work on one rollout. */
export interface Watch {
  /** Takes one step in. Steps come in order, those before second 0 included. */
  observe(frame: Frame): void;
  /** The first rollback of each service, as far as there is one. */
  readonly verdicts: readonly Verdict[];
  /** Times it asked for a pause; 0 where it cannot. */
  readonly holds: number;
}

export interface Judge {
  readonly name: string;
  /** `signal` is what the fault shows in, for judges that are configured by hand. */
  watch(layout: Layout, signal: Signal): Watch;
}
