/** Who takes up what threads of a process before have left on disk. */
import { expect, test } from 'vitest';
import { loadComponents } from '../../../cmd/components.ts';
import { loadConfig } from '../../../pipeline/config/load.ts';
import type { LoadedConfig } from '../../../pipeline/config/loaded.ts';
import { spoolsOf } from '../../../pipeline/spool/spools.ts';
import { mainPart, workerPart } from '../../../pipeline/workers/split.ts';

const TABLE = await loadComponents();

/** `shared` and `both` are fed by what workers receive, `alone` and `both` by what the main thread reads. */
const yaml = (workers: number): string => `
extensions: {file_storage: {directory: /nowhere}}
receivers: {otlp: {protocols: {grpc: }}, otlp_file: {include: [/nowhere/*.jsonl]}}
exporters:
  otlp/shared: {endpoint: "localhost:1", tls: {insecure: true}, sending_queue: {storage: file_storage}}
  otlp/alone: {endpoint: "localhost:1", tls: {insecure: true}, sending_queue: {storage: file_storage}}
  otlp/both: {endpoint: "localhost:1", tls: {insecure: true}, sending_queue: {storage: file_storage}}
service:
  workers: ${workers}
  pipelines:
    traces: {receivers: [otlp], exporters: [otlp/shared, otlp/both]}
    logs: {receivers: [otlp_file], exporters: [otlp/alone, otlp/both]}
`;

/** The threads that deliver what each of five writers has left for an exporter: `main`, or the number of a worker. */
function adopters(text: string, exporter: string): string[][] {
  const loaded = loadConfig({ sources: ['config'], sets: [], env: {}, readFile: () => text }, TABLE);
  const { workers } = loaded.service;
  const own = (part: LoadedConfig) =>
    part.pipelines.some(({ exporters }) => exporters.some(({ id }) => id === exporter));
  const isMain = own(workers === 1 ? loaded : mainPart(loaded, () => {}));
  const isWorkers = workers > 1 && own(workerPart(loaded, () => ({}) as never));
  const threads = [
    ...(isMain ? [undefined] : []),
    ...(isWorkers ? Array.from({ length: workers }, (_, index) => index) : []),
  ];
  return [0, 1, 2, 3, 4].map((writer) =>
    threads
      .filter((thread) => {
        const settings = spoolsOf(loaded, thread)?.(exporter);
        return settings?.writer === writer || settings?.adopts(writer) === true;
      })
      .map((thread) => (thread === undefined ? 'main' : String(thread))),
  );
}

test.each(['otlp/shared', 'otlp/alone', 'otlp/both'])('one thread that there is each time: %s', (exporter) => {
  for (const workers of [1, 2, 3]) {
    const all = adopters(yaml(workers), exporter);
    expect(all.map(({ length }) => length)).toEqual([1, 1, 1, 1, 1]);
  }
});

test('the main thread takes up all that an exporter has left where no worker runs it now', () => {
  expect(adopters(yaml(2), 'otlp/alone')).toEqual([['main'], ['main'], ['main'], ['main'], ['main']]);
  expect(adopters(yaml(2), 'otlp/shared')).toEqual([['0'], ['0'], ['1'], ['0'], ['1']]);
  expect(adopters(yaml(2), 'otlp/both')).toEqual([['main'], ['0'], ['1'], ['0'], ['1']]);
  const unshared = yaml(2).replace('[otlp], exporters', '[otlp_file], exporters');
  expect(adopters(unshared, 'otlp/alone')).toEqual([['main'], ['main'], ['main'], ['main'], ['main']]);
});
