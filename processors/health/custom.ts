import type { TelemetryBatch, TelemetrySignal } from '../../pipeline/batch.ts';
import { type Tag, UNKNOWN_VERSION } from '../../pipeline/tag.ts';
import type { Count, Instruments } from '../../pipeline/telemetry/meter.ts';
import type { Columns, SpanColumns } from '../../proto/otlp/columns.ts';
import { traceIdOf } from '../../proto/otlp/ids.ts';
import { WireError } from '../../proto/wire/reader.ts';
import { type Accumulator, NO_OPERATION, type ResourceSeries } from './accumulator.ts';
import { ALL, only } from './cel/attributes.ts';
import { type Answer, compileCondition, type Condition, VARIABLES } from './cel/condition.ts';
import {
  type ItemVariable,
  LogVariable,
  PointVariable,
  ResourceVariable,
  SpanVariable,
  type Variables,
} from './cel/variables.ts';
import type { HealthConfig } from './config.ts';
import { isAbsurdDuration, NO_SLOT, slotOf } from './event-time.ts';
import type { FoldPolicy, Tally } from './policy.ts';

const SERVER = 2;
const CONSUMER = 5;
/** Field of the trace id in Span and LogRecord; data points have none. */
const TRACE_ID = { traces: 1, logs: 9, metrics: undefined } as const;

interface Indicator {
  readonly name: string;
  /** Undefined: every item, of spans those of kind server and consumer. */
  readonly where: Condition | undefined;
  readonly bad: Condition;
  /** The name that `where` insists on: items of another one are passed over. */
  readonly wantedName: Uint8Array | undefined;
  readonly countError: (condition: 'where' | 'bad', answer: Answer) => void;
}

/** The indicators of one signal, with the variables that their conditions share. */
interface Watch {
  readonly indicators: readonly Indicator[];
  readonly item: ItemVariable;
  readonly variables: Variables;
}

/** Counts the user's own indicators: of the items that `where` selects, those for which `bad` holds. */
export class CustomFolder {
  readonly #watches: ReadonlyMap<TelemetrySignal, Watch>;
  readonly #resource = new ResourceVariable();

  constructor(config: HealthConfig['custom'], meter: Instruments, processor: string) {
    const signals = new Set(config.map(({ signal }) => signal));
    this.#watches = new Map(
      [...signals].map((signal) => {
        const compiled = config
          .filter((entry) => entry.signal === signal)
          .map((entry) => compileIndicator(entry, meter, processor));
        const item = variableOf(signal, compiled);
        const variables = { [VARIABLES[signal]]: item, resource: this.#resource };
        return [signal, { indicators: compiled, item, variables }];
      }),
    );
  }

  fold(batch: TelemetryBatch, into: Accumulator, policy: FoldPolicy, tally: Tally): void {
    const watch = this.#watches.get(batch.signal);
    if (watch === undefined) return;
    const { stackTraceLimit } = Error;
    // A missing attribute is an exception inside of the evaluator; its stack would be most of what it costs.
    Error.stackTraceLimit = 0;
    try {
      this.#foldItems(watch, batch, into, policy, tally);
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  }

  #foldItems(watch: Watch, batch: TelemetryBatch, into: Accumulator, policy: FoldPolicy, tally: Tally): void {
    const { columns } = batch;
    const tags = batch.tags as readonly Tag[];
    const times = columns.signal === 'traces' ? columns.endSeconds : columns.timeSeconds;
    let current = -1;
    let resource: ResourceSeries | undefined;
    for (let i = 0; i < columns.count; i++) {
      if (columns.resource[i] !== current) {
        current = columns.resource[i] as number;
        resource = this.#turnTo(tags[current] as Tag, watch, into);
      }
      if (resource === undefined || isNothing(columns, i)) continue;
      const slot = slotOf(times[i] as number, policy.nowSeconds, policy.maxSkewSeconds);
      if (slot === NO_SLOT) continue;
      watch.item.set(batch, i);
      try {
        for (const indicator of watch.indicators) count(indicator, watch, batch, i, slot, resource, tally);
      } catch (thrown) {
        if (!(thrown instanceof WireError)) throw thrown;
        tally.malformed++;
      }
    }
  }

  #turnTo(tag: Tag, watch: Watch, into: Accumulator): ResourceSeries | undefined {
    if (tag.version === UNKNOWN_VERSION) return undefined;
    this.#resource.set(tag);
    const resource = into.resource(tag);
    // At once, before names that telemetry brings along can fill the table.
    for (const { name } of watch.indicators) resource.names.intern(name);
    return resource;
  }
}

function count(
  indicator: Indicator,
  watch: Watch,
  batch: TelemetryBatch,
  i: number,
  slot: number,
  resource: ResourceSeries,
  tally: Tally,
): void {
  if (!isSelected(indicator, watch, batch, i)) return;
  const answer = indicator.bad.answer(watch.variables);
  indicator.countError('bad', answer);
  const operation = operationOf(batch, i, resource);
  const series = resource.named(slot, operation, 'custom', resource.names.intern(indicator.name));
  if (series === undefined) {
    tally.overLimit++;
    return;
  }
  series.all++;
  if (answer !== 'yes') return;
  series.bad++;
  const field = TRACE_ID[batch.signal];
  if (field === undefined) return;
  const { offset, length } = batch.columns;
  const traceId = traceIdOf(batch.bytes, offset[i] as number, length[i] as number, field);
  if (traceId !== '') series.addExemplar(traceId);
}

function isSelected(indicator: Indicator, { item, variables }: Watch, batch: TelemetryBatch, i: number): boolean {
  const { where, wantedName } = indicator;
  if (where === undefined) return batch.signal !== 'traces' || isRequest(batch.columns as SpanColumns, i);
  if (wantedName !== undefined && !item.isNamed(wantedName)) return false;
  const answer = where.answer(variables);
  indicator.countError('where', answer);
  return answer === 'yes';
}

function compileIndicator(
  { name, signal, where, bad }: HealthConfig['custom'][number],
  meter: Instruments,
  processor: string,
): Indicator {
  const condition = where === undefined ? undefined : compileCondition(signal, where);
  const wantedName = condition?.name;
  return {
    name,
    where: condition,
    bad: compileCondition(signal, bad),
    wantedName: wantedName === undefined ? undefined : new Uint8Array(Buffer.from(wantedName, 'utf8')),
    countError: errorCounter(name, meter, processor),
  };
}

function errorCounter(indicator: string, meter: Instruments, processor: string): Indicator['countError'] {
  const counts = new Map<string, Count>();
  return (condition, reason) => {
    if (reason === 'yes' || reason === 'no') return;
    const key = `${condition} ${reason}`;
    let count = counts.get(key);
    if (count === undefined) {
      const labels = { processor, indicator, condition, reason };
      count = meter.counter('windback_health_custom_errors_total', labels);
      counts.set(key, count);
    }
    count.add(1);
  };
}

function variableOf(signal: TelemetrySignal, indicators: readonly Indicator[]): ItemVariable {
  const keys = indicators.flatMap(({ where, bad }) => (where === undefined ? [bad.keys] : [where.keys, bad.keys]));
  const named = keys.filter((set) => set !== undefined);
  const wanted = named.length < keys.length ? ALL : only(new Set(named.flatMap((set) => [...set])));
  if (signal === 'traces') return new SpanVariable(wanted);
  return signal === 'logs' ? new LogVariable(wanted) : new PointVariable(wanted);
}

/** Items that say nothing of health: deployment events, and spans whose times are wrong. */
function isNothing(columns: Columns, i: number): boolean {
  if (columns.signal === 'logs') return columns.isDeployment[i] === 1;
  return columns.signal === 'traces' && isAbsurdDuration(columns.durationNs[i] as number);
}

function isRequest({ kind }: SpanColumns, i: number): boolean {
  return kind[i] === SERVER || kind[i] === CONSUMER;
}

function operationOf(batch: TelemetryBatch, i: number, resource: ResourceSeries): number {
  const { columns } = batch;
  if (columns.signal !== 'traces') return NO_OPERATION;
  return resource.operations.ofSpan(batch.bytes, columns, i);
}
