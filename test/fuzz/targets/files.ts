/** What is read from disk: the configuration, and the state of a former process. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadComponents } from '../../../cmd/components.ts';
import { fileStorageConfig } from '../../../pipeline/config/file-storage.ts';
import { loadConfig } from '../../../pipeline/config/load.ts';
import { ConfigError } from '../../../pipeline/config/report.ts';
import { PipelineError } from '../../../pipeline/errors.ts';
import { openStorages, STATE_FILE } from '../../../pipeline/sqlite-storage.ts';
import { MemoryStorage } from '../../../pipeline/storage.ts';
import { verdict } from '../../../processors/verdict/factory.ts';
import { Sink, testContext } from '../../support/context.ts';
import { deployment, series, START } from '../../support/judging.ts';
import { allowing, type Target } from '../target.ts';

const YAML = `receivers: {otlp: {protocols: {grpc: {endpoint: localhost:4317}, http: {}}}}
processors:
  memory_limiter: {limit_mib: 512, check_interval: 1s}
  deployment: {target: item}
  health: {}
  verdict: {false_rollback_rate: 0.001, indicators: {errors: {weight: 2}}}
exporters: {debug: {}, file: {path: "\${env:OUT:-out.jsonl}"}, kafka: {brokers: [a:1]}}
extensions: {bearertokenauth: {token: abc}, file_storage: {directory: /nowhere}}
service:
  extensions: [bearertokenauth]
  pipelines:
    traces: {receivers: [otlp], processors: [memory_limiter, deployment, health], exporters: [debug]}
    decisions: {receivers: [health], processors: [verdict], exporters: [file, kafka]}
`;

async function configuration(): Promise<Target> {
  const table = await loadComponents();
  const readFile = (): string => {
    throw new Error('there is no file');
  };
  return {
    name: 'configuration',
    seeds: [Buffer.from(YAML)],
    words: [
      '&a ',
      '*a',
      '<<: ',
      '!!binary ',
      '? ',
      '- ',
      '|\n',
      '>-\n',
      '${env:',
      '}',
      '$$',
      '"',
      "'",
      '\t',
      '__proto__: ',
      'constructor: ',
      '1e400',
      '.nan',
      '~',
      '---\n',
    ],
    run(input) {
      const text = Buffer.from(input).toString('utf8').replaceAll('${file:', '');
      allowing([ConfigError], () => void loadConfig({ sources: [`yaml:${text}`], sets: [], env: {}, readFile }, table));
    },
  };
}

/** The state of the judge, as it writes it, with any one of its entries changed. */
async function judgeState(): Promise<Target> {
  const config = verdict.config.parse({});
  const storage = new MemoryStorage(true);
  const saved = verdict.create(config, new Sink(['decisions']), testContext('verdict', { storage }));
  await saved.start();
  const deltas = Array.from({ length: 30 }, (_, i) => ({
    source: 'a',
    slot: START + i,
    series: ['1.0', '1.1'].map((version) => series({ version, all: 20, bad: i % 3, ms: { 20: 15, 300: 5 } })),
    events: i === 0 ? [deployment({ version: '1.1' })] : [],
  }));
  await saved.consume({ signal: 'health', items: deltas.length, deltas });
  await saved.stop(AbortSignal.timeout(1000));
  const keys = storage.keys();
  return {
    name: 'state of the judge',
    seeds: keys.map((key) => Buffer.from(storage.get(key) ?? '')),
    words: ['null', '[]', '{}', '-1', '1e308', '"', ',', '"x"', 'true'],
    async run(input) {
      const text = Buffer.from(input).toString('utf8');
      const changed = new MemoryStorage(true);
      for (const key of keys) changed.put(new Map([[key, storage.get(key) ?? '']]));
      changed.put(new Map([[keys[text.length % keys.length] ?? 'x', text]]));
      const restored = verdict.create(config, new Sink(['decisions']), testContext('verdict', { storage: changed }));
      await restored.start().catch((error: unknown) => {
        if (!(error instanceof PipelineError) || error.code === 'internal') throw error;
      });
      await restored.stop(AbortSignal.timeout(1000));
    },
  };
}

/** The file of the state as a whole, as a broken disk would leave it. */
async function stateFile(): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), 'windback-fuzz-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const { logger } = testContext('storage');
  const config = fileStorageConfig.parse({ directory: folder, fsync: false });
  const path = join(folder, STATE_FILE);
  const first = await openStorages(config, logger);
  first.of('verdict').put(new Map(Array.from({ length: 20 }, (_, i) => [`service/${i}`, 'x'.repeat(i * 40)])));
  first.close();
  const seed = readFileSync(path);
  return {
    name: 'file of the state',
    seeds: [seed],
    async run(input) {
      for (const left of [STATE_FILE, `${STATE_FILE}-wal`, `${STATE_FILE}-shm`])
        rmSync(join(folder, left), { force: true });
      writeFileSync(path, input);
      try {
        const storages = await openStorages(config, logger);
        try {
          const storage = storages.of('verdict');
          for (const key of storage.keys()) storage.get(key);
          storage.put(new Map([['service/0', 'y']]));
        } finally {
          storages.close();
        }
      } catch (error) {
        if (!(error instanceof PipelineError) || error.code === 'internal') throw error;
      }
    },
  };
}

export async function files(): Promise<readonly Target[]> {
  return [await configuration(), await judgeState(), await stateFile()];
}
