/** Log records as services write them: a line of text, a few attributes, and the span it was written in. */
import type { Writer } from '../../proto/wire/writer.ts';
import { attribute, endNs, fixed64, Ids, MARK, message, type Part, requestOf, routeOf, type Shape } from './shape.ts';

const INFO = 9;
const ERROR = 17;
const BYTES_PER_RECORD = 520;

/** An ExportLogsServiceRequest. Its last record has `MARK` as its span id. */
export function logsRequest({ operations }: Shape, parts: readonly Part[], nowMs: number): Uint8Array {
  const ids = new Ids();
  const last = parts.reduce((end, { first, items }) => Math.max(end, first + items - 1), 0);
  return requestOf(parts, BYTES_PER_RECORD, (writer, part) => {
    for (let i = 0; i < part.items; i++) {
      const number = part.first + i;
      const id = number === last ? MARK : ids.next(8);
      message(writer, 2, () => record(writer, number, number % operations, id, nowMs, ids));
    }
  });
}

/** LogRecord: 1 time  2 severity_number  3 severity_text  5 body  6 attributes  9 trace_id  10 span_id  11 observed */
function record(writer: Writer, number: number, operation: number, id: Uint8Array, nowMs: number, ids: Ids): void {
  const isError = number % 199 === 0;
  const end = endNs(nowMs, number);
  fixed64(writer, 1, end);
  fixed64(writer, 11, end + 400_000n);
  writer.varintField(2, isError ? ERROR : INFO);
  writer.stringField(3, isError ? 'ERROR' : 'INFO');
  const outcome = isError ? 'failed: stock answered 503 after 3 attempts' : 'answered 200';
  message(writer, 5, () => writer.stringField(1, `GET ${routeOf(operation)} ${outcome} in ${number % 97} ms`));
  attribute(writer, 6, 'logger.name', 'shop.api.access');
  attribute(writer, 6, 'thread.name', 'http-nio-8080-exec-17');
  attribute(writer, 6, 'http.route', routeOf(operation));
  attribute(writer, 6, 'http.response.status_code', isError ? 500 : 200);
  attribute(writer, 6, 'client.address', '203.0.113.77');
  attribute(writer, 6, 'code.function.name', 'shop.api.Handler.serve');
  attribute(writer, 6, 'shop.tenant.name', 'example-books-and-more');
  writer.bytesField(9, ids.next(16));
  writer.bytesField(10, id);
}
