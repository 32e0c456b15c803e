/** Telemetry in OTLP/JSON, as the cases send it. */
import { randomBytes } from 'node:crypto';
import type { Signal } from './messages.ts';

export const TRACE_ID = '5b8efff798038103d269b633813fc60c';
export const SPAN_ID = 'eee19b7ec3c1b174';
/** Of this minute, as a server may refuse what is old. */
const START_MS = Date.now() - 1000;
export const START = `${START_MS}000000`;
export const END = `${START_MS + 250}000000`;

export type Json = Readonly<Record<string, unknown>>;

export interface Parts {
  /** Fields of the item: the span, the log record, or the data point of a gauge. */
  readonly item?: Json;
  /** All items, instead of one, with their key. */
  readonly items?: Json;
  readonly resource?: Json;
  readonly scope?: Json;
  /** Fields beside the resource, beside the scope, and of the request itself. */
  readonly besideResource?: Json;
  readonly besideScope?: Json;
  readonly request?: Json;
}

let requests = 0;

/** Text that only one request has. */
export function newMark(): string {
  requests++;
  return `request-${process.pid}-${requests}-`;
}

/** A request of one item, which no other request is equal to unless it has the same mark. */
export function requestOf(signal: Signal, parts: Parts = {}, mark = newMark()): Json {
  const attributes = [
    { key: 'service.name', value: { stringValue: 'conformance' } },
    { key: 'conformance.request', value: { stringValue: mark } },
  ];
  const resource = { attributes, ...parts.resource };
  const scope = { name: 'conformance', ...parts.scope };
  const items = {
    scope,
    ...(parts.items ?? itemsOf(signal, { ...ITEMS[signal], ...parts.item })),
    ...parts.besideScope,
  };
  const { [signal]: names } = NAMES;
  return { [names.resources]: [{ resource, [names.scopes]: [items], ...parts.besideResource }], ...parts.request };
}

/** What tells a request from every other one; undefined where it is none of `requestOf`. */
export function markOf(request: unknown): string | undefined {
  return /request-\d+-\d+-/.exec(JSON.stringify(request))?.[0];
}

export const NAMES = {
  traces: { resources: 'resourceSpans', scopes: 'scopeSpans', items: 'spans' },
  metrics: { resources: 'resourceMetrics', scopes: 'scopeMetrics', items: 'metrics' },
  logs: { resources: 'resourceLogs', scopes: 'scopeLogs', items: 'logRecords' },
} as const;

const ITEMS = {
  traces: {
    traceId: TRACE_ID,
    spanId: SPAN_ID,
    name: 'GET /items',
    kind: 2,
    startTimeUnixNano: START,
    endTimeUnixNano: END,
  },
  metrics: { startTimeUnixNano: START, timeUnixNano: END, asDouble: 1.5 },
  logs: { timeUnixNano: START, observedTimeUnixNano: END, severityNumber: 9, body: { stringValue: 'ready' } },
} as const satisfies Record<Signal, Json>;

function itemsOf(signal: Signal, item: Json): Json {
  if (signal === 'metrics') return { metrics: [{ name: 'items', gauge: { dataPoints: [item] } }] };
  return { [NAMES[signal].items]: [item] };
}

const large = new Map<string, Json>();

/**
 * A request whose one item has a text so long that its bytes are a little more than told: of one letter, or of letters
 * that hardly compress to less than three quarters. It is made once, as making it takes time.
 */
export function largeRequest(signal: Signal, bytes: number, letters: 'same' | 'random' = 'same'): Json {
  const key = `${signal} ${bytes} ${letters}`;
  const made = large.get(key);
  if (made !== undefined) return made;
  const text = letters === 'same' ? 'a'.repeat(bytes) : randomBytes(Math.ceil((bytes * 3) / 4)).toString('base64');
  const request = requestOf(signal, { item: { attributes: [{ key: 'text', value: { stringValue: text } }] } });
  large.set(key, request);
  return request;
}
