import type { Tag } from '../../pipeline/tag.ts';
import { CALLEE_NAMED_BY, NO_STATUS, type SpanColumns } from '../../proto/otlp/columns.ts';
import type { ResourceSeries } from './accumulator.ts';
import { type Callee, CalleeTable } from './callees.ts';
import { PendingCalls } from './pending-calls.ts';

const CLIENT = 3;
const PRODUCER = 4;
const STATUS_ERROR = 2;
const HTTP_ERROR = 400;
/** From here on it is a service that is named: not a kind of database, nor a queue. */
const LEARNABLE = CALLEE_NAMED_BY.rpcService;
/** How long a call waits for the end of its request, seconds of arrival. */
const PENDING_SECONDS = 60;
/** More calls of one request count as so many. */
const MOST_CALLS = 63;

/** Why calls were not counted; labels of `windback_health_dropped_calls_total`. */
export interface DroppedCalls {
  /** Their request did not end within the time, or had ended before. */
  expired: number;
  /** More than `max_pending_calls` were waiting. */
  table_full: number;
  /** They were made outside of any request. */
  no_request: number;
  /** They are the inside of another call. */
  nested: number;
  /** More than `max_series` in one flush. */
  over_limit: number;
}

/**
 * Joins the calls that a service makes to the request that it makes them for. A child ends before its parent and is
 * sent before it: so what a span has called waits under its parent's id, moves up with every internal span, and is the
 * request's when that ends. Ids are 64 random bits; that of the sender (version and instance) is compared too, since
 * not everybody's are random.
 */
export class CallJoiner {
  readonly dropped: DroppedCalls = { expired: 0, table_full: 0, no_request: 0, nested: 0, over_limit: 0 };
  readonly #pending: PendingCalls;
  readonly #callees = new CalleeTable();
  readonly #owners = new WeakMap<Tag, number>();
  /** The calls of the request that has just ended, by name. */
  readonly #called = new CalledNames();
  #resource: ResourceSeries | undefined;
  #owner = 0;
  #toLow = 0;
  #toHigh = 0;

  constructor(maxPending: number, seed: number) {
    this.#pending = new PendingCalls(maxPending, seed);
  }

  /** Calls waiting for the end of their request, several of one request to the same service as one. */
  get pending(): number {
    return this.#pending.size;
  }

  /** A batch has come; `nowSeconds` is its arrival, since the epoch. */
  begin(nowSeconds: number): void {
    this.dropped.expired += this.#pending.turnTo(nowSeconds, PENDING_SECONDS);
  }

  /** The spans that follow are those of `resource`. */
  from(resource: ResourceSeries): void {
    this.#resource = resource;
    const { tag } = resource;
    let owner = this.#owners.get(tag);
    if (owner === undefined) {
      owner = hashOf(`${tag.serviceKey}|${tag.version}|${tag.instance}`);
      this.#owners.set(tag, owner);
    }
    this.#owner = owner;
  }

  /** Span `i`, which is no request: a call, or what stands between a request and its calls. */
  child(bytes: Uint8Array, columns: SpanColumns, i: number): void {
    const kind = columns.kind[i];
    if (kind === CLIENT || kind === PRODUCER) this.#call(bytes, columns, i);
    else this.#moveUp(columns, i);
  }

  /** Span `i` is a server span of `service`: now we know whom its parent has called. */
  answered(columns: SpanColumns, i: number, service: string): void {
    const low = columns.parentLow[i] as number;
    const high = columns.parentHigh[i] as number;
    if (isNoId(low, high) || service === '') return;
    this.#callees.sawRequest(low, high, service);
  }

  /**
   * The request that is span `i` has ended: folds its calls. `failedTrace` is the trace id of a failed one (empty where
   * it has none), undefined for one that did not fail.
   */
  request(columns: SpanColumns, i: number, slot: number, operation: number, failedTrace: string | undefined): void {
    const low = columns.spanLow[i] as number;
    const high = columns.spanHigh[i] as number;
    if (this.#pending.size === 0 || isNoId(low, high)) return;
    const calls = this.#pending.take(low, high, this.#owner, this.#collect);
    if (calls === 0) return;
    const { count, names, calls: perName, failures } = this.#called;
    for (let at = 0; at < count; at++) {
      const failed = failures[at] === 1;
      this.#fold(slot, operation, names[at] as number, perName[at] as number, failed ? failedTrace : undefined);
    }
    this.#called.count = 0;
  }

  #fold(slot: number, operation: number, name: number, calls: number, failedTrace: string | undefined): void {
    const resource = this.#resource as ResourceSeries;
    const series = resource.named(slot, operation, 'calls', name);
    if (series === undefined) {
      this.dropped.over_limit += calls;
      return;
    }
    series.all++;
    series.addToBin(Math.min(calls, MOST_CALLS), 1);
    if (failedTrace === undefined) return;
    const origin = resource.named(slot, operation, 'origin', name);
    if (origin === undefined) {
      this.dropped.over_limit++;
      return;
    }
    origin.all++;
    origin.bad++;
    if (failedTrace !== '') origin.addExemplar(failedTrace);
  }

  #call(bytes: Uint8Array, columns: SpanColumns, i: number): void {
    const namedBy = columns.calleeNamedBy[i] as number;
    // One that does not say whom it calls is told by the calls inside of it.
    if (namedBy === CALLEE_NAMED_BY.nothing && this.#moveUp(columns, i) > 0) return;
    const callee = this.#callees.calledBy((this.#resource as ResourceSeries).tag.serviceKey, bytes, columns, i);
    const low = columns.spanLow[i] as number;
    const high = columns.spanHigh[i] as number;
    if (!isNoId(low, high)) {
      // An SDK's call and the HTTP request that it consists of are one call.
      if (this.#pending.size > 0) this.dropped.nested += this.#pending.take(low, high, this.#owner, ignore);
      // What is sent to a broker is not answered by whoever reads it.
      if (columns.kind[i] === CLIENT && namedBy >= LEARNABLE) this.#callees.sawCall(low, high, callee);
    }
    const failed = isFailedCall(columns, i);
    if (this.#setParent(columns, i)) this.#add(callee, 1, failed);
    else this.dropped.no_request++;
  }

  /** What was called under a span was called under its parent. Returns how many calls that were. */
  #moveUp(columns: SpanColumns, i: number): number {
    const low = columns.spanLow[i] as number;
    const high = columns.spanHigh[i] as number;
    if (this.#pending.size === 0 || isNoId(low, high)) return 0;
    const hasParent = this.#setParent(columns, i);
    const moved = this.#pending.take(low, high, this.#owner, hasParent ? this.#add : ignore);
    if (!hasParent) this.dropped.no_request += moved;
    return moved;
  }

  /** Notes under whom calls are to wait; false where there is no parent. */
  #setParent(columns: SpanColumns, i: number): boolean {
    this.#toLow = columns.parentLow[i] as number;
    this.#toHigh = columns.parentHigh[i] as number;
    return !isNoId(this.#toLow, this.#toHigh);
  }

  readonly #add = (callee: Callee, calls: number, failed: boolean): void => {
    const evicted = this.#pending.add(this.#toLow, this.#toHigh, this.#owner, callee, calls, failed);
    this.dropped.table_full += evicted;
  };

  /** Two addresses of one service are one callee. */
  readonly #collect = (callee: Callee, calls: number, failed: boolean): void => {
    this.#called.add((this.#resource as ResourceSeries).names.intern(callee.name), calls, failed);
  };
}

/**
 * How often one request called each name. Arrays that are filled again for the next request: a Map would be allocated
 * anew each time that it is cleared, and there is nearly always one name, or two.
 */
class CalledNames {
  count = 0;
  names = new Int32Array(8);
  calls = new Float64Array(8);
  failures = new Uint8Array(8);

  add(name: number, calls: number, failed: boolean): void {
    let i = 0;
    while (i < this.count && this.names[i] !== name) i++;
    if (i === this.count) this.#open(name);
    this.calls[i] = (this.calls[i] as number) + calls;
    if (failed) this.failures[i] = 1;
  }

  #open(name: number): void {
    const i = this.count++;
    if (i === this.names.length) this.#grow();
    this.names[i] = name;
    this.calls[i] = 0;
    this.failures[i] = 0;
  }

  #grow(): void {
    const { names, calls, failures } = this;
    this.names = new Int32Array(names.length * 2);
    this.calls = new Float64Array(names.length * 2);
    this.failures = new Uint8Array(names.length * 2);
    this.names.set(names);
    this.calls.set(calls);
    this.failures.set(failures);
  }
}

/** A call that did not get what it wanted, by its own status or that of HTTP or gRPC: for the client 4xx is one, too. */
function isFailedCall(columns: SpanColumns, i: number): boolean {
  if (columns.status[i] === STATUS_ERROR) return true;
  const http = columns.httpStatus[i] as number;
  if (http !== NO_STATUS && http >= HTTP_ERROR) return true;
  const rpc = columns.rpcStatus[i] as number;
  return rpc !== NO_STATUS && rpc !== 0;
}

/** An id of all zeros is none. */
function isNoId(low: number, high: number): boolean {
  return low === 0 && high === 0;
}

function ignore(): void {}

/** FNV-1a over UTF-16 units, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
