import { CALLEE_NAMED_BY, type SpanColumns } from '../../proto/otlp/columns.ts';
import { OperationTable, OTHER } from './operations.ts';

/** Texts told apart per caller, and over all callers. Beyond, those of the caller, or of all, are learnt anew. */
const TEXTS_PER_CALLER = 1000;
const TEXTS_MAX = 10_000;
/** A longer text names nobody; its beginning stands for it. */
const LONGEST_TEXT = 255;
/** Edges are learnt from one of so many calls, by bits of the id, so that both of its spans are looked at or neither. */
const SAMPLED = 16;
/** Calls and requests of the sample that are remembered until the other span comes. */
const SIGHTINGS = 2048;

/** Whom one service calls by one text: an address, a name. */
export class Callee {
  readonly #text: string;
  /** The service that answered, as its own telemetry calls itself. */
  #service: string | undefined;
  #isShared = false;

  constructor(text: string) {
    this.#text = text;
  }

  /** The callee's own `service.name` once it is known, until then what the caller calls it. */
  get name(): string {
    return this.#service === undefined || this.#isShared ? this.#text : this.#service;
  }

  /**
   * `service` answered a call. When a second one does, the text is that of a proxy or a load balancer in front of
   * several, and naming one of them would blame it for the others: then it is the text again, for good.
   */
  learn(service: string): void {
    if (this.#service === undefined) this.#service = service;
    else if (this.#service !== service) this.#isShared = true;
  }
}

/** Whom a request called beyond the callees that are told apart. */
export const OTHER_CALLEE = new Callee(OTHER);
/** Nothing in the span says whom it called. */
const UNNAMED = new Callee('unknown');

/** Interns whom services call, as the texts lie in requests, and learns the services' own names from their answers. */
export class CalleeTable {
  /** By service key of the caller, then by what the text is. */
  #callers = new Map<string, (TextTable | undefined)[]>();
  #texts = 0;
  readonly #calls = new Sightings<Callee>();
  readonly #requests = new Sightings<string>();

  /** Whom span `i` of the service `caller` called, by what it says of that. */
  calledBy(caller: string, bytes: Uint8Array, columns: SpanColumns, i: number): Callee {
    const namedBy = columns.calleeNamedBy[i] as number;
    if (namedBy === CALLEE_NAMED_BY.nothing) return UNNAMED;
    const tables = this.#tablesOf(caller);
    const table = (tables[namedBy] ??= { texts: new OperationTable(TEXTS_PER_CALLER), callees: [OTHER_CALLEE] });
    const index = table.texts.ofCallee(bytes, columns, i, LONGEST_TEXT);
    if (index === 0) return this.#anew(caller, bytes, columns, i);
    const known = table.callees[index];
    if (known !== undefined) return known;
    const text = table.texts.name(index);
    const callee = new Callee(namedBy === CALLEE_NAMED_BY.address ? hostOf(text) : text);
    table.callees[index] = callee;
    this.#texts++;
    return callee;
  }

  /** A client span of this id called `callee`. */
  sawCall(low: number, high: number, callee: Callee): void {
    if ((low & (SAMPLED - 1)) !== 0) return;
    const service = this.#requests.take(low, high);
    if (service === undefined) this.#calls.put(low, high, callee);
    else callee.learn(service);
  }

  /** A server span of `service` has the client span of this id as its parent. */
  sawRequest(low: number, high: number, service: string): void {
    if ((low & (SAMPLED - 1)) !== 0) return;
    const callee = this.#calls.take(low, high);
    if (callee === undefined) this.#requests.put(low, high, service);
    else callee.learn(service);
  }

  #tablesOf(caller: string): (TextTable | undefined)[] {
    let tables = this.#callers.get(caller);
    if (tables !== undefined && this.#texts < TEXTS_MAX) return tables;
    if (this.#texts >= TEXTS_MAX || this.#callers.size >= TEXTS_MAX) {
      this.#callers.clear();
      this.#texts = 0;
    }
    tables = [];
    this.#callers.set(caller, tables);
    return tables;
  }

  /** The caller has named too many. Addresses come and go with their pods: those that are still called come back. */
  #anew(caller: string, bytes: Uint8Array, columns: SpanColumns, i: number): Callee {
    const namedBy = columns.calleeNamedBy[i] as number;
    const tables = this.#tablesOf(caller);
    this.#texts -= (tables[namedBy]?.callees.length ?? 1) - 1;
    tables[namedBy] = undefined;
    return this.calledBy(caller, bytes, columns, i);
  }
}

interface TextTable {
  readonly texts: OperationTable;
  /** By index of the text. */
  readonly callees: Callee[];
}

/** The last values seen by span id: a slot for each hash, in which the newest stays. */
class Sightings<Value> {
  readonly #lows = new Int32Array(SIGHTINGS);
  readonly #highs = new Int32Array(SIGHTINGS);
  readonly #values: (Value | undefined)[] = [];

  put(low: number, high: number, value: Value): void {
    const slot = slotOf(low, high);
    this.#lows[slot] = low;
    this.#highs[slot] = high;
    this.#values[slot] = value;
  }

  take(low: number, high: number): Value | undefined {
    const slot = slotOf(low, high);
    if (this.#lows[slot] !== low || this.#highs[slot] !== high) return undefined;
    const value = this.#values[slot];
    this.#values[slot] = undefined;
    return value;
  }
}

function slotOf(low: number, high: number): number {
  const hash = Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0xc2b2ae35);
  return (hash ^ (hash >>> 15)) & (SIGHTINGS - 1);
}

/**
 * `payment.shop.svc.cluster.local:50051` is `payment`, as is any name inside a cluster; names of the public internet,
 * addresses of IP and paths of sockets stay, without the port: `api.stripe.com` and `api.github.com` are two.
 */
export function hostOf(address: string): string {
  // A gRPC target may have its scheme and authority in front: dns:///payment:50051
  const target = address.replace(/^[a-z][a-z0-9+.-]*:\/\/(?:[^/]*\/)?(?=.)/i, '');
  const bracketed = /^\[([^\]]+)\]/.exec(target)?.[1];
  if (bracketed !== undefined) return bracketed;
  if (target.startsWith('/') || target.split(':').length > 2) return target;
  const host = target.replace(/:.*$/, '');
  if (/^\d+(\.\d+){3}$/.test(host)) return host;
  const name = host.toLowerCase();
  const [label = ''] = name.split('.');
  if (label === '') return address;
  return INSIDE.test(name) ? label : name;
}

/** One label, `service.namespace`, or a name that only a cluster or a private network resolves. */
const INSIDE =
  /^[^.]+$|^[^.]+\.(?!(?:com|net|org|io|dev|app|co|eu|cloud|ai)$)[^.]+$|\.svc$|\.svc\.|\.(local|internal|cluster|consul|lan)$/u;
