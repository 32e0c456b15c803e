import type { TelemetryBatch } from '../../../pipeline/batch.ts';
import { ManualClock } from '../../../pipeline/clock.ts';
import { deploymentConfig } from '../../../processors/deployment/config.ts';
import { DeploymentTagger } from '../../../processors/deployment/deployment.ts';
import { healthConfig } from '../../../processors/health/config.ts';
import { HealthFolder } from '../../../processors/health/health.ts';
import type { DeltaSeries, DeploymentEvent, HealthDelta } from '../../../proto/windback/health.ts';
import { counted, Sink, testContext } from '../../support/context.ts';

/** The present, when telemetry arrives; 14 November 2023, 22:13:20 UTC. */
export const NOW = 1_700_000_000;

export const RESOURCE = {
  'service.namespace': 'shop',
  'service.name': 'checkout',
  'deployment.environment.name': 'prod',
  'service.version': '1',
  'service.instance.id': 'pod-1',
};

/** A tagger and a folder behind it, as in a pipeline. */
export class Folding {
  readonly clock = new ManualClock(NOW * 1000);
  readonly context = testContext('health', { clock: this.clock });
  readonly sink = new Sink(['traces', 'metrics', 'logs', 'health']);
  readonly folder: HealthFolder;
  readonly #tagger: DeploymentTagger;

  constructor(config: Record<string, unknown> = {}) {
    this.folder = new HealthFolder(healthConfig.parse(config), this.sink, this.context);
    const outlets = { to: () => this.folder, has: () => true };
    this.#tagger = new DeploymentTagger(deploymentConfig.parse({}), outlets, testContext('deployment'));
  }

  consume(batch: TelemetryBatch): Promise<void> {
    return this.#tagger.consume(batch);
  }

  /** Lets the folder flush and gives all deltas so far. */
  async deltas(): Promise<readonly HealthDelta[]> {
    await this.folder.stop();
    return this.sink.batches.flatMap((batch) => (batch.signal === 'health' ? batch.deltas : []));
  }

  async series(): Promise<DeltaSeries[]> {
    return (await this.deltas()).flatMap(({ series }) => [...series]);
  }

  async events(): Promise<DeploymentEvent[]> {
    return (await this.deltas()).flatMap(({ events }) => [...events]);
  }

  ignored(signal: string, reason: string): Promise<number> {
    const labels = { processor: 'health', signal, reason };
    return counted(this.context, 'windback_health_ignored_items_total', labels);
  }

  folded(signal: string): Promise<number> {
    return counted(this.context, 'windback_health_folded_items_total', { processor: 'health', signal });
  }
}

/** Sums of what one kind of telemetry said. */
export function totals(series: readonly DeltaSeries[], kind: string): { all: number; bad: number } {
  const found = series.filter((one) => one.kind === kind);
  return {
    all: found.reduce((sum, { all }) => sum + all, 0),
    bad: found.reduce((sum, { bad }) => sum + bad, 0),
  };
}
