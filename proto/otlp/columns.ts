import type { RangeTable } from './range-table.ts';

/**
 * What one pass over an Export request leaves behind: struct-of-arrays, one entry per item, all numbers. Offsets and
 * lengths are ranges in the request's bytes; strings stay there until a person asks for them. Arrays may be longer than
 * `count`: what lies behind is left from other requests.
 */
export type TelemetrySignal = 'traces' | 'metrics' | 'logs';

/** One entry per ResourceSpans, ResourceMetrics or ResourceLogs. `length` 0 at offset 0: the resource is absent. */
export interface ResourceColumns {
  readonly count: number;
  /** Range of the group's message (the ResourceSpans itself), without its tag and length. */
  readonly groupOffset: Uint32Array;
  readonly groupLength: Uint32Array;
  /** Range of its Resource message. */
  readonly offset: Uint32Array;
  readonly length: Uint32Array;
}

interface ItemColumns {
  readonly count: number;
  readonly resources: ResourceColumns;
  /** Index into `resources`. */
  readonly resource: Uint32Array;
  /** Range of the item's message: Span, LogRecord or a data point. */
  readonly offset: Uint32Array;
  readonly length: Uint32Array;
}

/** No status of this kind was in the attributes. */
export const NO_STATUS = 0xffff;

/**
 * What can name whom a span called. The highest that is there counts, of equal ones the last: the services' own name
 * first, then where the call went, then what was asked for.
 */
export const CALLEE_NAMED_BY = {
  nothing: 0,
  /** `db.system.name`, old `db.system`. */
  dbSystem: 1,
  /** `messaging.destination.name`. */
  destination: 2,
  rpcService: 3,
  /** `server.address`, old `net.peer.name`. */
  address: 4,
  peerService: 5,
} as const;

export interface SpanColumns extends ItemColumns {
  readonly signal: 'traces';
  /** SpanKind: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: Uint8Array;
  /** Status code: 0 unset, 1 ok, 2 error. */
  readonly status: Uint8Array;
  /** HTTP response status code of a request or call (any kind but internal), `NO_STATUS` where there is none. */
  readonly httpStatus: Uint16Array;
  /** gRPC status code of a request or call, `NO_STATUS` where there is none. */
  readonly rpcStatus: Uint16Array;
  /** End time, seconds since the epoch with fraction; 0 where it was not set. */
  readonly endSeconds: Float64Array;
  /** End less start, ns; negative where the clocks disagree. */
  readonly durationNs: Float64Array;
  /** Range of what the request asked for: the route, the messaging destination, else the span's name. */
  readonly operationOffset: Uint32Array;
  readonly operationLength: Uint32Array;
  /** Range of the HTTP method that goes with a route; length 0 where there is none. */
  readonly methodOffset: Uint32Array;
  readonly methodLength: Uint32Array;
  /**
   * The number of what a request asked for (method and operation) in `texts`; 0 where it has none, as one that is too
   * long, or where the table is full. Of spans that are no requests it is 0.
   */
  readonly operation: Uint16Array;
  /** The two words of the span's id, and of its parent's id, little-endian; both 0 where there is none. */
  readonly spanLow: Int32Array;
  readonly spanHigh: Int32Array;
  readonly parentLow: Int32Array;
  readonly parentHigh: Int32Array;
  /** Which attribute of a client or producer span named whom it called, one of `CALLEE_NAMED_BY`. */
  readonly calleeNamedBy: Uint8Array;
  /** Range of whom a client or producer span called; length 0 where nothing says it. */
  readonly calleeOffset: Uint32Array;
  readonly calleeLength: Uint32Array;
  /** The number of whom it called in `texts`, as `operation`. */
  readonly callee: Uint16Array;
  /** What numbers are of. It is another one from time to time, and then all numbers are others. */
  readonly texts: RangeTable;
}

export interface LogColumns extends ItemColumns {
  readonly signal: 'logs';
  /** The record's time, else its observed time, seconds since the epoch with fraction; 0 where neither was set. */
  readonly timeSeconds: Float64Array;
  /** Severity number, 0 to 24. */
  readonly severity: Uint8Array;
  /** 1 where `event_name` is `deployment`. */
  readonly isDeployment: Uint8Array;
}

/** Kinds of metric, by the field number of Metric.data. */
export const METRIC_KIND = { gauge: 5, sum: 7, histogram: 9, exponentialHistogram: 10, summary: 11 } as const;

export interface PointColumns extends ItemColumns {
  readonly signal: 'metrics';
  /** One of `METRIC_KIND`. */
  readonly kind: Uint8Array;
  /** AggregationTemporality: 0 unspecified, 1 delta, 2 cumulative. */
  readonly temporality: Uint8Array;
  /** 1 for points of a sum that only grows. */
  readonly isMonotonic: Uint8Array;
  /** The point's time, seconds since the epoch with fraction. */
  readonly timeSeconds: Float64Array;
  /** Ranges of the metric's name and unit. */
  readonly nameOffset: Uint32Array;
  readonly nameLength: Uint32Array;
  readonly unitOffset: Uint32Array;
  readonly unitLength: Uint32Array;
}

export type Columns = SpanColumns | PointColumns | LogColumns;
