/** What a crash, a full disk and a rotation leave of a file, and what is written after it. */
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { fileConfig } from '../../../exporters/file/config.ts';
import { FileExporter } from '../../../exporters/file/file.ts';
import type { DecisionBatch } from '../../../pipeline/batch.ts';
import { inflate } from '../../../pipeline/compression.ts';
import { recordingLogger, testContext } from '../../support/context.ts';
import { decisionEvent } from '../../support/decision-event.ts';

const folder = mkdtempSync(join(tmpdir(), 'file-torn-'));
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => void vi.restoreAllMocks());

const never = new AbortController().signal;
let paths = 0;

function newPath(): string {
  return join(folder, `out-${paths++}`);
}

function decision(id: string, reason = ''): DecisionBatch {
  const event = decisionEvent(id);
  return { signal: 'decisions', items: 1, decisions: [{ ...event, data: { ...event.data, reason } }] };
}

/** Starts an exporter, lets it write these decisions, and stops it. Returns what it warned of. */
async function write(config: object, ids: readonly string[], reason?: string): Promise<Record<string, unknown>[]> {
  const { logger, lines } = recordingLogger();
  const exporter = new FileExporter(fileConfig.parse(config), testContext('file', { logger }));
  await exporter.start();
  for (const id of ids) await exporter.consume(decision(id, reason));
  await exporter.stop(never);
  return lines;
}

function idsIn(text: string): unknown[] {
  expect(text.endsWith('\n') || text === '').toBe(true);
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line).id);
}

function idsOf(path: string, compression = 'none'): unknown[] {
  const bytes = readFileSync(path);
  if (compression === 'none') return idsIn(bytes.toString());
  return idsIn(Buffer.from(inflate(compression as 'gzip' | 'zstd', bytes, 2 ** 30)).toString());
}

function asideOf(path: string): string[] {
  const names = readdirSync(folder).filter((name) => name.startsWith(`${basename(path)}.damaged-`));
  return names.map((name) => join(folder, name));
}

/** Text that hardly compresses. */
function noise(bytes: number): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(Math.min(bytes, 65_536))))
    .toString('base64')
    .repeat(Math.ceil(bytes / 65_536))
    .slice(0, bytes);
}

describe.each(['none', 'gzip', 'zstd'])('a piece of a line that a crash left, compression %s', (compression) => {
  it('is cut off at start, wherever the crash came, and the log says how much it was', async () => {
    const path = newPath();
    await write({ path, compression }, ['d-1', 'd-2']);
    const whole = readFileSync(path);
    await write({ path, compression }, ['torn']);
    const all = readFileSync(path);
    for (const bytes of [1, 2, 3, 5, 12, 100, all.length - whole.length - 1]) {
      writeFileSync(path, all.subarray(0, whole.length + bytes));
      const logged = await write({ path, compression }, ['d-3']);
      expect(idsOf(path, compression)).toEqual(['d-1', 'd-2', 'd-3']);
      expect(logged).toMatchObject([{ level: 40, path, bytes, msg: expect.stringContaining('cut off half a line') }]);
    }
    expect(asideOf(path)).toEqual([]);
  });

  it('is not seen in a whole file', async () => {
    const path = newPath();
    expect(await write({ path, compression }, ['d-1'])).toEqual([]);
    expect(await write({ path, compression }, ['d-2'])).toEqual([]);
    expect(await write({ path, compression }, [])).toEqual([]);
    expect(idsOf(path, compression)).toEqual(['d-1', 'd-2']);
  });

  it('may be long, and so may the line before it', async () => {
    const path = newPath();
    await write({ path, compression }, ['d-1'], noise(1_000_000));
    const { size } = statSync(path);
    await write({ path, compression }, ['torn'], noise(1_000_000));
    truncateSync(path, statSync(path).size - 1);
    await write({ path, compression }, ['d-2']);
    expect(idsOf(path, compression)).toEqual(['d-1', 'd-2']);
    expect(statSync(path).size).toBeLessThan(size + 10_000);
  });

  it('is moved aside where there is nothing else', async () => {
    const path = newPath();
    await write({ path, compression }, ['torn']);
    truncateSync(path, statSync(path).size - 1);
    const torn = readFileSync(path);
    const logged = await write({ path, compression }, ['d-1']);
    expect(idsOf(path, compression)).toEqual(['d-1']);
    const [aside] = asideOf(path);
    expect(readFileSync(aside as string)).toEqual(torn);
    expect(logged).toMatchObject([{ level: 40, path, movedTo: aside }]);
  });
});

describe('what is whole', () => {
  it.each([
    ['none', 'gzip'],
    ['gzip', 'none'],
    ['none', 'zstd'],
    ['zstd', 'none'],
  ])('is not cut when compression changes from %s to %s', async (before, after) => {
    const path = newPath();
    await write({ path, compression: before }, ['d-1', 'd-2']);
    await write({ path, compression: after }, ['d-3']);
    expect(idsOf(path, after)).toEqual(['d-3']);
    expect(asideOf(path).map((aside) => idsOf(aside, before))).toEqual([['d-1', 'd-2']]);
  });

  it('is not cut where another program has added a member in a form of its own', async () => {
    const path = newPath();
    await write({ path, compression: 'gzip' }, ['d-1']);
    const named = gzipSync('{"id":"d-2"}\n');
    named[3] = 8;
    appendFileSync(path, Buffer.concat([named.subarray(0, 10), Buffer.from('name\0'), named.subarray(10)]));
    await write({ path, compression: 'gzip' }, ['d-3']);
    expect(idsOf(path, 'gzip')).toEqual(['d-3']);
    expect(asideOf(path).map((aside) => idsIn(gunzipSync(readFileSync(aside)).toString()))).toEqual([['d-1', 'd-2']]);
  });
});

describe('a failed write', () => {
  /** Makes the next writes fail when they have written `half`, after `during`. */
  async function failWrites(times: number, half: string, during: (path: string) => void, path: string): Promise<void> {
    const handles = await prototype();
    const write = vi.spyOn(handles, 'appendFile');
    for (let i = 0; i < times; i++) {
      write.mockImplementationOnce(async () => {
        appendFileSync(path, half);
        during(path);
        throw new Error('ENOSPC');
      });
    }
  }

  async function prototype(): Promise<FileHandle> {
    const handle = await open('/dev/null');
    await handle.close();
    return Object.getPrototypeOf(handle);
  }

  async function started(path: string): Promise<FileExporter> {
    const exporter = new FileExporter(fileConfig.parse({ path }), testContext('file'));
    await exporter.start();
    return exporter;
  }

  const unwritable = { code: 'file_unwritable' };

  it('leaves nothing behind after the file was rotated by copytruncate', async () => {
    const path = newPath();
    const exporter = await started(path);
    for (const id of ['d-1', 'd-2', 'd-3']) await exporter.consume(decision(id));
    truncateSync(path, 0);
    await failWrites(1, '{"id":"to', () => {}, path);
    await expect(exporter.consume(decision('d-4'))).rejects.toMatchObject(unwritable);
    expect(statSync(path).size).toBe(0);
    await exporter.consume(decision('d-5'));
    await failWrites(1, '{"id":"to', () => {}, path);
    await expect(exporter.consume(decision('d-6'))).rejects.toMatchObject(unwritable);
    await exporter.stop(never);
    expect(idsOf(path)).toEqual(['d-5']);
  });

  it('leaves nothing behind when the rotation comes in the middle of it', async () => {
    const path = newPath();
    const exporter = await started(path);
    for (const id of ['d-1', 'd-2']) await exporter.consume(decision(id));
    await failWrites(1, '', () => writeFileSync(path, '":1}\n{"id":'), path);
    await expect(exporter.consume(decision('d-3'))).rejects.toMatchObject(unwritable);
    await exporter.consume(decision('d-4'));
    await exporter.stop(never);
    expect(idsOf(path)).toEqual(['d-4']);
  });

  it('is cut off before the next one, if it could not be at once', async () => {
    const path = newPath();
    const exporter = await started(path);
    await exporter.consume(decision('d-1'));
    await failWrites(1, '{"id":"to', () => {}, path);
    const cut = vi.spyOn(await prototype(), 'truncate');
    for (let i = 0; i < 3; i++) cut.mockRejectedValueOnce(new Error('EIO'));
    // The second one is not written, since it could not begin with the cut.
    for (const id of ['d-2', 'd-3']) {
      await expect(exporter.consume(decision(id))).rejects.toMatchObject(unwritable);
    }
    await exporter.consume(decision('d-4'));
    await exporter.stop(never);
    expect(idsOf(path)).toEqual(['d-1', 'd-4']);
  });
});
