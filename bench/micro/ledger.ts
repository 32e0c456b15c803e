import { type Batch, TelemetryBatch } from '../../pipeline/batch.ts';
import type { Consumer, Outlets } from '../../pipeline/component.ts';
import { Wiring } from '../../pipeline/fanout.ts';
import { Account } from '../../pipeline/ledger/account.ts';
import { Books } from '../../pipeline/ledger/books.ts';
import { Meter } from '../../pipeline/telemetry/meter.ts';
import { METRICS } from '../../pipeline/telemetry/metrics-table.ts';
import { deploymentConfig } from '../../processors/deployment/config.ts';
import { DeploymentTagger } from '../../processors/deployment/deployment.ts';
import { healthConfig } from '../../processors/health/config.ts';
import { HealthFolder } from '../../processors/health/health.ts';
import { outletsTo, quietContext } from '../transport/surroundings.ts';

/** A processor for what stands behind it. */
type Make = (next: Outlets) => Consumer;

const PASSING: readonly Make[] = Array.from({ length: 3 }, () => (next: Outlets) => ({
  consume: async (batch: Batch) => {
    await next.to(batch.signal).consume(batch);
  },
}));

const JUDGING: readonly Make[] = [
  (next) => new DeploymentTagger(deploymentConfig.parse({}), next, quietContext('deployment')),
  (next) => new HealthFolder(healthConfig.parse({ drop_duplicates: false }), next, quietContext('health')),
];

/** Sends a batch of spans through processors to an exporter that takes everything. */
export function passing(bytes: Uint8Array, hasBooks: boolean): () => Promise<void> {
  const entry = line(PASSING, hasBooks);
  const batch = TelemetryBatch.open('traces', bytes);
  return () => entry.consume(batch);
}

/** The same with the processors that Windback is for, and the scan before them. */
export function judging(bytes: Uint8Array, hasBooks: boolean): () => Promise<void> {
  const entry = line(JUDGING, hasBooks);
  return () => entry.consume(TelemetryBatch.open('traces', bytes));
}

function line(processors: readonly Make[], hasBooks: boolean): Consumer {
  const meter = new Meter(METRICS);
  const books = new Books(meter, {
    id: 'traces',
    flow: Array.from({ length: processors.length + 1 }, () => 'traces' as const),
    processors: processors.map((_, i) => `processor/${i}`),
    exporters: ['exporter'],
  });
  let next = hasBooks ? booked(new Account(meter, 'exporter', 'traces', 'traces')) : { consume: async () => {} };
  for (let i = processors.length; i >= 0; i--) {
    const behind = next;
    const wiring = new Wiring();
    const seam = hasBooks ? books.seams[i] : undefined;
    wiring.to('traces').connect({ branches: [{ consumer: behind, mutates: false }], seam });
    // As it is without books: a promise of its own at each place, which counts nothing.
    const out = hasBooks ? wiring : outletsTo({ consume: async (batch) => behind.consume(batch) });
    next = i === 0 ? out.to('traces') : (processors[i - 1] as Make)(out);
  }
  return next;
}

/** What a queue does with the account. */
function booked(account: Account): Consumer {
  return {
    async consume({ items }) {
      account.accept(items);
      account.queue(items);
      account.deliver(items);
      account.queue(-items);
    },
  };
}
