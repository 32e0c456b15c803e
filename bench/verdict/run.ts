/** One rollout through all judges. */
import type { Judge } from './judge.ts';
import { seedOf } from './random.ts';
import { eProcess } from './rivals/e-process.ts';
import { argo } from './rivals/argo.ts';
import { flagger } from './rivals/flagger.ts';
import { kayenta, kayentaForewarned } from './rivals/kayenta.ts';
import type { Row } from './scenario.ts';
import { keyOf } from './scenarios.ts';
import { LEAD, Simulation } from './simulation.ts';
import { windback } from './windback.ts';

export const OURS = 'Windback';

export function allJudges(): Judge[] {
  return [windback(), kayenta(), kayentaForewarned(), flagger(5), flagger(3), argo(), eProcess()];
}

/** What one judge did in one rollout, or in one of several that were under way together. */
export interface Outcome {
  readonly judge: string;
  /** Seconds from the candidate's first to the rollback; null where there was none. */
  readonly second: number | null;
  readonly reason: string;
  readonly holds: number;
  /** Sound candidates of other services that were rolled back. */
  readonly innocents: readonly { readonly second: number; readonly reason: string }[];
}

/** A run is a function of the row, its number and the seed, and of nothing else. */
export function runOnce(row: Row, run: number, seed: number, step: number, judges: readonly Judge[]): Outcome[] {
  const specs = row.services(run);
  const culprit = row.bad?.(run);
  const bad = specs.map((_, service) => service === culprit);
  const simulation = new Simulation(specs, bad, row.seconds, step, seedOf(`${seed} ${keyOf(row)} ${run}`));
  const watches = judges.map((judge) => judge.watch(simulation.layout, row.signal));
  for (let second = -LEAD; second < row.seconds; second += step) {
    const frame = simulation.at(second);
    let isOpen = false;
    for (const watch of watches) {
      // What has rolled back all services has nothing left to say.
      if (watch.verdicts.length === specs.length) continue;
      isOpen = true;
      watch.observe(frame);
    }
    if (!isOpen) break;
  }
  return judges.map(({ name }, i) => {
    const { verdicts = [], holds = 0 } = watches[i] ?? {};
    const found = row.isNull ? verdicts.toSorted((a, b) => a.second - b.second)[0] : verdictOn(verdicts, culprit);
    const innocents = verdicts.filter(({ service }) => service !== culprit);
    return { judge: name, second: found?.second ?? null, reason: found?.reason ?? '', holds, innocents };
  });
}

function verdictOn<T extends { readonly service: number }>(verdicts: readonly T[], service?: number): T | undefined {
  return verdicts.find((verdict) => verdict.service === service);
}
