import { isDeepStrictEqual } from 'node:util';
import type { QueuedConfig } from './component.ts';
import type { LoadedConfig } from './config/loaded.ts';
import { flowOf } from './graph-check.ts';
import { type Graph, placeId, planGraph } from './graph.ts';
import type { Configuration, Kind, Place } from './place.ts';
import type { Meter } from './telemetry/meter.ts';

/** What it takes to come from a running graph to that of another configuration. */
export interface GraphChange {
  readonly next: Graph;
  /** Places whose component is stopped, each before what it hands batches to. */
  readonly stopped: Readonly<Record<Kind, readonly Place[]>>;
  /** Places whose component is made, each after what it hands batches to. */
  readonly made: Readonly<Record<Kind, readonly Place[]>>;
}

/**
 * A component is kept, with its connections, its queue and all it knows, where one of the same id stays the same: its
 * type, what its configuration comes to, and, of a processor, its place among the others.
 */
export function changeOf(graph: Graph, from: LoadedConfig, to: LoadedConfig, meter: Meter): GraphChange {
  const displaced = displacedBy(from, to);
  const next = planGraph(to, meter, (id, configuration) => {
    const place = graph[configuration.kind].find((one) => one.id === id);
    if (place === undefined || !isSame(place.configuration, configuration)) return undefined;
    return configuration.kind === 'processors' && displaced.has(id) ? undefined : place;
  });
  const without = (all: readonly Place[], others: readonly Place[]) => all.filter((place) => !others.includes(place));
  const each = (of: (kind: Kind) => readonly Place[]) => ({
    receivers: of('receivers'),
    processors: of('processors'),
    exporters: of('exporters'),
  });
  return {
    next,
    stopped: each((kind) => without(graph[kind], next[kind]).toReversed()),
    made: each((kind) => without(next[kind], graph[kind])),
  };
}

/**
 * Whether an exporter and the next one of its id would be in each other's way: the one must end before the other begins.
 * `place` has been made. Of decisions that are kept, the next one is to go on where this one ends: both would keep theirs
 * by the same keys, and send them side by side.
 */
export function isExclusive(place: Place, next: Place): boolean {
  const { configuration } = place;
  if (configuration.kind !== 'exporters') return false;
  return configuration.configured.factory.isSingle === true || takesUpQueue(place, next) || keepsDecisions(place);
}

/** Whether all that its queue holds is there when the process is not, and the next one goes on with it. */
export function keepsAll(place: Place, next: Place): boolean {
  if (hasStoredQueue(place.configuration)) return takesUpQueue(place, next);
  return keepsDecisions(place) && place.signals.size === 1;
}

/** Whether decisions come to it, and are kept until it has delivered them. `place` has been made. */
export function keepsDecisions({ configuration, context, signals }: Place): boolean {
  const { sending_queue: queue } = configuration.configured.config as QueuedConfig;
  return queue !== undefined && context.storage.survives && signals.has('decisions');
}

/** Whether what waits on disk for the one is the other's then. Without a queue there, the next one leaves it alone. */
function takesUpQueue(place: Place, next: Place): boolean {
  return hasStoredQueue(place.configuration) && hasStoredQueue(next.configuration);
}

/** Whether its queue is on disk. */
export function hasStoredQueue({ configured }: Pick<Configuration, 'configured'>): boolean {
  const { sending_queue: queue } = configured.config as QueuedConfig;
  return queue !== undefined && (queue as { storage?: unknown }).storage !== undefined;
}

function isSame(a: Configuration, b: Configuration): boolean {
  return (
    a.configured.factory.type === b.configured.factory.type &&
    isDeepStrictEqual(a.configured.config, b.configured.config)
  );
}

/**
 * Processors whose batches under way would go wrong if they were only connected anew: those that change their order, who
 * would see a batch twice or never, and those that have nobody any more for a signal.
 */
function displacedBy(from: LoadedConfig, to: LoadedConfig): ReadonlySet<string> {
  const displaced = new Set<string>();
  const after = orderOf(to);
  for (const { first, second } of orderOf(from).values()) {
    if (after.has(`${second}\n${first}`)) displaced.add(first).add(second);
  }
  const outputs = outputsOf(to);
  for (const [id, signals] of outputsOf(from)) {
    const left = outputs.get(id);
    if (left !== undefined && [...signals].some((signal) => !left.has(signal))) displaced.add(id);
  }
  return displaced;
}

/** Which processor comes before which in some pipeline. */
function orderOf({
  pipelines,
}: LoadedConfig): ReadonlyMap<string, { readonly first: string; readonly second: string }> {
  const pairs = pipelines.flatMap(({ name, processors }) => {
    const ids = processors.map(({ id }) => placeId(id, name));
    return ids.flatMap((first, i) => ids.slice(i + 1).map((second) => ({ first, second })));
  });
  return new Map(pairs.map((pair) => [`${pair.first}\n${pair.second}`, pair]));
}

/** The signals that each processor hands on along its pipelines. */
function outputsOf(loaded: LoadedConfig): ReadonlyMap<string, ReadonlySet<string>> {
  const outputs = new Map<string, Set<string>>();
  for (const pipeline of loaded.pipelines) {
    const flow = flowOf(loaded, pipeline);
    for (const [i, { id }] of pipeline.processors.entries()) {
      const key = placeId(id, pipeline.name);
      outputs.set(key, (outputs.get(key) ?? new Set()).add(flow[i + 1] as string));
    }
  }
  return outputs;
}
