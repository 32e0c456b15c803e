import { field, FIXED64, Reader, VARINT } from '../wire/reader.ts';
import { METRIC_KIND, type PointColumns } from './columns.ts';
import { enumOf, unixSeconds, walkGroups } from './groups.ts';
import { type ColumnsLease, ColumnSets, GrowingColumns, ResourceCollector } from './growing.ts';

/*
 * Metric:  1 name   2 description   3 unit   5 gauge   7 sum   9 histogram   10 exponential_histogram   11 summary
 * each of the data:  1 repeated data_points   2 aggregation_temporality (none in gauge and summary)
 *                    3 is_monotonic (sum alone)
 * each of the points has time_unix_nano as field 3
 */
const NAME = field(1);
const UNIT = field(3);
const POINT = field(1);
const TEMPORALITY = 2 * 8 + VARINT;
const IS_MONOTONIC = 3 * 8 + VARINT;
const POINT_TIME = 3 * 8 + FIXED64;

const KIND_OF_TAG = new Map<number, number>(Object.values(METRIC_KIND).map((kind) => [field(kind), kind]));
/** Little: in a full queue each small request holds a set of columns. */
const INITIAL_CAPACITY = 128;

/** One pass over an ExportMetricsServiceRequest: one entry per data point. */
export class PointScanner {
  readonly #reader = new Reader(new Uint8Array());
  readonly #resources = new ResourceCollector();
  readonly #sets = new ColumnSets(
    () =>
      new GrowingColumns(
        {
          resource: new Uint32Array(INITIAL_CAPACITY),
          offset: new Uint32Array(INITIAL_CAPACITY),
          length: new Uint32Array(INITIAL_CAPACITY),
          kind: new Uint8Array(INITIAL_CAPACITY),
          temporality: new Uint8Array(INITIAL_CAPACITY),
          isMonotonic: new Uint8Array(INITIAL_CAPACITY),
          timeSeconds: new Float64Array(INITIAL_CAPACITY),
          nameOffset: new Uint32Array(INITIAL_CAPACITY),
          nameLength: new Uint32Array(INITIAL_CAPACITY),
          unitOffset: new Uint32Array(INITIAL_CAPACITY),
          unitLength: new Uint32Array(INITIAL_CAPACITY),
        },
        INITIAL_CAPACITY,
      ),
  );
  /** The columns of the request that is scanned. */
  #scratch = this.#sets.current;
  #count = 0;

  scan(bytes: Uint8Array, lease?: ColumnsLease, bytesMax = Infinity): PointColumns {
    const reader = this.#reader;
    reader.reset(bytes, 0, bytes.length);
    this.#resources.begin(bytesMax);
    this.#scratch = this.#sets.current;
    this.#scratch.begin(bytesMax);
    this.#count = 0;
    walkGroups(reader, this.#resources, this.#metric);
    reader.reset(EMPTY, 0, 0);
    const columns = this.#sets.finish(this.#count, lease);
    return { signal: 'metrics', count: this.#count, resources: this.#resources.finish(lease), ...columns };
  }

  readonly #metric = (resource: number): void => {
    const reader = this.#reader;
    const { end } = reader;
    const first = this.#count;
    let nameOffset = 0;
    let nameLength = 0;
    let unitOffset = 0;
    let unitLength = 0;
    while (reader.pos < end) {
      const tag = reader.tag();
      const kind = KIND_OF_TAG.get(tag);
      if (kind !== undefined) {
        const length = reader.length();
        reader.end = reader.pos + length;
        this.#data(resource, kind);
        reader.end = end;
      } else if (tag === NAME) {
        nameLength = reader.length();
        nameOffset = reader.pos;
        reader.pos += nameLength;
      } else if (tag === UNIT) {
        unitLength = reader.length();
        unitOffset = reader.pos;
        reader.pos += unitLength;
      } else {
        reader.skip(tag & 7);
      }
    }
    // The name may stand behind the data, so it is filled in last.
    const { columns } = this.#scratch;
    columns.nameOffset.fill(nameOffset, first, this.#count);
    columns.nameLength.fill(nameLength, first, this.#count);
    columns.unitOffset.fill(unitOffset, first, this.#count);
    columns.unitLength.fill(unitLength, first, this.#count);
  };

  #data(resource: number, kind: number): void {
    const reader = this.#reader;
    const { end } = reader;
    const first = this.#count;
    let temporality = 0;
    let isMonotonic = 0;
    while (reader.pos < end) {
      const tag = reader.tag();
      if (tag === POINT) {
        const length = reader.length();
        reader.end = reader.pos + length;
        this.#point(resource, kind);
        reader.end = end;
      } else if (tag === TEMPORALITY) {
        temporality = enumOf(reader);
      } else if (tag === IS_MONOTONIC && kind === METRIC_KIND.sum) {
        isMonotonic = reader.varint() === 0 ? 0 : 1;
      } else {
        reader.skip(tag & 7);
      }
    }
    this.#scratch.columns.temporality.fill(temporality, first, this.#count);
    this.#scratch.columns.isMonotonic.fill(isMonotonic, first, this.#count);
  }

  #point(resource: number, kind: number): void {
    const reader = this.#reader;
    const i = this.#count++;
    this.#scratch.ensure(i, reader.pos);
    const { columns } = this.#scratch;
    const start = reader.pos;
    const { end } = reader;
    columns.timeSeconds[i] = 0;
    while (reader.pos < end) {
      const tag = reader.tag();
      if (tag === POINT_TIME) columns.timeSeconds[i] = unixSeconds(reader);
      else reader.skip(tag & 7);
    }
    columns.resource[i] = resource;
    columns.offset[i] = start;
    columns.length[i] = end - start;
    columns.kind[i] = kind;
  }
}

const EMPTY = new Uint8Array();
