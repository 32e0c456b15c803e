/**
 * Argo Rollouts: the `success-rate` template of its documents (`successCondition: result[0] >= 0.95`,
 * `failureLimit: 3`) in the background, first measured at once, then every minute over the last minute. More failed
 * measurements than the limit end the rollout; so do more than four errors in a row, and no value is an error. Source:
 * argo-rollouts.readthedocs.io, "Analysis & Progressive Delivery", and argoproj/argo-rollouts `analysis/analysis.go`.
 *
 * Chosen in its favour: the documents' interval is five minutes, not one.
 */
import type { Judge } from '../judge.ts';
import type { Layout } from '../world.ts';
import { eachService, type ServiceWatch } from './each-service.ts';
import { everyMinute } from './minutes.ts';

const MIN_SUCCESS = 0.95;
const FAILURE_LIMIT = 3;
const CONSECUTIVE_ERROR_LIMIT = 4;

export function argo(): Judge {
  return eachService('Argo', (layout, service) => new Argo(layout, service));
}

class Argo implements ServiceWatch {
  fired: ServiceWatch['fired'];
  readonly observe: ServiceWatch['observe'];
  #failed = 0;
  /** The measurement at second 0 finds nothing yet. */
  #errors = 1;

  constructor(layout: Layout, service: number) {
    this.observe = everyMinute(layout, service, (second, { all, errorRatio }) => {
      if (all === 0) {
        if (++this.#errors > CONSECUTIVE_ERROR_LIMIT) this.fired = { second, reason: 'no value' };
        return;
      }
      this.#errors = 0;
      if (1 - errorRatio >= MIN_SUCCESS) return;
      if (++this.#failed > FAILURE_LIMIT) this.fired = { second, reason: 'success rate' };
    });
  }
}
