import { context, type LogRecord, ROOT_CONTEXT, SeverityNumber, trace } from '@opentelemetry/api';
import { JsonLogsSerializer } from '@opentelemetry/otlp-transformer';
import {
  BatchLogRecordProcessor,
  LoggerProvider,
  type LogRecordExporter,
  type ReadableLogRecord,
} from '@opentelemetry/sdk-logs';
import { EVERY_VALUE, ordinary, SCHEMA_URL, SIMPLE_VALUES, UNVERSIONED, VERSIONED } from './attributes.ts';
import { Recorder } from './recorded.ts';
import { REMOTE } from './traces.ts';

const ORDINARY_RECORDS = 1200;

/** Makes log records that use all that one can have, and delivers them. Resolves to the requests. */
export async function sendLogs(newExporter: () => LogRecordExporter): Promise<unknown[]> {
  const recorder = new Recorder<ReadableLogRecord[]>(JsonLogsSerializer);
  const exporter = () => recorder.around(newExporter());
  const versioned = new LoggerProvider({ resource: VERSIONED, processors: [batching(exporter())] });
  const logger = versioned.getLogger('cart', '2.0.1', { schemaUrl: SCHEMA_URL, attributes: SIMPLE_VALUES });
  for (const record of everyRecord()) logger.emit(record);
  const plain = versioned.getLogger('plain');
  for (let i = 0; i < ORDINARY_RECORDS; i++) {
    plain.emit({ severityNumber: SeverityNumber.INFO, body: `GET /cart/${i}`, attributes: ordinary(i) });
  }
  await versioned.shutdown();
  const limited = new LoggerProvider({
    resource: UNVERSIONED,
    processors: [batching(exporter())],
    logRecordLimits: { attributeCountLimit: 2 },
  });
  limited.getLogger('').emit({ body: 'too much', attributes: EVERY_VALUE });
  await limited.shutdown();
  return recorder.delivered();
}

function batching(exporter: LogRecordExporter): BatchLogRecordProcessor {
  return new BatchLogRecordProcessor({ exporter, maxExportBatchSize: 512, maxQueueSize: 4096 });
}

function everyRecord(): LogRecord[] {
  const levels = Array.from({ length: 25 }, (_, severityNumber) => ({
    severityNumber,
    severityText: `L${severityNumber}`,
  }));
  const bodies = Object.values(EVERY_VALUE).map((body) => ({ body }));
  return [
    {},
    { attributes: EVERY_VALUE },
    { body: EVERY_VALUE },
    ...levels,
    ...bodies,
    { eventName: 'cart.checkout', timestamp: [1_600_000_000, 1], observedTimestamp: [1_600_000_001, 2] },
    { body: 'of a span', context: trace.setSpanContext(ROOT_CONTEXT, REMOTE) },
    { body: 'of no span', context: context.active() },
    { body: 'failed', exception: new TypeError('no such item') },
  ];
}
