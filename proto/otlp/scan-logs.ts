import { ascii, isAt } from '../wire/ascii.ts';
import { field, FIXED64, Reader, VARINT } from '../wire/reader.ts';
import type { LogColumns } from './columns.ts';
import { enumOf, skipId, unixSeconds, walkGroups } from './groups.ts';
import { type ColumnsLease, ColumnSets, GrowingColumns, ResourceCollector } from './growing.ts';
import { checkAttributes } from './resource.ts';

/*
 * LogRecord:  1 time_unix_nano   2 severity_number   5 body   6 repeated attributes   9 trace_id   10 span_id
 *             11 observed_time_unix_nano   12 event_name
 */
const TIME = 1 * 8 + FIXED64;
const SEVERITY = 2 * 8 + VARINT;
const TRACE_ID = field(9);
const SPAN_ID = field(10);
const OBSERVED_TIME = 11 * 8 + FIXED64;
const EVENT_NAME = field(12);
const ATTRIBUTES = 6;

const DEPLOYMENT = ascii('deployment');
/** Little: in a full queue each small request holds a set of columns. */
const INITIAL_CAPACITY = 128;

/** One pass over an ExportLogsServiceRequest. */
export class LogScanner {
  readonly #reader = new Reader(new Uint8Array());
  readonly #resources = new ResourceCollector();
  readonly #sets = new ColumnSets(
    () =>
      new GrowingColumns(
        {
          resource: new Uint32Array(INITIAL_CAPACITY),
          offset: new Uint32Array(INITIAL_CAPACITY),
          length: new Uint32Array(INITIAL_CAPACITY),
          timeSeconds: new Float64Array(INITIAL_CAPACITY),
          severity: new Uint8Array(INITIAL_CAPACITY),
          isDeployment: new Uint8Array(INITIAL_CAPACITY),
        },
        INITIAL_CAPACITY,
      ),
  );
  /** The columns of the request that is scanned. */
  #scratch = this.#sets.current;
  #count = 0;

  scan(bytes: Uint8Array, lease?: ColumnsLease, bytesMax = Infinity): LogColumns {
    const reader = this.#reader;
    reader.reset(bytes, 0, bytes.length);
    this.#resources.begin(bytesMax);
    this.#scratch = this.#sets.current;
    this.#scratch.begin(bytesMax);
    this.#count = 0;
    walkGroups(reader, this.#resources, this.#record);
    reader.reset(EMPTY, 0, 0);
    const columns = this.#sets.finish(this.#count, lease);
    return { signal: 'logs', count: this.#count, resources: this.#resources.finish(lease), ...columns };
  }

  readonly #record = (resource: number): void => {
    const reader = this.#reader;
    const i = this.#count++;
    this.#scratch.ensure(i, reader.pos);
    const { columns } = this.#scratch;
    const start = reader.pos;
    const { end } = reader;
    let time = 0;
    let observed = 0;
    let severity = 0;
    columns.isDeployment[i] = 0;
    while (reader.pos < end) {
      const tag = reader.tag();
      switch (tag) {
        case TIME:
          time = unixSeconds(reader);
          break;
        case OBSERVED_TIME:
          observed = unixSeconds(reader);
          break;
        case SEVERITY:
          severity = enumOf(reader);
          break;
        case TRACE_ID:
          skipId(reader, 'log_record.trace_id', 16);
          break;
        case SPAN_ID:
          skipId(reader, 'log_record.span_id', 8);
          break;
        case EVENT_NAME: {
          const length = reader.length();
          const isOne = length === DEPLOYMENT.length && isAt(reader.bytes, reader.pos, DEPLOYMENT);
          columns.isDeployment[i] = isOne ? 1 : 0;
          reader.pos += length;
          break;
        }
        default:
          reader.skip(tag & 7);
      }
    }
    if (columns.isDeployment[i] === 1) {
      reader.pos = start;
      checkAttributes(reader, ATTRIBUTES);
    }
    columns.resource[i] = resource;
    columns.offset[i] = start;
    columns.length[i] = end - start;
    columns.timeSeconds[i] = time === 0 ? observed : time;
    columns.severity[i] = severity;
  };
}

const EMPTY = new Uint8Array();
