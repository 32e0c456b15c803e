import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { PipelineError } from '../../../pipeline/errors.ts';
import { decodeToJson } from '../../../proto/otlp/json-decode.ts';
import { type CaptureEntry, type CaptureSettings, readCapture } from '../../../receivers/otlp-file/capture.ts';
import { type Line, splitLines } from '../../../receivers/otlp-file/lines.ts';

const folder = mkdtempSync(join(tmpdir(), 'capture-'));
afterAll(() => rm(folder, { recursive: true }));

let files = 0;

async function read(content: string | Buffer, settings: CaptureSettings = {}): Promise<CaptureEntry[]> {
  const path = join(folder, `capture-${files++}`);
  writeFileSync(path, content);
  const entries: CaptureEntry[] = [];
  for await (const entry of readCapture(path, settings)) entries.push(entry);
  return entries;
}

/** `line name` of requests, `line: problem` of problems. */
function told(entries: readonly CaptureEntry[]): string[] {
  return entries.map((entry) => {
    if ('problem' in entry) return `${entry.line}: ${entry.problem}`;
    return `${entry.line} ${entry.signal} ${JSON.stringify(decodeToJson(entry.signal, entry.bytes)).replace(/\D+/g, '')}`;
  });
}

function spans(droppedEventsCount: number): string {
  return JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [{ droppedEventsCount }] }] }] });
}

const THREE = [1, 2, 3].map((n) => `${spans(n)}\n`);
const THREE_TOLD = ['1 traces 1', '2 traces 2', '3 traces 3'];

/** As the Collector's file exporter writes when it compresses. */
function framed(...requests: string[]): Buffer {
  return Buffer.concat(
    requests.flatMap((request) => {
      const frame = zstdCompressSync(request);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(frame.length);
      return [length, frame];
    }),
  );
}

describe('readCapture', () => {
  it.each([
    ['plain', THREE.join('')],
    ['without the last newline', THREE.join('').trimEnd()],
    ['gzip', gzipSync(THREE.join(''))],
    ['gzip of several members', Buffer.concat(THREE.map((line) => gzipSync(line)))],
    ['zstd', zstdCompressSync(THREE.join(''))],
    ['zstd of several frames', Buffer.concat(THREE.map((line) => zstdCompressSync(line)))],
    ['framed zstd', framed(...THREE)],
  ])('reads %s', async (_name, content) => {
    expect(told(await read(content))).toEqual(THREE_TOLD);
  });

  it('tells the signals apart, also by the names of the .proto files and several in one line', async () => {
    const lines = ['{"resourceMetrics":[]}', '{"resource_logs":[]}', '{"resourceSpans":[],"resourceLogs":[]}'];
    expect(told(await read(lines.join('\n')))).toEqual(['1 metrics ', '2 logs ', '3 traces ', '3 logs ']);
  });

  it('names a broken line and goes on', async () => {
    const lines = [spans(1), '', '{"resourceSpans":[', '  \r', '{}', '[]', 'null', '{"resourceSpans":{}}', spans(9)];
    expect(told(await read(lines.join('\r\n')))).toEqual([
      '1 traces 1',
      '3: not valid JSON: unexpected end of JSON input',
      '5: not an OTLP request: it has none of resourceSpans, resourceMetrics and resourceLogs',
      '6: not an OTLP request: it has none of resourceSpans, resourceMetrics and resourceLogs',
      '7: not an OTLP request: it has none of resourceSpans, resourceMetrics and resourceLogs',
      '8: resourceSpans: must be an array, not an object',
      '9 traces 9',
    ]);
  });

  it('skips a line that is too long', async () => {
    const content = [spans(1), 'x'.repeat(3_000_000), spans(3)].join('\n');
    for (const stored of [content, gzipSync(content), zstdCompressSync(content)]) {
      expect(told(await read(stored, { maxLineBytes: 1000 }))).toEqual([
        '1 traces 1',
        '2: the line has 3000000 bytes, more than max_line allows (1000)',
        '3 traces 3',
      ]);
    }
  });

  it('skips a frame that is too long, stored or inflated, or broken', async () => {
    const noise = Buffer.from(
      fc.sample(fc.uint8Array({ minLength: 5000, maxLength: 5000 }), { numRuns: 1, seed: 1 })[0] as Uint8Array,
    );
    const content = framed(spans(1), noise.toString('base64'), 'x'.repeat(3000), spans(4));
    const broken = framed(spans(5));
    broken[12] = 0xff;
    const entries = told(await read(Buffer.concat([content, broken, framed(spans(6))]), { maxLineBytes: 1000 }));
    expect(entries.slice(0, 1)).toEqual(['1 traces 1']);
    expect(entries[1]).toMatch(/^2: the line has \d{4} bytes, more than max_line allows \(1000\)$/);
    expect(entries[2]).toBe('3: the request inflates to more than max_line allows (1000)');
    expect(entries[3]).toBe('4 traces 4');
    expect(entries[4]).toMatch(/^5: the zstd data is broken/);
    expect(entries[5]).toBe('6 traces 6');
  });

  it('reads what can be read of compressed data that ends too early', async () => {
    const lines = Array.from({ length: 2000 }, (_, i) => `${spans(i + 1)}\n`);
    for (const stored of [gzipSync(lines.join('')), zstdCompressSync(lines.join(''))]) {
      const entries = await read(stored.subarray(0, stored.length - 5));
      const last = entries.at(-1);
      expect(last).toMatchObject({
        code: 'malformed',
        problem: expect.stringMatching(/^the compressed data is broken/),
      });
      expect(entries.length).toBeGreaterThan(1);
      expect(told(entries.slice(0, 1))).toEqual(['1 traces 1']);
    }
    const cut = framed(...THREE);
    expect(told(await read(cut.subarray(0, cut.length - 1)))).toEqual([
      ...THREE_TOLD.slice(0, 2),
      '3: the file ends in the middle of a request',
    ]);
  });

  it('says when garbage follows compressed data', async () => {
    for (const compress of [gzipSync, zstdCompressSync]) {
      const entries = told(await read(Buffer.concat([compress(THREE.join('')), Buffer.from('garbage!')])));
      expect(entries.at(-1)).toMatch(/: the compressed data is broken/);
    }
  });

  it('reads large compressed captures completely', async () => {
    const pad = JSON.stringify({
      resourceSpans: [],
      pad: fc.sample(fc.string({ minLength: 5000, maxLength: 5000 }), { numRuns: 1, seed: 7 })[0],
    });
    const content = `${pad}\n`.repeat(1000);
    for (const stored of [
      gzipSync(content),
      zstdCompressSync(content),
      Buffer.concat([zstdCompressSync(content), zstdCompressSync(content)]),
    ]) {
      const entries = await read(stored);
      expect(entries.filter((entry) => 'problem' in entry)).toEqual([]);
      expect(entries.length % 1000).toBe(0);
    }
  });

  it('gives nothing for an empty file', async () => {
    expect(await read('')).toEqual([]);
    expect(await read('\n')).toEqual([]);
  });

  it('throws file_unreadable where there is no file', async () => {
    const entries = readCapture(join(folder, 'absent'));
    await expect(entries.next()).rejects.toThrow(PipelineError);
    await expect(readCapture(folder).next()).rejects.toMatchObject({ code: 'file_unreadable' });
  });

  it('reads standard input', () => {
    const script = `
      const { readCapture } = await import(process.argv[1]);
      for await (const { line, signal } of readCapture('-')) console.log(line, signal);`;
    const module = new URL('../../../receivers/otlp-file/capture.ts', import.meta.url).href;
    const args = ['--input-type=module', '-e', script, module];
    for (const input of [THREE.join(''), gzipSync(THREE.join(''))]) {
      const { stdout } = spawnSync(process.execPath, args, { input, encoding: 'utf8' });
      expect(stdout).toBe('1 traces\n2 traces\n3 traces\n');
    }
  });

  it('ends quietly when it is told to', async () => {
    const stop = new AbortController();
    stop.abort();
    expect(await read(gzipSync(THREE.join('')), { signal: stop.signal })).toEqual([]);
  });
});

describe('splitLines', () => {
  async function split(chunks: readonly string[], maxBytes = 1000): Promise<Line[]> {
    const lines: Line[] = [];
    const source = (async function* () {
      for (const chunk of chunks) yield Buffer.from(chunk);
    })();
    for await (const line of splitLines(source, maxBytes)) lines.push(line);
    return lines;
  }

  it('gives the same lines however the bytes are cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: fc.constantFrom('a', '\n', ' ', 'bcd'), maxLength: 9 })),
        async (chunks) => {
          const expected = chunks
            .join('')
            .split('\n')
            .map((text, i) => ({ line: i + 1, text }))
            .filter(({ text }) => text.trim() !== '')
            .map(({ line, text }) => (text.length > 6 ? { line, code: 'too_large' } : { line, text }));
          const lines = await split(chunks, 6);
          expect(
            lines.map((line) =>
              'bytes' in line
                ? { line: line.line, text: Buffer.from(line.bytes).toString() }
                : { line: line.line, code: line.code },
            ),
          ).toEqual(expected);
        },
      ),
    );
  });
});
