/** The program of an ingest worker: a thread that `windback run` starts where `service.workers` is more than 1. */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { loadConfigLazily } from '../pipeline/config/load.ts';
import { IngestWorker, type Load } from '../pipeline/workers/ingest.ts';
import type { WorkerStart } from '../pipeline/workers/messages.ts';
import { loadComponents } from './components.ts';

const start = workerData as WorkerStart;
// What the main thread has read: a file that is changed meanwhile must not make two configurations of one.
const load: Load = ({ sources, sets, env, files }) => {
  const readFile = (path: string) => files.get(path) ?? '';
  return loadConfigLazily({ sources, sets, env, readFile, readSecret: readFile }, loadComponents);
};
new IngestWorker(parentPort as MessagePort, start, await load(start.config), load);
