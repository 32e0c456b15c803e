/** Requests in OTLP/JSON as items that can be compared, whoever wrote them and however they were batched. */
import type { TelemetrySignal } from '../../pipeline/batch.ts';

type Json = Record<string, unknown>;

/**
 * Every span, data point and log record of these requests with the resource, scope and metric that it belongs to,
 * each as JSON, sorted. The order of attributes is kept: it is the sender's.
 */
export function itemsOf(signal: TelemetrySignal, requests: readonly unknown[]): string[] {
  const { resources, scopes, items } = LISTS[signal];
  const found: string[] = [];
  for (const request of requests) {
    for (const group of list(request, resources)) {
      for (const scoped of list(group, scopes)) {
        const around = {
          // The JSON of the JavaScript SDK repeats the URL inside the resource, where OTLP has no such field.
          resource: { ...(group.resource as Json), schemaUrl: undefined },
          resourceSchemaUrl: group.schemaUrl,
          scope: scoped.scope ?? {},
          scopeSchemaUrl: scoped.schemaUrl,
        };
        const own = list(scoped, items).flatMap(signal === 'metrics' ? pointsOf : (item) => [{ item }]);
        for (const item of own) found.push(JSON.stringify(canonical({ ...around, ...item })));
      }
    }
  }
  return found.sort();
}

const LISTS = {
  traces: { resources: 'resourceSpans', scopes: 'scopeSpans', items: 'spans' },
  metrics: { resources: 'resourceMetrics', scopes: 'scopeMetrics', items: 'metrics' },
  logs: { resources: 'resourceLogs', scopes: 'scopeLogs', items: 'logRecords' },
} as const;

function list(of: unknown, key: string): Json[] {
  return ((of as Json)[key] ?? []) as Json[];
}

const POINT_KINDS = ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary'] as const;

/** Each point of a metric with the rest of it: name, unit, kind, temporality. */
function pointsOf(metric: Json): Json[] {
  const kind = POINT_KINDS.find((name) => metric[name] !== undefined) as string;
  const { dataPoints, ...rest } = metric[kind] as { dataPoints: Json[] };
  return dataPoints.map((item) => ({ metric: { ...metric, [kind]: rest }, item }));
}

/** Where zero, false and the empty string say something: members of a oneof and `optional` fields. */
const HAS_PRESENCE = new Set(
  'stringValue boolValue intValue doubleValue bytesValue asInt asDouble sum min max'.split(' '),
);

/** 64-bit integers, which OTLP/JSON writes as strings or as numbers. */
const INT64 = /^(intValue|asInt|count|zeroCount|bucketCounts|\w*UnixNano)$/;

/** Keys sorted, integers as strings; what means nothing left out: null, defaults and empty lists. */
function canonical(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((element) => canonical(element, key));
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
      .map(([name, member]) => [name, canonical(member, name)] as const)
      .filter(([name, member]) => HAS_PRESENCE.has(name) || !isDefault(member))
      // An empty body is no body: of the two serializers of the JavaScript SDK one writes it, one does not.
      .filter(([name, member]) => name !== 'body' || Object.keys(member as Json).length > 0);
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
  return INT64.test(key) && value !== null && value !== undefined ? BigInt(value as string).toString() : value;
}

function isDefault(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return value === undefined || value === null || value === 0 || value === '0' || value === '' || value === false;
}

export interface Difference {
  readonly missing: number;
  /** Not sent, or sent less often. */
  readonly surplus: number;
  /** Of the first few, where the item that was sent and the one that arrived part. */
  readonly examples: readonly { readonly sent: string; readonly arrived: string }[];
}

export const NO_DIFFERENCE: Difference = { missing: 0, surplus: 0, examples: [] };

/** How what arrived differs from what was sent, both sorted. */
export function difference(sent: readonly string[], arrived: readonly string[]): Difference {
  const missing: string[] = [];
  const surplus: string[] = [];
  let [i, j] = [0, 0];
  while (i < sent.length || j < arrived.length) {
    const [a, b] = [sent[i], arrived[j]];
    if (a === b) [i, j] = [i + 1, j + 1];
    else if (b === undefined || (a !== undefined && a < b)) missing.push(sent[i++] as string);
    else surplus.push(arrived[j++] as string);
  }
  const examples = Array.from({ length: Math.min(3, Math.max(missing.length, surplus.length)) }, (_, k) =>
    parting(missing[k] ?? '', surplus[k] ?? ''),
  );
  return { missing: missing.length, surplus: surplus.length, examples };
}

function parting(sent: string, arrived: string): { sent: string; arrived: string } {
  let at = 0;
  while (at < sent.length && sent[at] === arrived[at]) at++;
  const around = (text: string) => text.slice(Math.max(0, at - 150), at + 250);
  return { sent: around(sent), arrived: around(arrived) };
}

/** Every field name that occurs in the items: a test that sends too little would prove too little. */
export function fieldsOf(items: readonly string[]): Set<string> {
  const fields = new Set<string>();
  for (const item of items) for (const [, name] of item.matchAll(/"(\w+)":/g)) fields.add(name as string);
  return fields;
}
