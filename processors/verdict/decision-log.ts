import type { DecisionEvent } from '../../proto/windback/decision.ts';
import { InParts } from './in-parts.ts';
import type { Outcome } from './recovery.ts';

/** Decisions remembered, for whoever asks later. */
export const MAX_DECISIONS = 1000;

/** What a `DecisionLog` keeps. */
export interface DecisionLogState {
  readonly decisions: readonly DecisionEvent[];
  readonly outcomes: readonly (readonly [string, Outcome])[];
}

/** The latest decisions, and what became of those that were rollbacks. */
export class DecisionLog {
  /** By id, the oldest first. */
  readonly #decisions = new Map<string, DecisionEvent>();
  readonly #outcomes = new Map<string, Outcome>();
  /** Counts what changes it. */
  #changes = 0;

  /** How often it has changed. */
  get changes(): number {
    return this.#changes;
  }

  add(event: DecisionEvent): void {
    this.#changes++;
    this.#decisions.set(event.id, event);
    for (const id of this.#decisions.keys()) {
      if (this.#decisions.size <= MAX_DECISIONS) return;
      this.#decisions.delete(id);
      this.#outcomes.delete(id);
    }
  }

  /** Closes the record of a rollback. */
  close(id: string, outcome: Outcome): void {
    if (!this.#decisions.has(id)) return;
    this.#changes++;
    this.#outcomes.set(id, outcome);
  }

  get(id: string): DecisionEvent | undefined {
    return this.#decisions.get(id);
  }

  outcome(id: string): Outcome | undefined {
    return this.#outcomes.get(id);
  }

  /** The newest first. */
  latest(limit: number): DecisionEvent[] {
    return [...this.#decisions.values()].slice(-limit).reverse();
  }

  /** What `restore` takes, as it is written; until it is, nothing may be added. */
  parts(): InParts<DecisionLogState> {
    return InParts.record<DecisionLogState>({
      decisions: InParts.list(this.#decisions.values(), (decision) => decision),
      outcomes: [...this.#outcomes],
    });
  }

  restore({ decisions, outcomes }: DecisionLogState): void {
    for (const event of decisions) this.#decisions.set(event.id, event);
    for (const [id, outcome] of outcomes) this.#outcomes.set(id, outcome);
  }
}
