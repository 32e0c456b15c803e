/**
 * Windback's judge, fed with the health deltas that the processors before it would have made. This is the only file of
 * the bench that knows the judge's interface.
 */
import { Roles } from '../../pipeline/roles.ts';
import { serviceKeyOf } from '../../pipeline/tag.ts';
import { type VerdictConfig, verdictConfig } from '../../processors/verdict/config.ts';
import { digestOf } from '../../processors/verdict/decision.ts';
import { Board } from '../../processors/verdict/board.ts';
import { Overflow } from '../../processors/verdict/overflow.ts';
import { Overrides } from '../../processors/verdict/overrides.ts';
import { ServiceJudge, type Surroundings } from '../../processors/verdict/service-judge.ts';
import type { DecisionEvent } from '../../proto/windback/decision.ts';
import type { Bins, DeltaSeries } from '../../proto/windback/health.ts';
import { valueBinOf } from '../../proto/windback/value-bins.ts';
import type { Judge, Verdict, Watch } from './judge.ts';
import { BINS, CANDIDATE, type CohortIndex, type Extra, type Frame, type Layout, LOWEST_BIN } from './world.ts';

/** Second 0 in event time: 14 November 2023, 22:13:20 UTC. */
const START = 1_700_000_000;
const PLACE = { namespace: 'bench', environment: 'prod' } as const;
const NO_BINS: Bins = { bin: [], count: [] };

/** The judge with its defaults, or with what `overrides` says. */
export function windback(overrides: Record<string, unknown> = {}): Judge {
  const config = verdictConfig.parse(overrides);
  const digest = digestOf(config);
  return { name: 'Windback', watch: (layout) => new WindbackWatch(layout, config, digest) };
}

class WindbackWatch implements Watch {
  readonly verdicts: Verdict[] = [];
  holds = 0;
  readonly #layout: Layout;
  readonly judges: ServiceJudge[];

  constructor(layout: Layout, config: VerdictConfig, digest: string) {
    this.#layout = layout;
    const surroundings: Surroundings = {
      config,
      digest,
      roles: new Roles(),
      board: new Board(),
      overrides: new Overrides(),
      counts: { late: 0, overflow: new Overflow() },
      onOutcome: () => {},
    };
    this.judges = layout.services.map((service) => {
      const key = serviceKeyOf(PLACE.namespace, service, PLACE.environment);
      return new ServiceJudge({ key, service, ...PLACE }, surroundings);
    });
  }

  observe(frame: Frame): void {
    const slot = START + frame.second;
    const nowMs = (START + frame.end) * 1000;
    for (const { service, weight } of frame.announcements) {
      this.judges[service]?.announce({
        ...PLACE,
        service: this.#layout.services[service] as string,
        version: versionOf(CANDIDATE),
        previousVersion: '',
        status: 'started',
        weight,
        atSeconds: slot,
      });
    }
    this.#layout.cells.forEach((cell, i) => {
      const all = frame.all[i] as number;
      if (all === 0) return;
      const bins = binsOf(frame.bins, i * BINS);
      const counts = { kind: 'span', name: '', all, bad: frame.bad[i] as number, bins } as const;
      this.#merge(cell.service, { ...this.#identity(cell), operation: cell.operation, ...counts }, slot, nowMs);
    });
    for (const extra of frame.extras) this.#merge(extra.service, this.#extraSeries(extra), slot, nowMs);
    this.judges.forEach((judge, service) => {
      for (const event of judge.advance(nowMs)) this.#take(service, event);
    });
  }

  #merge(service: number, series: Omit<DeltaSeries, 'exemplars'>, slot: number, nowMs: number): void {
    this.judges[service]?.merge({ ...series, exemplars: [] }, slot, nowMs);
  }

  #identity({ service, cohort, instance }: { service: number; cohort: CohortIndex; instance: string }) {
    return { ...PLACE, service: this.#layout.services[service] as string, version: versionOf(cohort), instance };
  }

  #extraSeries(extra: Extra): Omit<DeltaSeries, 'exemplars'> {
    const { kind, operation, name, all, bad, value } = extra;
    const bins = value === undefined ? NO_BINS : { bin: [valueBinOf(value)], count: [all] };
    return { ...this.#identity(extra), kind, operation, name, all, bad, bins };
  }

  #take(service: number, { time, data }: DecisionEvent): void {
    if (data.decision === 'hold') this.holds++;
    if (data.decision !== 'rollback' || this.verdicts.some((known) => known.service === service)) return;
    const second = Date.parse(time) / 1000 - START;
    this.verdicts.push({ service, second, reason: data.indicator ?? '' });
  }
}

/** Versions sort in the order of their age. */
function versionOf(cohort: CohortIndex): string {
  return cohort === CANDIDATE ? '2' : '1';
}

/** The bins of one cell, sparse. */
function binsOf(counts: Uint32Array, offset: number): Bins {
  const bin: number[] = [];
  const count: number[] = [];
  for (let i = 0; i < BINS; i++) {
    const found = counts[offset + i] as number;
    if (found === 0) continue;
    bin.push(LOWEST_BIN + i);
    count.push(found);
  }
  return { bin, count };
}
