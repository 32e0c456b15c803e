import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { start } from '../cmd/windback.ts';
import { type BySignal, SIGNALS, type Transport } from './signals.ts';

type Ports = Readonly<Record<Transport, number>>;

export interface Program {
  readonly ports: Ports;
  /** Ends it with SIGTERM, and gives the requests that the file exporter wrote. */
  readonly stop: () => Promise<BySignal<unknown[]>>;
}

/** Configuration of the processors that stand between the receiver and the file, in this order. */
export type Processors = Readonly<Record<string, unknown>>;

/** Starts the real program: `otlp` in, one file per signal out. */
export async function startProgram(processors: Processors = {}): Promise<Program> {
  const folder = await mkdtemp(join(tmpdir(), 'windback-interop-'));
  const config = join(folder, 'windback.yaml');
  const text = stringify({
    receivers: { otlp: { protocols: { grpc: FREE_PORT, http: FREE_PORT } } },
    processors,
    exporters: Object.fromEntries(SIGNALS.map((signal) => [`file/${signal}`, { path: fileOf(folder, signal) }])),
    extensions: { health_check: FREE_PORT },
    service: {
      telemetry: { metrics: FREE_PORT },
      pipelines: Object.fromEntries(SIGNALS.map((signal) => [signal, pipeline(signal, processors)])),
    },
  });
  await writeFile(config, text);
  const { ports, end } = await running(config);
  const stop = async () => {
    await end();
    const lines = await Promise.all(SIGNALS.map((signal) => readLines(fileOf(folder, signal))));
    await rm(folder, { recursive: true });
    return Object.fromEntries(SIGNALS.map((signal, i) => [signal, lines[i]])) as BySignal<unknown[]>;
  };
  return { ports, stop };
}

const FREE_PORT = { endpoint: '127.0.0.1:0' };

/** Resolves when it is ready. `end` rejects where it did not end well. */
async function running(config: string) {
  const child = start(['run', '--config', config]);
  let messages = '';
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const ports = await new Promise<Ports>((resolve, reject) => {
    child.stderr.on('data', (chunk) => {
      messages += String(chunk);
      const [grpc, http] = [portIn(messages, 'grpc'), portIn(messages, 'http')];
      if (grpc > 0 && http > 0 && messages.includes(' is ready: ')) resolve({ grpc, http });
    });
    void closed.then((code) => reject(new Error(`windback ended with ${code}: ${messages}`)));
  });
  const end = async () => {
    child.kill('SIGTERM');
    const code = await closed;
    if (code !== 0 || messages.includes('not accounted for'))
      throw new Error(`windback ended with ${code}: ${messages}`);
  };
  return { ports, end };
}

/** The port that the receiver's log says it listens on; 0 where it does not say so yet. */
function portIn(log: string, transport: Transport): number {
  const line = new RegExp(
    `"address":"127\\.0\\.0\\.1:(\\d+)","key":"protocols\\.${transport}\\.endpoint","msg":"listening"`,
  );
  return Number(line.exec(log)?.[1] ?? 0);
}

function pipeline(signal: string, processors: Processors) {
  return { receivers: ['otlp'], processors: Object.keys(processors), exporters: [`file/${signal}`] };
}

function fileOf(folder: string, signal: string): string {
  return join(folder, `${signal}.jsonl`);
}

async function readLines(path: string): Promise<unknown[]> {
  const lines = (await readFile(path, 'utf8')).split('\n');
  if (lines.pop() !== '') throw new Error(`${path} ends within a line`);
  return lines.map((line) => JSON.parse(line) as unknown);
}
