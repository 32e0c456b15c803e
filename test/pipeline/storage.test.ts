import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fileStorageConfig } from '../../pipeline/config/file-storage.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { openStorages, STATE_FILE } from '../../pipeline/sqlite-storage.ts';
import { MemoryStorages, type Storage, type Storages } from '../../pipeline/storage.ts';
import { recordingLogger } from '../support/context.ts';

const CHILD = join(import.meta.dirname, 'storage-child.ts');

let folder: string;
let opened: Storages[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'windback-state-'));
});
afterEach(() => {
  for (const storages of opened.splice(0)) storages.close();
  rmSync(folder, { recursive: true, force: true });
});

async function open(options: object = {}, logger = recordingLogger().logger): Promise<Storages> {
  const config = fileStorageConfig.parse({ directory: folder, timeout: '0ms', ...options });
  const storages = await openStorages(config, logger);
  opened.push(storages);
  return storages;
}

function reopen(storages: Storages, options: object = {}): Promise<Storages> {
  storages.close();
  return open(options);
}

function contents(storage: Storage): Record<string, string | undefined> {
  return Object.fromEntries(storage.keys().map((key) => [key, storage.get(key)]));
}

describe.each([
  ['memory', async () => new MemoryStorages()],
  ['sqlite', async () => open({ fsync: false })],
] as const)('%s', (_, make) => {
  test('tells who has something under a prefix', async () => {
    const storages = await make();
    storages.of('kafka').put(new Map([['outbox/1', 'a']]));
    storages.of('kafka/two').put(new Map([['outbox/1', 'a']]));
    storages.of('kafka/two').put(new Map([['outbox/1', null]]));
    storages.of('verdict').put(new Map([['outboxes', 'a']]));
    expect(storages.having('outbox/')).toEqual(['kafka']);
    storages.close();
    expect(storages.having('outbox/')).toEqual([]);
  });

  test('keeps texts by component and key', async () => {
    const storages = await make();
    const storage = storages.of('verdict');
    storage.put(
      new Map([
        ['b', '2'],
        ['a', 'é\u0000€😀'],
        ['c', ''],
      ]),
    );
    storage.put(
      new Map([
        ['b', null],
        ['d', '4'],
        ['no such', null],
      ]),
    );
    expect(contents(storage)).toEqual({ a: 'é\u0000€😀', c: '', d: '4' });
    expect(storage.keys()).toEqual(['a', 'c', 'd']);
    expect(storages.of('verdict').get('d')).toBe('4');
    expect(storages.of('verdict/eu').keys()).toEqual([]);
    expect(storage.get('b')).toBeUndefined();
  });

  test('is a map, whatever is put', async () => {
    const storages = await make();
    let run = 0;
    const key = fc.constantFrom('a', 'b', 'c', '', '__proto__');
    const puts = fc.array(fc.array(fc.tuple(key, fc.option(fc.string(), { nil: null }))), { maxLength: 8 });
    fc.assert(
      fc.property(puts, (all) => {
        const storage = storages.of(`run ${run++}`);
        const model = new Map<string, string>();
        for (const entries of all) {
          storage.put(new Map(entries));
          for (const [name, value] of new Map(entries)) {
            if (value === null) model.delete(name);
            else model.set(name, value);
          }
        }
        expect(contents(storage)).toEqual(Object.fromEntries(model));
      }),
      { numRuns: 50 },
    );
  });
});

describe('the file', () => {
  test('remembers beyond its process, and is for its owner only', async () => {
    const first = await open();
    first.of('verdict').put(new Map([['k', 'v']]));
    const second = await reopen(first);
    expect(second.of('verdict').get('k')).toBe('v');
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o077).toBe(0);
  });

  test('a put that fails changes nothing', async () => {
    const storage = (await open()).of('verdict');
    storage.put(new Map([['k', 'v']]));
    const broken = new Map<string, string | null>([
      ['k', 'other'],
      ['l', 3 as unknown as string],
      ['m', Symbol('no') as never],
    ]);
    expect(() => storage.put(broken)).toThrow();
    expect(contents(storage)).toEqual({ k: 'v' });
    storage.put(new Map([['k', 'w']]));
    expect(storage.get('k')).toBe('w');
  });

  test('belongs to one process at a time', async () => {
    const first = await open();
    const error = await open().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'state_locked' });
    expect((error as PipelineError).row.todo).toContain('stop the other process');
    await reopen(first);
  });

  test('closed, it says so', async () => {
    const storages = await open();
    const storage = storages.of('verdict');
    storages.close();
    storages.close();
    expect(() => storage.get('k')).toThrow(expect.objectContaining({ code: 'stopping' }));
  });

  test('of a newer version is refused, and left as it is', async () => {
    (await open()).close();
    const path = join(folder, STATE_FILE);
    const database = new DatabaseSync(path);
    database.exec("UPDATE meta SET value = '999' WHERE key = 'schema_version'");
    database.close();
    const before = readFileSync(path);
    const error = (await open({ recreate: true }).catch((thrown: unknown) => thrown)) as PipelineError;
    expect(error).toMatchObject({ code: 'state_newer', detail: `${path}: version 999, and this one knows 1` });
    expect(error.row.todo).toContain('another directory');
    expect(readFileSync(path)).toEqual(before);
  });

  test('that cannot be made is told with its key', async () => {
    writeFileSync(join(folder, 'file'), '');
    for (const options of [
      { directory: join(folder, 'file/x') },
      { directory: join(folder, 'x'), create_directory: false },
    ]) {
      const error = await open(options).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'file_unwritable' });
      expect((error as Error).message).toContain('extensions.file_storage.directory');
    }
  });
});

describe('a damaged file', () => {
  const other = (path: string): void => {
    const database = new DatabaseSync(path);
    database.exec('CREATE TABLE theirs (x)');
    database.close();
  };
  const torn = async (path: string): Promise<void> => {
    const storages = await open();
    const big = Array.from({ length: 200 }, (_, i) => [`k${i}`, 'x'.repeat(1000)] as const);
    storages.of('verdict').put(new Map(big));
    storages.close();
    const bytes = readFileSync(path);
    bytes.fill(0xff, 20_000, 40_000);
    writeFileSync(path, bytes);
  };

  const renamed = async (path: string): Promise<void> => {
    (await open()).close();
    const database = new DatabaseSync(path);
    database.exec('ALTER TABLE state RENAME COLUMN value TO valuf');
    database.close();
  };

  test.each([
    [
      'no database',
      (path: string) => writeFileSync(path, 'not a database, but long enough to be read as one'.repeat(99)),
    ],
    ['of another program', other],
    ['torn in the middle', torn],
    ['with another column', renamed],
  ] as const)('%s: refused with the way out, or begun anew where that is wanted', async (_, damage) => {
    const path = join(folder, STATE_FILE);
    await damage(path);
    const before = readFileSync(path);
    const error = (await open().catch((thrown: unknown) => thrown)) as PipelineError;
    expect(error).toMatchObject({ code: 'state_damaged' });
    expect(error.message).toContain(path);
    expect(error.row.todo).toContain('recreate: true');

    const { logger, lines } = recordingLogger();
    const storages = await open({ recreate: true }, logger);
    storages.of('verdict').put(new Map([['k', 'v']]));
    expect(storages.of('verdict').keys()).toEqual(['k']);
    expect(readFileSync(`${path}.damaged`)).toEqual(before);
    expect(lines).toMatchObject([{ level: 40, movedTo: `${path}.damaged` }]);
  });
});

/** The child puts pairs `a` and `b` of one number, in one put, and tells each number when the put has returned. */
test('killed while it writes, it has all that was told and no half of a put', { timeout: 60_000 }, async () => {
  let told = -1;
  for (let round = 0; round < 5; round++) {
    const child = spawn(process.execPath, [CHILD, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    const closed = once(child, 'close');
    let text = '';
    for await (const piece of child.stdout as AsyncIterable<Buffer>) {
      text += piece.toString();
      if (text.split('\n').length > 20 + round * 7) child.kill('SIGKILL');
    }
    await closed;
    expect(child.signalCode).toBe('SIGKILL');
    const numbers = text.split('\n').slice(0, -1).map(Number);
    // It went on where the one before it was killed.
    expect(numbers[0]).toBeGreaterThan(told);
    told = numbers.at(-1) as number;
    const storages = await open();
    const storage = storages.of('verdict');
    const [a, b] = [storage.get('a')?.split(' ')[0], storage.get('b')?.split(' ')[0]];
    expect(a).toBe(b);
    expect(Number(a)).toBeGreaterThanOrEqual(told);
    storages.close();
  }
});
