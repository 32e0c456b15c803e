import type { Signal } from './batch.ts';
import type { ExporterFactory, ProcessorFactory, ReceiverFactory } from './component.ts';
import type { Configured, LoadedConfig, PipelineConfig, Ref } from './config/loaded.ts';
import type { Problem } from './config/report.ts';

/** The signals that a processor makes out of nothing: those that a pipeline gets when it lists it as a receiver. */
export function sourceSignals(factory: ProcessorFactory): readonly Signal[] {
  return factory.emits.filter((signal) => !factory.accepts.includes(signal));
}

/** What flows where in one pipeline: `flow[i]` is the signal that processor i takes; the last one is what comes out. */
export type Flow = readonly Signal[];

/** What of a configuration the graph is made of. */
export type Wirable = Pick<LoadedConfig, 'receivers' | 'processors' | 'exporters' | 'pipelines'>;

/**
 * Everything that makes the graph impossible: signals that do not fit, order, cycles. Positions are the config's.
 * Pipelines that are known to be flawed already are not looked into.
 */
export function checkGraph(loaded: Wirable, isFlawed: (pipeline: PipelineConfig) => boolean = () => false): Problem[] {
  const sound = loaded.pipelines.filter((pipeline) => !isFlawed(pipeline));
  const problems = sound.flatMap((pipeline) => checkPipeline(loaded, pipeline));
  return [...problems, ...checkCycles(loaded)];
}

/** The signals along a valid pipeline. */
export function flowOf(loaded: Wirable, pipeline: PipelineConfig): Flow {
  const flow: Signal[] = [entrySignal(loaded, pipeline) ?? pipeline.signal];
  for (const ref of pipeline.processors) {
    const factory = processor(loaded, ref);
    flow.push(outputOf(factory, flow.at(-1) as Signal) ?? pipeline.signal);
  }
  return flow;
}

/** What leaves a processor when `input` goes in: the same signal if it passes through, else the one it is turned into. */
function outputOf(factory: ProcessorFactory, input: Signal): Signal | undefined {
  if (!factory.accepts.includes(input)) return undefined;
  if (factory.emits.includes(input)) return input;
  return sourceSignals(factory)[0];
}

/** A pipeline of telemetry begins with its own signal; one of decisions may begin with health deltas. */
function entrySignal(loaded: Wirable, pipeline: PipelineConfig): Signal | undefined {
  const candidates: readonly Signal[] = pipeline.signal === 'decisions' ? ['health', 'decisions'] : [pipeline.signal];
  return candidates.find((signal) => pipeline.receivers.every((ref) => emitted(loaded, ref).includes(signal)));
}

function emitted(loaded: Wirable, ref: Ref): readonly Signal[] {
  if (ref.from === 'processors') return sourceSignals(processor(loaded, ref));
  return (loaded.receivers.get(ref.id) as Configured<ReceiverFactory>).factory.emits;
}

function processor(loaded: Wirable, ref: Ref): ProcessorFactory {
  return loaded.processors.get(ref.id)?.factory as ProcessorFactory;
}

function checkPipeline(loaded: Wirable, pipeline: PipelineConfig): Problem[] {
  const path = `service.pipelines.${pipeline.id}`;
  const entry = entrySignal(loaded, pipeline);
  if (entry === undefined) return checkReceivers(loaded, pipeline, path);
  const problems = checkSources(loaded, pipeline, path);
  let current = entry;
  const seen = new Set<string>();
  for (const ref of pipeline.processors) {
    const factory = processor(loaded, ref);
    problems.push(...checkOrder(factory, ref, seen, path));
    seen.add(factory.type);
    const output = outputOf(factory, current);
    if (output === undefined) {
      const todo = `it takes ${list(factory.accepts)}; take it out or move it`;
      return [...problems, { at: ref.at, path: `${path}.processors`, what: `${ref.id} cannot take ${current}`, todo }];
    }
    current = output;
  }
  for (const ref of pipeline.exporters) {
    const { accepts } = (loaded.exporters.get(ref.id) as Configured<ExporterFactory>).factory;
    if (accepts.includes(current)) continue;
    const todo = `it takes ${list(accepts)}`;
    problems.push({ at: ref.at, path: `${path}.exporters`, what: `${ref.id} cannot take ${current}`, todo });
  }
  if (current !== pipeline.signal) {
    const what = `ends with ${current}, not ${pipeline.signal}`;
    const todo = pipeline.signal === 'decisions' ? 'add the verdict processor' : `name it ${current}`;
    problems.push({ at: pipeline.at, path, what, todo });
  }
  return problems;
}

/** What is wrong with receivers that have no signal in common. */
function checkReceivers(loaded: Wirable, pipeline: PipelineConfig, path: string): Problem[] {
  const problems = pipeline.receivers.flatMap((ref) => checkReceiver(loaded, pipeline, ref, path));
  if (problems.length > 0) return problems;
  const what = 'its receivers emit different signals, some health and some decisions';
  return [{ at: pipeline.at, path: `${path}.receivers`, what, todo: 'make two pipelines of it' }];
}

/** A processor gives a pipeline what it makes of another one's data: some pipeline must run it. */
function checkSources(loaded: Wirable, pipeline: PipelineConfig, path: string): Problem[] {
  const runs = (id: string) => loaded.pipelines.some(({ processors }) => processors.some((ref) => ref.id === id));
  return pipeline.receivers
    .filter((ref) => ref.from === 'processors' && !runs(ref.id))
    .map(({ id, at }) => ({
      at,
      path: `${path}.receivers`,
      what: `nothing comes from ${id}: no pipeline has it as a processor`,
      todo: `list ${id} under processors of the pipelines whose data it is to see`,
    }));
}

function checkReceiver(loaded: Wirable, pipeline: PipelineConfig, ref: Ref, path: string): Problem[] {
  const emits = emitted(loaded, ref);
  const wanted: readonly Signal[] = pipeline.signal === 'decisions' ? ['health', 'decisions'] : [pipeline.signal];
  if (wanted.some((signal) => emits.includes(signal))) return [];
  const what = `${ref.id} does not emit ${wanted.join(' or ')}`;
  const todo = emits.length === 0 ? 'it is no receiver' : `it emits ${list(emits)}`;
  return [{ at: ref.at, path: `${path}.receivers`, what, todo }];
}

function checkOrder(factory: ProcessorFactory, ref: Ref, seen: ReadonlySet<string>, path: string): Problem[] {
  const problem = (what: string, todo: string): Problem => ({ at: ref.at, path: `${path}.processors`, what, todo });
  const missing = (factory.after ?? []).filter((type) => !seen.has(type));
  const early = (factory.before ?? []).filter((type) => seen.has(type));
  return [
    ...missing.map((type) => problem(`${ref.id} needs ${type} before it`, `put ${type} earlier in this list`)),
    ...early.map((type) =>
      problem(`${ref.id} stands behind ${type}, which sees what it takes away`, `put ${ref.id} before ${type}`),
    ),
  ];
}

/** Pipelines feed each other where one lists as receiver what another lists as processor. */
function checkCycles(loaded: Wirable): Problem[] {
  const feeds = (from: PipelineConfig) =>
    loaded.pipelines.filter((to) =>
      to.receivers.some((ref) => ref.from === 'processors' && from.processors.some(({ id }) => id === ref.id)),
    );
  const done = new Set<string>();
  const problems: Problem[] = [];
  const visit = (pipeline: PipelineConfig, trail: readonly PipelineConfig[]): void => {
    const from = trail.indexOf(pipeline);
    if (from >= 0) {
      const cycle = [...trail.slice(from), pipeline].map(({ id }) => id).join(' -> ');
      const todo = 'let one of them end';
      problems.push({ at: pipeline.at, path: `service.pipelines.${pipeline.id}`, what: `cycle: ${cycle}`, todo });
      return;
    }
    if (done.has(pipeline.id)) return;
    for (const next of feeds(pipeline)) visit(next, [...trail, pipeline]);
    done.add(pipeline.id);
  };
  for (const pipeline of loaded.pipelines) visit(pipeline, []);
  return problems;
}

function list(signals: readonly Signal[]): string {
  return signals.length === 0 ? 'nothing' : signals.join(', ');
}
