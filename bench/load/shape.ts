/** What the load of a benchmark looks like, and what all three signals have in common on the wire. */
import { randomBytes } from 'node:crypto';
import type { TelemetrySignal } from '../../proto/otlp/columns.ts';
import { Writer } from '../../proto/wire/writer.ts';

export interface Shape {
  readonly signal: TelemetrySignal;
  /** Spans, data points or log records a request. */
  readonly items: number;
  /** Resources a request; each has an equal part of its items. */
  readonly resources: number;
  /** Versions of services over all requests: each service has two. */
  readonly cohorts: number;
  /** Routes. */
  readonly operations: number;
  /** Attributes a span; undefined: what an HTTP service sends, 11 for a server span. */
  readonly attributes?: number;
}

/** One resource's part of a request. */
export interface Part {
  readonly service: string;
  readonly version: string;
  readonly instance: string;
  /** The number of its first item over all requests. */
  readonly first: number;
  readonly items: number;
  /** Of server spans, those whose number this divides have failed; 199 unless told. */
  readonly errorEvery?: number;
}

/** Where the last item of a request carries these eight bytes, each sending puts its own number. */
export const MARK = Buffer.from([0xf1, 0x57, 0xa3, 0x9d, 0xc4, 0x6e, 0xb2, 0x01]);

/** What SDKs send, and from a few thousand items on what a gateway has joined. */
export function usualShape(signal: TelemetrySignal, items: number): Shape {
  return { signal, items, resources: items > 2000 ? 16 : 1, cohorts: 8, operations: 20 };
}

/** How many different requests are sent in turn: enough that every cohort has its instance in one. */
export function variantsOf({ items, resources, cohorts }: Shape): number {
  return Math.max(items > 2000 ? 4 : 8, Math.ceil(cohorts / resources));
}

/** The parts of request number `variant`. */
export function partsOf({ items, resources, cohorts }: Shape, variant: number): Part[] {
  return Array.from({ length: resources }, (_, r) => {
    const number = variant * resources + r;
    const cohort = number % cohorts;
    const from = Math.floor((items * r) / resources);
    return {
      service: `shop-${cohort >> 1}`,
      version: `1.4.${cohort & 1}`,
      instance: `${number.toString(16).padStart(8, '0')}-7d9c-4b6f-8a41-c0ffee123456`,
      first: variant * items + from,
      items: Math.floor((items * (r + 1)) / resources) - from,
    };
  });
}

/** `/api/v1/products-7/{id}` */
export function routeOf(operation: number): string {
  return `/api/v1/products-${operation}/{id}`;
}

/** An Export request: `body` writes the repeated items of a part, as field 2 of its scope. */
export function requestOf(parts: readonly Part[], bytesPerItem: number, body: (writer: Writer, part: Part) => void) {
  const items = parts.reduce((sum, part) => sum + part.items, 0);
  const writer = new Writer(items * bytesPerItem + parts.length * 1000);
  for (const part of parts) {
    message(writer, 1, () => {
      message(writer, 1, () => resource(writer, part));
      message(writer, 2, () => {
        message(writer, 1, () => writer.stringField(1, '@opentelemetry/instrumentation-http'));
        body(writer, part);
      });
    });
  }
  return writer.finish();
}

function resource(writer: Writer, { service, version, instance }: Part): void {
  attribute(writer, 1, 'service.name', service);
  attribute(writer, 1, 'service.namespace', 'bench');
  attribute(writer, 1, 'service.version', version);
  attribute(writer, 1, 'service.instance.id', instance);
  attribute(writer, 1, 'deployment.environment.name', 'load');
  attribute(writer, 1, 'k8s.pod.name', `${service}-${instance.slice(0, 13)}`);
  attribute(writer, 1, 'k8s.namespace.name', 'bench');
  attribute(writer, 1, 'host.name', 'node-17.eu-central-1.compute.internal');
  attribute(writer, 1, 'telemetry.sdk.name', 'opentelemetry');
  attribute(writer, 1, 'telemetry.sdk.language', 'nodejs');
  attribute(writer, 1, 'telemetry.sdk.version', '2.1.0');
}

const known = new Map<string, Buffer>();

/** A KeyValue of text. Encoded once, since nearly all of them come again and again. */
export function attribute(writer: Writer, field: number, key: string, value: string | number): void {
  const name = `${field} ${key} ${typeof value} ${value}`;
  let bytes = known.get(name);
  if (bytes === undefined) {
    const own = new Writer(key.length + 40);
    message(own, field, () => {
      own.stringField(1, key);
      message(own, 2, () => {
        if (typeof value === 'string') own.stringField(1, value);
        else own.varintField(3, value);
      });
    });
    bytes = Buffer.from(own.finish());
    if (known.size < 100_000) known.set(name, bytes);
  }
  writer.raw(bytes);
}

export function message(writer: Writer, field: number, body: () => void): void {
  const mark = writer.open(field, 300);
  body();
  writer.close(mark);
}

const eight = Buffer.alloc(8);

export function fixed64(writer: Writer, field: number, value: bigint): void {
  eight.writeBigUInt64LE(value);
  writer.tag(field, 1);
  writer.raw(eight);
}

/** Ids by the hundred: one call for each would be most of the work. */
export class Ids {
  #bytes = Buffer.alloc(0);
  #pos = 0;

  next(length: number): Buffer {
    if (this.#pos + length > this.#bytes.length) {
      this.#bytes = randomBytes(8192);
      this.#pos = 0;
    }
    this.#pos += length;
    return this.#bytes.subarray(this.#pos - length, this.#pos);
  }
}

/** When item `i` ended, ns since the epoch: over the second before. */
export function endNs(nowMs: number, i: number): bigint {
  return BigInt(Math.round(nowMs) - (i % 900)) * 1_000_000n + BigInt(i % 1_000_000);
}
