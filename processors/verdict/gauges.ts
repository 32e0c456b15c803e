import type { Instruments, Level } from '../../pipeline/telemetry/meter.ts';
import type { IndicatorsConfig } from './config-indicators.ts';
import type { ServiceJudge } from './service-judge.ts';
import { WINDOW_NAMES } from './windows.ts';

/** Scores as gauges, made when somebody looks. */
export class ScoreGauges {
  readonly #meter: Instruments;
  readonly #levels = new Map<string, Level>();

  constructor(meter: Instruments) {
    this.#meter = meter;
  }

  show(services: readonly ServiceJudge[], config: IndicatorsConfig): void {
    const seen = new Set<string>();
    for (const { identity, cohorts } of services) {
      for (const cohort of cohorts.values()) {
        const scores = cohort.scores(config);
        for (const window of WINDOW_NAMES) {
          const value = scores[window];
          if (value !== null) seen.add(this.#show(identity.key, cohort.version, window, value));
        }
      }
    }
    for (const [key, level] of this.#levels) {
      if (seen.has(key)) continue;
      level.remove();
      this.#levels.delete(key);
    }
  }

  #show(service: string, version: string, window: string, value: number): string {
    const key = JSON.stringify([service, version, window]);
    let level = this.#levels.get(key);
    if (level === undefined) {
      level = this.#meter.gauge('windback_health_score', { service, version, window });
      this.#levels.set(key, level);
    }
    level.set(value);
    return key;
  }
}
