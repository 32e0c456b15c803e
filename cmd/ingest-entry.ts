/** Where the program of an ingest worker lies. */
export const INGEST_WORKER = new URL('./ingest-worker.ts', import.meta.url);
