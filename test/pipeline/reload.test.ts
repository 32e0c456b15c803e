import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../pipeline/clock.ts';
import { configHash } from '../../pipeline/config/hash.ts';
import type { LoadedConfig } from '../../pipeline/config/loaded.ts';
import { printConfig } from '../../pipeline/config/redact.ts';
import { ConfigError } from '../../pipeline/config/report.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { type Reloaded, Reloads, type Source } from '../../pipeline/reload.ts';
import { Meter } from '../../pipeline/telemetry/meter.ts';
import { METRICS } from '../../pipeline/telemetry/metrics-table.ts';
import { recordingLogger } from '../support/context.ts';
import { Journal, journalTable, loadYaml, settled } from '../support/pipeline.ts';

const TABLE = journalTable(new Journal());

function config(...more: string[]): LoadedConfig {
  const yaml = `receivers: {source: }
exporters: {sink: }
${more.filter((line) => line.startsWith('extensions')).join('\n')}
service:
${more.filter((line) => line.startsWith('  ')).join('\n')}
  pipelines: {traces: {receivers: [source], exporters: [sink]}}
`;
  return loadYaml(yaml, TABLE);
}

const DEBUG = '  telemetry: {logs: {level: debug}}';
const CHANGES = { started: ['sink'], stopped: ['sink'], kept: 1 };

function reloads() {
  const { logger, lines } = recordingLogger();
  const meter = new Meter(METRICS);
  const clock = new ManualClock(50_000);
  const applied: LoadedConfig[] = [];
  const started = Promise.withResolvers<void>();
  const made = {
    lines,
    meter,
    clock,
    applied,
    started: started.resolve,
    /** What the sources say; throws where they cannot be read. */
    read: (): LoadedConfig => config(),
    apply: async (): Promise<void> => {},
    outcomes: () =>
      Object.fromEntries(
        meter
          .read('windback_config_reloads_total')
          .filter(({ value }) => value > 0)
          .map(({ labels, value }) => [labels['outcome'], value]),
      ),
  };
  const parts = {
    read: async (): Promise<Source> => {
      const loaded = made.read();
      return { loaded, texts: { sources: [], sets: [], env: {}, files: new Map<string, string>() } };
    },
    apply: async ({ loaded }: Source) => {
      applied.push(loaded);
      await made.apply();
      return CHANGES;
    },
    started: started.promise,
    logger,
    meter,
    clock,
  };
  return { ...made, made, reloads: new Reloads(config(), parts) };
}

describe('a reload', () => {
  test('is applied, told, logged, counted, and timed; its hash is that of what print-config prints', async () => {
    const { reloads: running, made, started } = reloads();
    started();
    const next = config(DEBUG);
    made.read = () => next;
    await made.meter.text();
    const hash = () => made.meter.read('windback_config_info').map(({ labels, value }) => [labels['hash'], value]);
    expect(hash()).toEqual([[configHash(config()), 1]]);
    await made.clock.advanceTo(60_000);
    const expected: Reloaded = { outcome: 'applied', hash: configHash(next), ...CHANGES };
    expect(await running.request()).toEqual(expected);
    expect(made.lines.at(-1)).toMatchObject({ ...expected, msg: 'the configuration was reloaded: applied' });
    expect(made.outcomes()).toEqual({ applied: 1 });
    await made.meter.text();
    expect(hash()).toEqual([[configHash(next), 1]]);
    expect(made.meter.read('windback_config_last_reload_success_timestamp_seconds')[0]?.value).toBe(60);
    expect(running.current).toBe(next);
    expect(printConfig(next, { defaults: true })).toContain('level: debug');
  });

  test('of the same changes nothing, and is good', async () => {
    const { reloads: running, applied, outcomes, started } = reloads();
    started();
    expect(await running.request()).toMatchObject({ outcome: 'unchanged', hash: configHash(config()) });
    expect([applied, outcomes()]).toEqual([[], { unchanged: 1 }]);
  });

  test('of what is not valid changes nothing, and every problem is in the log as validate prints it', async () => {
    const { reloads: running, made, started } = reloads();
    started();
    made.read = () => config('  shutdown_timeout: soon', '  worker: 2');
    await made.clock.advanceTo(60_000);
    const refused = await running.request().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ConfigError);
    const { problems, code } = made.lines.at(-1) as { problems: string[]; code: string };
    expect(code).toBe('config');
    expect(problems).toHaveLength(2);
    expect(problems[1]).toMatch(/^config\.yaml:6:3: service\.worker: unknown key; did you mean workers\?/);
    expect([made.outcomes(), made.applied]).toEqual([{ invalid: 1 }, []]);
    expect(made.meter.read('windback_config_last_reload_success_timestamp_seconds')[0]?.value).toBe(50);
  });

  test.each([
    ['service.workers', '  workers: 3'],
    ['service.telemetry.metrics', '  telemetry: {metrics: {endpoint: "localhost:1"}}'],
    ['extensions.health_check', 'extensions: {health_check: {enabled: false}}'],
    ['extensions.file_storage', 'extensions: {file_storage: {directory: /tmp/x}}'],
  ])('of %s is refused', async (key, line) => {
    const { reloads: running, made, started } = reloads();
    started();
    made.read = () => config(line);
    await expect(running.request()).rejects.toMatchObject({ code: 'reload_needs_restart', detail: key });
    expect([made.outcomes(), made.applied]).toEqual([{ needs_restart: 1 }, []]);
  });

  test('that fails leaves what was, and the next one is compared with that', async () => {
    const { reloads: running, made, started } = reloads();
    started();
    made.read = () => config(DEBUG);
    made.apply = async () => {
      throw new PipelineError('port_in_use', 'here');
    };
    await expect(running.request()).rejects.toMatchObject({ code: 'port_in_use' });
    made.apply = async () => {};
    expect(await running.request()).toMatchObject({ outcome: 'applied' });
    expect(made.outcomes()).toEqual({ failed: 1, applied: 1 });
  });
});

describe('several at once', () => {
  test('one at a time; those that are asked for meanwhile are one, which reads what there is by then', async () => {
    const { reloads: running, made, started, applied } = reloads();
    started();
    const gate = Promise.withResolvers<void>();
    made.apply = () => gate.promise;
    made.read = () => config(DEBUG);
    const first = running.request();
    await settled();
    const [second, third] = [running.request(), running.request()];
    made.read = () => config();
    await settled();
    expect(applied).toHaveLength(1);
    gate.resolve();
    expect((await first).outcome).toBe('applied');
    expect(await second).toBe(await third);
    expect(applied.map(({ service }) => service.logLevel)).toEqual(['debug', 'info']);
    expect(made.outcomes()).toEqual({ applied: 2 });
  });

  test('also after one that failed', async () => {
    const { reloads: running, made, started } = reloads();
    started();
    made.read = () => config('  worker: 1');
    const outcomes = [running.request(), running.request(), running.request()].map((one) =>
      one.then(
        () => 'done',
        () => 'refused',
      ),
    );
    expect(await Promise.all(outcomes)).toEqual(['refused', 'refused', 'refused']);
    expect(made.outcomes()).toEqual({ invalid: 2 });
    made.read = () => config();
    expect(await running.request()).toMatchObject({ outcome: 'unchanged' });
  });

  test('what is asked for while everything starts is done afterwards', async () => {
    const { reloads: running, made, started, applied } = reloads();
    made.read = () => config(DEBUG);
    const early = running.request();
    await settled();
    expect(applied).toEqual([]);
    started();
    expect(await early).toMatchObject({ outcome: 'applied' });
  });
});
