import { mkdtempSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { ManualClock } from '../../../pipeline/clock.ts';
import type { Context } from '../../../pipeline/component.ts';
import { type ErrorCode, PipelineError } from '../../../pipeline/errors.ts';
import { ITEMS_MAX } from '../../../proto/otlp/growing.ts';
import { otlpFileConfig } from '../../../receivers/otlp-file/config.ts';
import { OtlpFileReceiver } from '../../../receivers/otlp-file/otlp-file.ts';
import { counted, recordingLogger, Sink, testContext } from '../../support/context.ts';

const folder = mkdtempSync(join(tmpdir(), 'otlp-file-'));
afterAll(() => rm(folder, { recursive: true }));

const SPAN = '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"},{"name":"b"}]}]}]}';
const LOG = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}';

function write(name: string, ...lines: string[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
  return path;
}

interface Run {
  readonly receiver: OtlpFileReceiver;
  readonly context: Context;
  readonly clock: ManualClock;
  readonly sink: Sink;
  /** The log lines so far; pino's levels: 30 info, 40 warn, 50 error. */
  readonly lines: readonly Record<string, unknown>[];
}

/** A receiver whose n-th offer is refused with the n-th code, if there is one. */
function receive(include: string[], refusals: readonly ErrorCode[] = []): Run {
  const { logger, lines } = recordingLogger();
  const clock = new ManualClock();
  const context = testContext('otlp_file/a', { clock, logger });
  const sink = new Sink();
  let calls = 0;
  sink.answer = async () => {
    const code = refusals[calls++];
    if (code !== undefined) throw new PipelineError(code, 'told to');
  };
  return {
    receiver: new OtlpFileReceiver(otlpFileConfig.parse({ include }), sink, context),
    context,
    clock,
    sink,
    lines,
  };
}

function arrived({ sink }: Run): string[] {
  return sink.batches.map(({ signal, items }) => `${signal} ${items}`);
}

function warnings({ lines }: Run): unknown[] {
  return lines.filter(({ level }) => level === 40).map(({ msg }) => msg);
}

async function finished({ lines }: Run): Promise<void> {
  await vi.waitFor(() => expect(lines.at(-1)?.msg).toBe('every capture was read to its end'));
}

const never = new AbortController().signal;

describe('otlp_file', () => {
  it('reads files in order and counts what was accepted', async () => {
    const run = receive([write('one.jsonl', SPAN, LOG), write('two.jsonl', LOG)]);
    await run.receiver.start();
    await finished(run);
    expect(arrived(run)).toEqual(['traces 2', 'logs 1', 'logs 1']);
    expect(
      await counted(run.context, 'windback_receiver_accepted_items_total', {
        receiver: 'otlp_file/a',
        transport: 'file',
        signal: 'traces',
      }),
    ).toBe(2);
    expect(
      await counted(run.context, 'windback_receiver_accepted_items_total', {
        receiver: 'otlp_file/a',
        transport: 'file',
        signal: 'logs',
      }),
    ).toBe(2);
    await run.receiver.stop(never);
  });

  it('expands patterns, sorted, and reads no file twice', async () => {
    await mkdir(join(folder, 'many'));
    const b = write('many/b.jsonl', LOG);
    write('many/a.jsonl', SPAN);
    write('many/c[1].jsonl', SPAN);
    const run = receive([join(folder, 'many/*.jsonl'), b, join(folder, 'many/c[1].jsonl')]);
    await run.receiver.start();
    await finished(run);
    expect(arrived(run)).toEqual(['traces 2', 'logs 1', 'traces 2']);
  });

  it('names broken lines by file and line, counts them, and goes on', async () => {
    const path = write(
      'broken.jsonl',
      SPAN,
      '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"x"}]}]}]}',
      'oops',
      LOG,
    );
    const run = receive([path]);
    await run.receiver.start();
    await finished(run);
    expect(arrived(run)).toHaveLength(2);
    expect(warnings(run)).toEqual([
      `${path}:2: resourceSpans[0].scopeSpans[0].spans[0].traceId: must be 32 hex characters; this has 1 characters`,
      `${path}:3: not valid JSON: unexpected token 'o'`,
    ]);
    expect(
      await counted(run.context, 'windback_receiver_refused_requests_total', {
        receiver: 'otlp_file/a',
        transport: 'file',
        signal: 'unknown',
        reason: 'malformed',
      }),
    ).toBe(2);
  });

  it('passes over a line of more items than a request may have, and goes on', async () => {
    const many = LOG.replace('{}', Array.from({ length: ITEMS_MAX + 1 }, () => '{}').join());
    const path = write('many.jsonl', SPAN, many, LOG);
    const run = receive([path]);
    await run.receiver.start();
    await vi.waitFor(() => expect(run.lines.at(-1)?.msg).toBe('every capture was read to its end'), 20_000);
    expect(arrived(run)).toEqual(['traces 2', 'logs 1']);
    expect(warnings(run)).toEqual([expect.stringMatching(/many\.jsonl:2: more than 1048576 entries/)]);
  });

  it('does not flood the log', async () => {
    const run = receive([write('flood.jsonl', ...Array.from({ length: 300 }, () => 'oops'))]);
    await run.receiver.start();
    await finished(run);
    expect(warnings(run)).toHaveLength(101);
    expect(warnings(run).at(-1)).toMatch(/flood\.jsonl: 300 lines were skipped$/);
  });

  it('offers a request again until the pipeline takes it', async () => {
    const run = receive([write('retry.jsonl', SPAN, LOG)], ['memory_limit', 'queue_full']);
    await run.receiver.start();
    for (const ms of [1000, 2000]) {
      await vi.waitFor(() => expect(run.lines.at(-1)?.msg).toMatch(/retry\.jsonl:1: waiting: /));
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(arrived(run)).toEqual([]);
      await run.clock.advanceTo(ms);
    }
    await finished(run);
    expect(arrived(run)).toEqual(['traces 2', 'logs 1']);
  });

  it('counts and names what the pipeline refuses for good, and goes on', async () => {
    const run = receive([write('refused.jsonl', SPAN, LOG)], ['rejected']);
    await run.receiver.start();
    await finished(run);
    expect(arrived(run)).toEqual(['logs 1']);
    expect(
      await counted(run.context, 'windback_receiver_refused_items_total', {
        receiver: 'otlp_file/a',
        transport: 'file',
        signal: 'traces',
        reason: 'rejected',
      }),
    ).toBe(2);
  });

  it.each([
    ['a path', 'absent.jsonl', /absent\.jsonl/],
    ['a pattern', 'absent-*.jsonl', /no file matches .*absent-\*\.jsonl/],
    ['a folder', '.', /is a directory/],
  ])('refuses to start if %s leads to nothing', async (_name, entry, message) => {
    const { receiver } = receive([join(folder, entry)]);
    const start = receiver.start();
    await expect(start).rejects.toThrow(message);
    await expect(start).rejects.toMatchObject({ code: 'file_unreadable' });
    await receiver.stop(never);
  });

  it.skipIf(process.getuid?.() === 0)('refuses to start if a file is closed to it', async () => {
    const path = write('closed.jsonl', SPAN);
    await chmod(path, 0);
    await expect(receive([path]).receiver.start()).rejects.toMatchObject({ code: 'file_unreadable' });
  });

  it('stops before start, twice, and while it waits', async () => {
    const path = write('stop.jsonl', SPAN, LOG);
    const early = receive([path]);
    await early.receiver.stop(never);
    await early.receiver.start();
    expect(arrived(early)).toEqual([]);

    const waiting = receive([path], ['queue_full']);
    await waiting.receiver.start();
    await vi.waitFor(() => expect(waiting.lines.at(-1)?.msg).toMatch(/waiting/));
    await waiting.receiver.stop(never);
    await waiting.receiver.stop(never);
    expect(arrived(waiting)).toEqual([]);
  });

  it('stops at the deadline even if the pipeline never answers', async () => {
    const { receiver, sink } = receive([write('stuck.jsonl', SPAN)]);
    sink.answer = () => new Promise(() => undefined);
    await receiver.start();
    await receiver.stop(AbortSignal.timeout(20));
  });
});
