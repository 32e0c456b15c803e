import type { TelemetryBatch } from '../../pipeline/batch.ts';
import { type Tag, UNKNOWN_VERSION } from '../../pipeline/tag.ts';
import { METRIC_KIND, type PointColumns } from '../../proto/otlp/columns.ts';
import { text } from '../../proto/otlp/resource.ts';
import type { Accumulator } from './accumulator.ts';
import { isSkewed, NO_SLOT, slotOf } from './event-time.ts';
import { RequestFolder } from './fold-requests.ts';
import { ResourceFolder } from './fold-resources.ts';
import type { FoldPolicy, Tally } from './policy.ts';
import { CONVENTIONS, RESOURCE_METRICS } from './resource-metrics.ts';

/** Histograms whose points are requests to this service, with ns per unit. Old and new names of the conventions. */
const REQUEST_DURATIONS = new Map([
  ['http.server.request.duration', 1e9],
  ['http.server.duration', 1e6],
  ['rpc.server.call.duration', 1e9],
  ['rpc.server.duration', 1e6],
]);
/** Longer names are nobody's. */
const LONGEST_NAME = 255;
const KNOWN_NAMES_MAX = 10_000;

/** What the points of a metric are to the judge, by the metric's name. */
interface Use {
  readonly name: string;
  /** ns per unit, where a histogram of the name counts requests. */
  readonly unitNs: number | undefined;
  /** Whether a gauge or sum of the name tells what an instance uses up. */
  readonly isResource: boolean;
}

/** Folds data points: histograms of requests, for cohorts that send no spans, and gauges and sums of resources. */
export class MetricsFolder {
  readonly #requests = new RequestFolder();
  readonly #resources = new ResourceFolder();
  readonly #resourceNames: ReadonlySet<string>;
  readonly #resourcePrefixes: readonly string[];
  readonly #uses = new Map<string, Use>();

  /** `resourceMetrics`: names, beginnings of names with a `*` behind them, or `conventions`. */
  constructor(resourceMetrics: readonly string[]) {
    const names = resourceMetrics.flatMap((name) => (name === CONVENTIONS ? RESOURCE_METRICS : [name]));
    this.#resourceNames = new Set(names.filter((name) => !name.endsWith('*')));
    this.#resourcePrefixes = names.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1));
  }

  /** Whether any point of the batch is of use here. */
  concerns({ bytes, columns }: TelemetryBatch): boolean {
    const { count, nameOffset, nameLength } = columns as PointColumns;
    for (let i = 0; i < count; i++) {
      if (i > 0 && nameOffset[i] === nameOffset[i - 1]) continue;
      const use = this.#useOf(bytes, nameOffset[i] as number, nameLength[i] as number);
      if (use?.unitNs !== undefined || use?.isResource === true) return true;
    }
    return false;
  }

  fold(batch: TelemetryBatch, into: Accumulator, policy: FoldPolicy, tally: Tally): void {
    const columns = batch.columns as PointColumns;
    const tags = batch.tags as readonly Tag[];
    let use: Use | undefined;
    let nameOffset = -1;
    for (let i = 0; i < columns.count; i++) {
      // The points of a metric share the bytes of its name.
      if (columns.nameOffset[i] !== nameOffset) {
        nameOffset = columns.nameOffset[i] as number;
        use = this.#useOf(batch.bytes, nameOffset, columns.nameLength[i] as number);
      }
      const tag = tags[columns.resource[i] as number] as Tag;
      const time = columns.timeSeconds[i] as number;
      const slot = slotOf(time, policy.nowSeconds, policy.maxSkewSeconds);
      const kind = columns.kind[i] as number;
      const isRequest = use?.unitNs !== undefined && isHistogram(kind);
      const isResource = use?.isResource === true && isNumber(kind);
      if (!isRequest && !isResource) tally.notARequest++;
      else if (tag.version === UNKNOWN_VERSION) tally.unknownVersion++;
      else if (slot === NO_SLOT) tally.absurdTime++;
      else if (isResource) this.#resources.take(batch, i, tag, slot, (use as Use).name, tally);
      else this.#requests.fold(batch, i, tag, slot, use as RequestUse, into, policy, tally);
      if (slot !== NO_SLOT && isSkewed(time, policy.nowSeconds, policy.maxSkewSeconds)) tally.skewed++;
    }
    this.#resources.finish(into, tally);
  }

  #useOf(bytes: Uint8Array, offset: number, length: number): Use | undefined {
    if (length === 0 || length > LONGEST_NAME) return undefined;
    const name = text(bytes, offset, length);
    let use = this.#uses.get(name);
    if (use === undefined) {
      const isResource =
        this.#resourceNames.has(name) || this.#resourcePrefixes.some((prefix) => name.startsWith(prefix));
      use = { name, unitNs: REQUEST_DURATIONS.get(name), isResource };
      if (this.#uses.size >= KNOWN_NAMES_MAX) this.#uses.clear();
      this.#uses.set(name, use);
    }
    return use;
  }
}

type RequestUse = Use & { readonly unitNs: number };

function isHistogram(kind: number): boolean {
  return kind === METRIC_KIND.histogram || kind === METRIC_KIND.exponentialHistogram;
}

function isNumber(kind: number): boolean {
  return kind === METRIC_KIND.gauge || kind === METRIC_KIND.sum;
}
