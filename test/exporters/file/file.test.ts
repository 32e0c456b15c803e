import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Batch, TelemetryBatch } from '../../../pipeline/batch.ts';
import { encodeJson } from '../../../proto/otlp/json.ts';
import { DECISION_SCHEMA } from '../../../proto/windback/decision.ts';
import { readCapture } from '../../../receivers/otlp-file/capture.ts';
import { fileConfig } from '../../../exporters/file/config.ts';
import { FileExporter } from '../../../exporters/file/file.ts';
import { testContext } from '../../support/context.ts';
import { decisionEvent } from '../../support/decision-event.ts';

const folder = mkdtempSync(join(tmpdir(), 'file-'));
afterAll(() => rm(folder, { recursive: true }));

const never = new AbortController().signal;
let paths = 0;

function newPath(): string {
  return join(folder, `out-${paths++}`);
}

function span(name: string): unknown {
  const traceId = '5b8efff798038103d269b633813fc60c';
  const attributes = [{ key: 'empty', value: { stringValue: '' } }];
  return { resourceSpans: [{ resource: {}, scopeSpans: [{ spans: [{ traceId, name, attributes }] }] }] };
}

function traces(name: string): TelemetryBatch {
  return TelemetryBatch.open('traces', encodeJson('traces', span(name)));
}

async function started(config: object): Promise<FileExporter> {
  const exporter = new FileExporter(fileConfig.parse(config), testContext('file'));
  await exporter.start();
  return exporter;
}

function lines(path: string): unknown[] {
  const text = readFileSync(path, 'utf8');
  expect(text.endsWith('\n') || text === '').toBe(true);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

describe('file exporter', () => {
  it('writes requests as OTLP/JSON and decisions as CloudEvents', async () => {
    const path = newPath();
    const exporter = await started({ path });
    const logs = {
      resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: 'hi' }, severityNumber: 9 }] }] }],
    };
    await exporter.consume(traces('a'));
    await exporter.consume(TelemetryBatch.open('logs', encodeJson('logs', logs)));
    const decisions = [decisionEvent('d-1'), decisionEvent('d-2')];
    await exporter.consume({ signal: 'decisions', items: 2, decisions });
    // Before stop: what consume acknowledged is there.
    const [first, second, third, fourth] = lines(path);
    expect(first).toEqual(span('a'));
    expect(second).toEqual(logs);
    expect(third).toEqual({
      specversion: '1.0',
      datacontenttype: 'application/json',
      dataschema: DECISION_SCHEMA,
      ...decisionEvent('d-1'),
    });
    expect(fourth).toMatchObject({ id: 'd-2' });
    await exporter.stop(never);
  });

  it('writes the tags', async () => {
    const path = newPath();
    const exporter = await started({ path });
    const batch = traces('a');
    const attributes = [{ key: 'deployment.version', value: '1.4.2' }];
    batch.tag(
      [
        {
          namespace: '',
          service: 'cart',
          environment: '',
          serviceKey: '/cart/',
          version: '1.4.2',
          source: 'service.version',
          instance: '',
          taggedResource: new Uint8Array(),
          attributes,
        },
      ],
      'item',
    );
    await exporter.consume(batch);
    expect(JSON.stringify(lines(path))).toContain('{"key":"deployment.version","value":{"stringValue":"1.4.2"}}');
    await exporter.stop(never);
  });

  it.each(['none', 'gzip', 'zstd'])('can be read back as a capture, compression %s', async (compression) => {
    const path = newPath();
    const exporter = await started({ path, compression });
    const names = Array.from({ length: 20 }, (_, i) => `span ${i}`);
    // All at once: lines must be whole and in the order of the calls.
    await Promise.all(names.map((name) => exporter.consume(traces(name))));
    await exporter.stop(never);
    const found: unknown[] = [];
    for await (const entry of readCapture(path)) {
      found.push('problem' in entry ? entry.problem : Buffer.from(entry.bytes).includes(names[found.length] as string));
    }
    expect(found).toEqual(names.map(() => true));
  });

  it('keeps what is there, or not', async () => {
    const path = newPath();
    writeFileSync(path, '{"old":1}\n');
    const appending = await started({ path });
    await appending.consume(traces('a'));
    await appending.stop(never);
    expect(lines(path)).toEqual([{ old: 1 }, span('a')]);
    const fresh = await started({ path, append: false });
    await fresh.consume(traces('b'));
    await fresh.stop(never);
    expect(lines(path)).toEqual([span('b')]);
  });

  it('makes missing folders', async () => {
    const path = join(newPath(), 'deep', 'out.jsonl');
    const exporter = await started({ path });
    await exporter.consume(traces('a'));
    await exporter.stop(never);
    expect(lines(path)).toHaveLength(1);
  });

  it('says at start what cannot be written', async () => {
    const blocked = newPath();
    writeFileSync(blocked, '');
    for (const path of [folder, join(blocked, 'out.jsonl')]) {
      const start = new FileExporter(fileConfig.parse({ path }), testContext('file')).start();
      await expect(start).rejects.toMatchObject({ code: 'file_unwritable' });
      await expect(start).rejects.toThrow(path.startsWith(blocked) ? blocked : folder);
    }
  });

  it('refuses with a retryable error when the disk is full', async () => {
    const exporter = await started({ path: '/dev/full' });
    const consumed = exporter.consume(traces('a'));
    await expect(consumed).rejects.toMatchObject({ code: 'file_unwritable', row: { retryable: true } });
    await expect(consumed).rejects.toThrow(/ENOSPC/);
    await exporter.stop(never);
  });

  it('cuts off what was half written, so that no line is torn', () => {
    const path = newPath();
    // The shell limits the file to 8 KiB; the line in the middle does not fit, the one after it does.
    const script = `
      const { FileExporter } = await import(process.argv[1]);
      const decision = (id, length) => ({ signal: 'decisions', items: 1, decisions: [{ id, data: 'x'.repeat(length) }] });
      process.on('SIGXFSZ', () => {});
      const exporter = new FileExporter({ path: process.argv[2], append: true, compression: 'none' }, {});
      await exporter.start();
      const codes = [];
      for (const [id, length] of [['a', 100], ['b', 20000], ['c', 100]]) {
        await exporter.consume(decision(id, length)).catch((error) => codes.push(id + ' ' + error.code));
      }
      await exporter.stop(AbortSignal.timeout(1000));
      console.log(codes.join());`;
    const module = new URL('../../../exporters/file/file.ts', import.meta.url).href;
    const node = [process.execPath, '--input-type=module', '-e', script, module, path];
    const { stdout, stderr } = spawnSync('bash', ['-c', 'ulimit -f 8; exec "$@"', 'bash', ...node], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(stdout).toBe('b file_unwritable\n');
    expect(lines(path)).toMatchObject([{ id: 'a' }, { id: 'c' }]);
  });

  it('refuses for good what is not OTLP all the way down', async () => {
    const exporter = await started({ path: newPath() });
    // A span whose attribute's value is cut short: the scan has no reason to look there.
    const whole = encodeJson('traces', span('a'));
    const at = Buffer.from(whole).lastIndexOf('empty') + 'empty'.length;
    const broken = Buffer.from(whole);
    broken[at + 2] = 0x0f;
    await expect(exporter.consume(TelemetryBatch.open('traces', broken))).rejects.toMatchObject({ code: 'rejected' });
    await exporter.stop(never);
  });

  it('stops before start, twice, and finishes what it was given', async () => {
    const path = newPath();
    const early = new FileExporter(fileConfig.parse({ path }), testContext('file'));
    await early.stop(never);
    await early.start();
    await expect(early.consume(traces('a'))).rejects.toMatchObject({ code: 'stopping' });

    const exporter = await started({ path });
    const batches: Batch[] = Array.from({ length: 10 }, (_, i) => traces(`${i}`));
    const consumed = Promise.all(batches.map((batch) => exporter.consume(batch)));
    await exporter.stop(never);
    await exporter.stop(never);
    await consumed;
    expect(lines(path)).toHaveLength(10);
  });
});
