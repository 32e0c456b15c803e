import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FileStorageConfig } from '../config/file-storage.ts';
import type { LoadedConfig } from '../config/loaded.ts';
import type { QueuedConfig } from '../component.ts';
import type { Logger } from '../telemetry/logger.ts';
import { mainExporters, workerExporters } from '../workers/split.ts';
import type { SpoolSettings } from './spool.ts';

const FOLDER = 'queue';
/** The main thread's number; that of ingest worker i is i + 1. */
const MAIN = 0;

/** Where the queues of this thread's exporters lie, by id; undefined where the configuration has no `file_storage`. */
export function spoolsOf(loaded: LoadedConfig, worker?: number): ((id: string) => SpoolSettings) | undefined {
  const { fileStorage, workers } = loaded.service;
  if (fileStorage === undefined) return undefined;
  const writer = worker === undefined ? MAIN : worker + 1;
  const elsewhere = worker === undefined ? workerExporters(loaded) : mainExporters(loaded);
  return (id) => ({
    directory: join(fileStorage.directory, FOLDER, encodeURIComponent(id)),
    fsync: fileStorage.fsync,
    writer,
    adopts: (other) => {
      // There may have been more threads before, or one only. The main one takes up all where no worker runs it.
      if (worker === undefined) return workers === 1 || other === MAIN || !elsewhere.has(id);
      return other === MAIN ? worker === 0 && !elsewhere.has(id) : (other - 1) % workers === worker;
    },
  });
}

/** Warns of queues on disk whose exporter is not there any more: nobody delivers what is in them. */
export function warnOfOrphans({ directory }: FileStorageConfig, loaded: LoadedConfig, logger: Logger): void {
  const folder = join(directory, FOLDER);
  if (!existsSync(folder)) return;
  const queued = new Set(
    [...loaded.exporters.values()]
      .filter(({ config }) => (config as QueuedConfig).sending_queue?.storage !== undefined)
      .map(({ id }) => id),
  );
  const used = new Set(loaded.pipelines.flatMap(({ exporters }) => exporters.map(({ id }) => id)));
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const { name } = entry;
    const id = idOf(name);
    // Not one of ours.
    if (!entry.isDirectory() || id === undefined) continue;
    const files = readdirSync(join(folder, name)).length;
    if (files === 0 || (queued.has(id) && used.has(id))) continue;
    logger.warn(
      { exporter: id, files, path: join(folder, name) },
      `telemetry waits on disk for exporter ${id}, which has no queue there now: configure it again to deliver it, or delete the files`,
    );
  }
}

function idOf(name: string): string | undefined {
  try {
    return decodeURIComponent(name);
  } catch {
    return undefined;
  }
}
