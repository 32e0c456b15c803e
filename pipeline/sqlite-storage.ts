import { closeSync, mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { FileStorageConfig } from './config/file-storage.ts';
import { asPipelineError, PipelineError } from './errors.ts';
import type { Storage, Storages } from './storage.ts';
import type { Logger } from './telemetry/logger.ts';

/** Raised when the tables change; a file of a higher one is refused. */
export const SCHEMA_VERSION = 1;

export const STATE_FILE = 'windback.db';

/** The write-ahead log is cut back to this after a checkpoint, bytes. */
const JOURNAL_BYTES = 4 << 20;

/** Primary result codes of SQLite (sqlite.org/rescode.html). */
const SQLITE = { busy: 5, corrupt: 11, notADatabase: 26 } as const;

type Config = Omit<FileStorageConfig, 'compaction'>;

/**
 * Opens the file of the state, or begins it, and holds it for this process alone. Throws `state_damaged`,
 * `state_newer`, `state_locked` or `file_unwritable`.
 */
export async function openStorages(config: Config, logger: Logger): Promise<Storages> {
  const path = join(config.directory, STATE_FILE);
  prepare(config, path);
  // Loaded here, so that whoever stores nothing does not wait for it.
  const { DatabaseSync: Database } = await import('node:sqlite');
  const open = (): Storages => {
    let database: DatabaseSync | undefined;
    try {
      database = new Database(path, { timeout: config.timeout });
      configure(database, config);
      return new SqliteStorages(database, path);
    } catch (thrown) {
      database?.close();
      throw stateError(thrown, path);
    }
  };
  try {
    return open();
  } catch (thrown) {
    const error = asPipelineError(thrown);
    if (error.code !== 'state_damaged' || !config.recreate) throw error;
    const movedTo = moveAside(path);
    prepare(config, path);
    logger.warn({ path, movedTo }, `${error.message}; begun anew, as recreate says`);
    return open();
  }
}

function prepare({ directory, create_directory, directory_permissions }: Config, path: string): void {
  try {
    if (create_directory) mkdirSync(directory, { recursive: true, mode: Number.parseInt(directory_permissions, 8) });
    else statSync(directory);
    // Made here, since SQLite would let everybody read it; its other files get the same mode.
    closeSync(openSync(path, 'a', 0o600));
  } catch (error) {
    throw new PipelineError('file_unwritable', `${(error as Error).message} (extensions.file_storage.directory)`, {
      cause: error,
    });
  }
}

function configure(database: DatabaseSync, { fsync }: Config): void {
  // Two processes that wrote the same state would both be wrong. The lock ends with the process, however it ends.
  database.exec('PRAGMA locking_mode = EXCLUSIVE');
  // Nothing is written before it is known whose file it is.
  const isNew = check(database);
  database.exec('PRAGMA journal_mode = WAL');
  database.exec(`PRAGMA synchronous = ${fsync ? 'FULL' : 'NORMAL'}`);
  database.exec(`PRAGMA journal_size_limit = ${JOURNAL_BYTES}`);
  if (isNew) database.exec(TABLES);
}

const TABLES = `
  BEGIN IMMEDIATE;
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE state (component TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (component, key)) STRICT, WITHOUT ROWID;
  INSERT INTO meta VALUES ('schema_version', '${SCHEMA_VERSION}');
  COMMIT;`;

/** Whether the file is new; throws where it is damaged, of another program, or of a newer version. */
function check(database: DatabaseSync): boolean {
  const [found] = database.prepare('PRAGMA quick_check(1)').all();
  if (found?.quick_check !== 'ok') throw new PipelineError('state_damaged', String(found?.quick_check));
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  if (tables.length === 0) return true;
  if (!tables.some(({ name }) => name === 'meta')) throw new PipelineError('state_damaged', 'other tables than ours');
  const row = database.prepare("SELECT value FROM meta WHERE key = 'schema_version'").get();
  const version = Number(row?.value);
  if (!Number.isInteger(version)) throw new PipelineError('state_damaged', `its version is ${String(row?.value)}`);
  if (version > SCHEMA_VERSION) {
    throw new PipelineError('state_newer', `version ${version}, and this one knows ${SCHEMA_VERSION}`);
  }
  checkColumns(database);
  return false;
}

/** The text of a table may be damaged where no page is: then its columns have other names. */
function checkColumns(database: DatabaseSync): void {
  try {
    database.prepare('SELECT component, key, value FROM state LIMIT 0').all();
  } catch (error) {
    throw new PipelineError('state_damaged', (error as Error).message, { cause: error });
  }
}

/** One file for all components. */
class SqliteStorages implements Storages {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #storages = new Map<string, SqliteStorage>();
  #isOpen = true;

  constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#path = path;
  }

  of(component: string): Storage {
    let storage = this.#storages.get(component);
    if (storage === undefined) {
      storage = new SqliteStorage(this.#database, this.#path, component);
      this.#storages.set(component, storage);
    }
    return storage;
  }

  having(prefix: string): readonly string[] {
    if (!this.#isOpen) return [];
    try {
      const select = this.#database.prepare('SELECT DISTINCT component FROM state WHERE substr(key, 1, ?) = ?');
      return select.all(prefix.length, prefix).map(({ component }) => component as string);
    } catch (thrown) {
      throw stateError(thrown, this.#path);
    }
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#database.close();
  }
}

/** The rows of one component. */
export class SqliteStorage implements Storage {
  readonly survives = true;
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #component: string;
  readonly #select: StatementSync;
  readonly #keys: StatementSync;
  readonly #upsert: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync, path: string, component: string) {
    this.#database = database;
    this.#path = path;
    this.#component = component;
    this.#select = database.prepare('SELECT value FROM state WHERE component = ? AND key = ?');
    this.#keys = database.prepare('SELECT key FROM state WHERE component = ? ORDER BY key');
    this.#upsert = database.prepare('INSERT OR REPLACE INTO state (component, key, value) VALUES (?, ?, ?)');
    this.#delete = database.prepare('DELETE FROM state WHERE component = ? AND key = ?');
  }

  get(key: string): string | undefined {
    return this.#attempt(() => this.#select.get(this.#component, key)?.value as string | undefined);
  }

  put(entries: ReadonlyMap<string, string | null>): void {
    if (entries.size === 0) return;
    this.#attempt(() => {
      this.#database.exec('BEGIN IMMEDIATE');
      try {
        for (const [key, value] of entries) {
          if (value === null) this.#delete.run(this.#component, key);
          else this.#upsert.run(this.#component, key, value);
        }
        this.#database.exec('COMMIT');
      } catch (error) {
        // Some failures, such as a full disk, have rolled back already.
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
        throw error;
      }
    });
  }

  keys(): readonly string[] {
    return this.#attempt(() => this.#keys.all(this.#component).map(({ key }) => key as string));
  }

  #attempt<T>(work: () => T): T {
    if (!this.#database.isOpen) throw new PipelineError('stopping', `${this.#path} is closed`);
    try {
      return work();
    } catch (error) {
      throw stateError(error, this.#path);
    }
  }
}

/** What SQLite said, by our table, with the file. */
function stateError(thrown: unknown, path: string): PipelineError {
  if (thrown instanceof PipelineError) return new PipelineError(thrown.code, `${path}: ${thrown.detail}`);
  const { code, errcode, message } = thrown as { code?: string; errcode?: number; message: string };
  if (code !== 'ERR_SQLITE_ERROR') return asPipelineError(thrown);
  const primary = (errcode ?? 0) & 0xff;
  const detail = `${path}: ${message}`;
  if (primary === SQLITE.busy) return new PipelineError('state_locked', detail, { cause: thrown });
  const isDamaged = primary === SQLITE.corrupt || primary === SQLITE.notADatabase;
  return new PipelineError(isDamaged ? 'state_damaged' : 'file_unwritable', detail, { cause: thrown });
}

/** The path that the damaged file has now; what had been moved aside before gives way. */
function moveAside(path: string): string {
  const aside = `${path}.damaged`;
  renameSync(path, aside);
  // They belong to the damaged file, and SQLite would apply them to the new one.
  for (const suffix of ['-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
  return aside;
}
