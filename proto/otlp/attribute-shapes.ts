import type { TelemetrySignal } from './columns.ts';

/** What a length-delimited field holds, as far as a walk over everything that senders write goes. */
export type Step =
  | { readonly kind: 'message'; readonly shape: Shape }
  /** A KeyValue. */
  | { readonly kind: 'attribute' }
  /** Text that a person or a program has composed: a name, a message. */
  | { readonly kind: 'text' }
  /** An AnyValue. */
  | { readonly kind: 'body' };

/** A message: what lies in its fields, by number; those that are not listed are of no interest. */
export interface Shape {
  readonly steps: readonly (Step | undefined)[];
  /** The number of its attributes; 0 where it has none. */
  readonly attributes: number;
}

const ATTRIBUTE: Step = { kind: 'attribute' };
const TEXT: Step = { kind: 'text' };
const BODY: Step = { kind: 'body' };

function shapeOf(fields: Readonly<Record<number, Step | Shape>>): Shape {
  const steps: (Step | undefined)[] = [];
  let attributes = 0;
  for (let number = 0; number <= Math.max(...Object.keys(fields).map(Number)); number++) {
    const field = fields[number];
    steps.push(field === undefined || 'kind' in field ? field : { kind: 'message', shape: field });
    if (field === ATTRIBUTE) attributes = number;
  }
  return { steps, attributes };
}

/*
 * opentelemetry-proto 1.10. The numbers in front are those of:
 * Resource 1 attributes   InstrumentationScope 2 version 3 attributes
 * Span     5 name 9 attributes 11 events 13 links 15 status   Event 2 name 3 attributes   Link 4 attributes
 *          Status 2 message
 * Metric   5 gauge 7 sum 9 histogram 10 exponential_histogram 11 summary 12 metadata; in each 1 data_points
 *          Exemplar 7 filtered_attributes
 * LogRecord 5 body 6 attributes 12 event_name
 */
export const RESOURCE = shapeOf({ 1: ATTRIBUTE });
const SCOPE = shapeOf({ 2: TEXT, 3: ATTRIBUTE });
const SPAN = shapeOf({
  5: TEXT,
  9: ATTRIBUTE,
  11: shapeOf({ 2: TEXT, 3: ATTRIBUTE }),
  13: shapeOf({ 4: ATTRIBUTE }),
  15: shapeOf({ 2: TEXT }),
});
const EXEMPLAR = shapeOf({ 7: ATTRIBUTE });
const NUMBER_POINTS = shapeOf({ 1: shapeOf({ 5: EXEMPLAR, 7: ATTRIBUTE }) });
const METRIC = shapeOf({
  5: NUMBER_POINTS,
  7: NUMBER_POINTS,
  9: shapeOf({ 1: shapeOf({ 8: EXEMPLAR, 9: ATTRIBUTE }) }),
  10: shapeOf({ 1: shapeOf({ 1: ATTRIBUTE, 11: EXEMPLAR }) }),
  11: shapeOf({ 1: shapeOf({ 7: ATTRIBUTE }) }),
  12: ATTRIBUTE,
});
const RECORD = shapeOf({ 5: BODY, 6: ATTRIBUTE, 12: TEXT });

const requestOf = (item: Shape): Shape => shapeOf({ 1: shapeOf({ 1: RESOURCE, 2: shapeOf({ 1: SCOPE, 2: item }) }) });

/** Export requests: where in them attributes, bodies, names, versions and messages are. */
export const REQUESTS: Readonly<Record<TelemetrySignal, Shape>> = {
  traces: requestOf(SPAN),
  metrics: requestOf(METRIC),
  logs: requestOf(RECORD),
};
