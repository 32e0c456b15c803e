/** An ingest worker that knows the components of `extra.ts` too. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { loadComponents } from '../../../cmd/components.ts';
import { loadConfig } from '../../../pipeline/config/load.ts';
import { IngestWorker, type Load } from '../../../pipeline/workers/ingest.ts';
import type { WorkerStart } from '../../../pipeline/workers/messages.ts';
import { EXTRA } from './extra.ts';

const table = await loadComponents();
const load: Load = async ({ sources, sets, env }) =>
  loadConfig(
    { sources, sets, env, readFile: () => '' },
    {
      receivers: [...table.receivers, ...EXTRA.receivers],
      processors: [...table.processors, ...EXTRA.processors],
      exporters: [...table.exporters, ...EXTRA.exporters],
    },
  );
const start = workerData as WorkerStart;
new IngestWorker(parentPort as MessagePort, start, await load(start.config), load);
