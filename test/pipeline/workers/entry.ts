/** An ingest worker that knows the components of `extra.ts` too. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { loadComponents } from '../../../cmd/components.ts';
import { loadConfig } from '../../../pipeline/config/load.ts';
import { IngestWorker } from '../../../pipeline/workers/ingest.ts';
import type { WorkerStart } from '../../../pipeline/workers/messages.ts';
import { EXTRA } from './extra.ts';

const table = await loadComponents();
const { sources, sets, env } = (workerData as WorkerStart).config;
const loaded = loadConfig(
  { sources, sets, env, readFile: () => '' },
  {
    receivers: [...table.receivers, ...EXTRA.receivers],
    processors: [...table.processors, ...EXTRA.processors],
    exporters: [...table.exporters, ...EXTRA.exporters],
  },
);
new IngestWorker(parentPort as MessagePort, workerData as WorkerStart, loaded);
