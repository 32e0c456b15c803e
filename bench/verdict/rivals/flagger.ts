/**
 * Flagger: every minute a check of the candidate's last minute against fixed thresholds, success rate at least 99 % and
 * p99 duration at most 500 ms; no value is a failed check. Failed checks add up and are never taken back; at `threshold`
 * of them it rolls back. Source: docs.flagger.app, "Metrics Analysis" and the tutorials (interval 1m, threshold 5), and
 * fluxcd/flagger `pkg/controller/scheduler.go` and `scheduler_metrics.go`.
 *
 * Chosen in its favour: the rollback counts at the last failed check, by the document's "interval * threshold"; the code
 * acts on it a minute later.
 */
import type { Judge } from '../judge.ts';
import type { Layout } from '../world.ts';
import { eachService, type ServiceWatch } from './each-service.ts';
import { everyMinute } from './minutes.ts';

const MIN_SUCCESS = 0.99;
const MAX_P99_MS = 500;

export function flagger(threshold: number): Judge {
  return eachService(`Flagger ${threshold}`, (layout, service) => new Flagger(layout, service, threshold));
}

class Flagger implements ServiceWatch {
  fired: ServiceWatch['fired'];
  readonly observe: ServiceWatch['observe'];
  #failed = 0;

  constructor(layout: Layout, service: number, threshold: number) {
    this.observe = everyMinute(layout, service, (second, candidate) => {
      const reason = failure(candidate);
      if (reason === undefined) return;
      this.#failed++;
      if (this.#failed === threshold) this.fired = { second, reason };
    });
  }
}

function failure(sums: { all: number; errorRatio: number; quantileMs: (q: number) => number }): string | undefined {
  if (sums.all === 0) return 'no value';
  if (1 - sums.errorRatio < MIN_SUCCESS) return 'success rate';
  return sums.quantileMs(0.99) > MAX_P99_MS ? 'p99 duration' : undefined;
}
