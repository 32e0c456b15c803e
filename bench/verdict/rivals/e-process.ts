/**
 * The e-process that counts single errors: of each, whether it was the candidate's, against the candidate's share of
 * the requests. The alternative is a beta distribution of that share, so that the capital is a ratio of
 * Dirichlet-multinomial likelihoods. It holds where errors come one by one, and breaks where they come in bursts.
 * Source: Lindon & Malek, "Anytime-valid inference for multinomial count data" (NeurIPS 2022).
 *
 * Chosen in its favour: it has the same tolerance and the same error rate as Windback, and may not fire when the
 * candidate is the better one.
 */
import type { Judge } from '../judge.ts';
import { CANDIDATE, type Frame, type Layout } from '../world.ts';
import { eachService, type ServiceWatch } from './each-service.ts';

const TOLERANCE = 0.25;
const ERROR_RATE = 0.001;
/** Events' worth of belief in the hypothesis that the alternative begins with. */
const CONCENTRATION = 10;

export function eProcess(): Judge {
  return eachService('e-process', (layout, service) => new EProcess(layout, service));
}

class EProcess implements ServiceWatch {
  fired: ServiceWatch['fired'];
  readonly #cells: readonly { readonly index: number; readonly isCandidate: boolean }[];
  readonly #evidence = new CountedErrors();

  constructor(layout: Layout, service: number) {
    this.#cells = layout.cells.flatMap((cell, index) =>
      cell.service === service ? [{ index, isCandidate: cell.cohort === CANDIDATE }] : [],
    );
  }

  observe(frame: Frame): void {
    if (frame.second < 0) return;
    const all = [0, 0];
    const bad = [0, 0];
    for (const { index, isCandidate } of this.#cells) {
      const cohort = Number(isCandidate);
      all[cohort] = (all[cohort] as number) + (frame.all[index] as number);
      bad[cohort] = (bad[cohort] as number) + (frame.bad[index] as number);
    }
    const [baselineAll = 0, candidateAll = 0] = all;
    if (baselineAll === 0 || candidateAll === 0) return;
    const weighted = candidateAll * (1 + TOLERANCE);
    this.#evidence.add(bad[1] as number, bad[0] as number, weighted / (weighted + baselineAll));
    if (this.#evidence.isWorse && this.#evidence.logE >= -Math.log(ERROR_RATE)) {
      this.fired = { second: frame.end, reason: 'errors' };
    }
  }
}

/** The capital after the errors so far. */
export class CountedErrors {
  logE = 0;
  #candidate = 0;
  #baseline = 0;
  #expected = 0;
  #prior: number | undefined;

  /** Adds errors of both, of which the candidate's share should be `share`. */
  add(candidate: number, baseline: number, share: number): void {
    this.#prior ??= share;
    this.#expected += (candidate + baseline) * share;
    for (let i = 0; i < candidate; i++) {
      this.logE += Math.log(this.#believed / share);
      this.#candidate++;
    }
    for (let i = 0; i < baseline; i++) {
      this.logE += Math.log((1 - this.#believed) / (1 - share));
      this.#baseline++;
    }
  }

  get isWorse(): boolean {
    return this.#candidate > this.#expected;
  }

  get #believed(): number {
    const prior = CONCENTRATION * (this.#prior as number);
    return (prior + this.#candidate) / (CONCENTRATION + this.#candidate + this.#baseline);
  }
}
