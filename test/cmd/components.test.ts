import { expect, test } from 'vitest';
import { COMPONENTS, loadComponents } from '../../cmd/components.ts';
import { type LoadComponents, loadConfigLazily } from '../../pipeline/config/load.ts';

const CONFIG = `
receivers: {otlp/a: {protocols: {grpc: }}}
connectors: {batch: }
exporters: {file: {path: x.jsonl}, debug: }
service:
  pipelines:
    traces: {receivers: [otlp/a], processors: [batch], exporters: [debug]}
`;

test('types in the table are those of the factories', async () => {
  for (const section of ['receivers', 'processors', 'exporters'] as const) {
    const all = await loadComponents();
    expect(all[section].map(({ type }) => type)).toEqual(Object.keys(COMPONENTS[section]));
  }
});

test('no more is loaded than a configuration names', async () => {
  const { asked, load } = recorded();
  const { exporters } = await loadConfigLazily(input(CONFIG), load);
  expect([...exporters.keys()]).toEqual(['file', 'debug']);
  expect(asked).toEqual([['receivers/otlp', 'processors/batch', 'exporters/file', 'exporters/debug']]);
  const { receivers, processors, ...rest } = await loadComponents(new Set(asked[0]));
  const loaded = [...receivers, ...processors, ...rest.exporters].map(({ type }) => type);
  expect(loaded).toEqual(['otlp', 'batch', 'debug', 'file']);
});

test('what is wrong is told in view of everything there is', async () => {
  const { asked, load } = recorded();
  const loading = loadConfigLazily(input(CONFIG.replace('debug: }', 'kafak: , debug: }')), load);
  await expect(loading).rejects.toMatchObject({
    problems: [{ path: 'exporters.kafak', todo: 'did you mean kafka?' }],
  });
  expect(asked).toHaveLength(2);
  expect(asked[1]).toBeUndefined();
});

function input(yaml: string) {
  return { sources: ['config.yaml'], sets: [], env: {}, readFile: () => yaml };
}

/** Loads, and notes what was asked for. */
function recorded() {
  const asked: (string[] | undefined)[] = [];
  const load: LoadComponents = (kinds) => {
    asked.push(kinds && [...kinds]);
    return loadComponents(kinds);
  };
  return { asked, load };
}
