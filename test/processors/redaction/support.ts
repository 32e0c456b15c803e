import { TelemetryBatch, type TelemetrySignal } from '../../../pipeline/batch.ts';
import type { Context } from '../../../pipeline/component.ts';
import { redactionConfig } from '../../../processors/redaction/config.ts';
import { Redactions } from '../../../processors/redaction/redaction.ts';
import { jsonToProtobuf } from '../../../proto/otlp/json.ts';
import { decodeToJson } from '../../../proto/otlp/json-decode.ts';
import { counted, Sink, testContext } from '../../support/context.ts';

export type Config = Readonly<Record<string, unknown>>;

/** A processor with what stands behind it. */
export class Redacting {
  readonly sink = new Sink();
  readonly context: Context;
  readonly processor: Redactions;

  constructor(config: Config, context = testContext('redaction')) {
    this.context = context;
    this.processor = new Redactions(redactionConfig.parse(config), this.sink, context);
  }

  /** The batch that comes out where `batch` goes in. */
  async batch(batch: TelemetryBatch): Promise<TelemetryBatch> {
    await this.processor.consume(batch);
    return this.sink.batches.at(-1) as TelemetryBatch;
  }

  /** What comes out where encoded telemetry goes in. */
  async bytes(signal: TelemetrySignal, bytes: Uint8Array): Promise<Uint8Array> {
    return (await this.batch(TelemetryBatch.open(signal, bytes))).encoded();
  }

  /** The same in OTLP/JSON. */
  async json(signal: TelemetrySignal, json: unknown): Promise<any> {
    return decodeToJson(signal, await this.bytes(signal, jsonToProtobuf(signal, JSON.stringify(json))));
  }

  /** What becomes of the attributes of a span. */
  async attributes(attributes: object): Promise<Record<string, unknown>> {
    const spans = [{ attributes: entries(attributes) }];
    const out = await this.json('traces', { resourceSpans: [{ scopeSpans: [{ spans }] }] });
    return plainEntries(out.resourceSpans[0].scopeSpans[0].spans[0].attributes ?? []);
  }

  /** What becomes of the body of a log record, and of its attributes. */
  async record(
    body: unknown,
    attributes: object = {},
  ): Promise<{ body: unknown; attributes: Record<string, unknown> }> {
    const logRecords = [{ body: anyValue(body), attributes: entries(attributes) }];
    const out = await this.json('logs', { resourceLogs: [{ scopeLogs: [{ logRecords }] }] });
    const record = out.resourceLogs[0].scopeLogs[0].logRecords[0];
    return { body: plain(record.body), attributes: plainEntries(record.attributes ?? []) };
  }

  async counts(): Promise<{ removed: number; masked: number }> {
    const labels = { processor: this.context.id };
    return {
      removed: await counted(this.context, 'windback_redaction_removed_attributes_total', labels),
      masked: await counted(this.context, 'windback_redaction_masked_values_total', labels),
    };
  }
}

/** Values as OTLP/JSON has them: bigints are integers, numbers doubles. */
export function anyValue(value: unknown): object {
  if (value === undefined) return {};
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'bigint') return { intValue: String(value) };
  if (typeof value === 'number') return { doubleValue: value };
  if (value instanceof Uint8Array) return { bytesValue: Buffer.from(value).toString('base64') };
  if (Array.isArray(value)) return { arrayValue: { values: value.map((one) => anyValue(one)) } };
  return { kvlistValue: { values: entries(value as object) } };
}

export function entries(attributes: object): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }));
}

function plain(value: any): unknown {
  if (value === undefined) return undefined;
  const [[member, inner] = ['', undefined]] = Object.entries(value) as [string, any][];
  switch (member) {
    case 'intValue':
      return BigInt(inner);
    case 'bytesValue':
      return new Uint8Array(Buffer.from(inner, 'base64'));
    case 'arrayValue':
      return (inner.values ?? []).map((one: unknown) => plain(one));
    case 'kvlistValue':
      return plainEntries(inner.values ?? []);
    default:
      return inner;
  }
}

export function plainEntries(list: readonly { key?: string; value?: unknown }[]): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const { key = '', value } of list) {
    if (key in found) throw new Error(`${key} is there twice`);
    found[key] = plain(value);
  }
  return found;
}
