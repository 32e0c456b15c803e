/** Spans of some 490 bytes as HTTP services send them: requests, the calls they make, and what lies between. */
import type { Writer } from '../../proto/wire/writer.ts';
import { attribute, endNs, fixed64, Ids, MARK, message, type Part, requestOf, routeOf, type Shape } from './shape.ts';

const INTERNAL = 1;
const SERVER = 2;
const CLIENT = 3;
/** A child ends before its parent and is sent before it: two requests, one with a call, one with a call two levels down. */
const KINDS = [CLIENT, SERVER, CLIENT, INTERNAL, SERVER] as const;
/** The item whose span is the parent of this one, as a distance. */
const PARENT_AHEAD = [1, 0, 1, 1, 0] as const;
/** Of server spans, one in so many has failed. */
const ERROR_EVERY = 199;
const BYTES_PER_SPAN = 520;

type Attribute = readonly [key: string, value: string | number];

/** An ExportTraceServiceRequest. Its last span has `MARK` as its id. */
export function tracesRequest(shape: Shape, parts: readonly Part[], nowMs: number): Uint8Array {
  const ids = new Ids();
  const last = parts.reduce((end, { first, items }) => Math.max(end, first + items - 1), 0);
  const perSpan = BYTES_PER_SPAN + 40 * Math.max(0, (shape.attributes ?? 0) - 10);
  return requestOf(parts, perSpan, (writer, part) => {
    let trace = Buffer.from(ids.next(16));
    let next: Buffer[] = [];
    for (let i = 0; i < part.items; i++) {
      const at = i % KINDS.length;
      if (at === 0) next = KINDS.map((_, ahead) => (part.first + i + ahead === last ? MARK : Buffer.from(ids.next(8))));
      if (at === 0 || at === 2) trace = Buffer.from(ids.next(16));
      const number = part.first + i;
      const id = next[at] as Buffer;
      const ahead = PARENT_AHEAD[at] as number;
      const parent = ahead === 0 ? ids.next(8) : (next[at + ahead] as Buffer);
      message(writer, 2, () =>
        span(writer, shape, {
          number,
          kind: KINDS[at] as number,
          trace,
          id,
          parent,
          nowMs,
          errorEvery: part.errorEvery ?? ERROR_EVERY,
        }),
      );
    }
  });
}

interface SpanOf {
  readonly number: number;
  readonly kind: number;
  readonly trace: Uint8Array;
  readonly id: Uint8Array;
  readonly parent: Uint8Array;
  readonly nowMs: number;
  readonly errorEvery: number;
}

/** Span: 1 trace_id  2 span_id  4 parent_span_id  5 name  6 kind  7 start  8 end  9 attributes  15 status */
function span(writer: Writer, { attributes, operations }: Shape, of: SpanOf): void {
  const { number, kind, nowMs } = of;
  const route = routeOf(Math.floor(number / KINDS.length) % operations);
  const isError = kind === SERVER && number % of.errorEvery === 0;
  const end = endNs(nowMs, number);
  writer.bytesField(1, of.trace);
  writer.bytesField(2, of.id);
  writer.bytesField(4, of.parent);
  writer.stringField(5, kind === SERVER ? `GET ${route}` : kind === CLIENT ? 'GET' : 'stock.Reservation.hold');
  writer.varintField(6, kind);
  fixed64(writer, 7, end - BigInt(1_000_000 + (number % 97) * 350_000));
  fixed64(writer, 8, end);
  const all = attributesOf(kind, number, route, isError ? 500 : 200);
  for (const [key, value] of attributes === undefined ? all : exactly(attributes, all)) {
    attribute(writer, 9, key, value);
  }
  if (isError) message(writer, 15, () => writer.varintField(3, 2));
}

/** Those that judging reads stand last. */
function attributesOf(kind: number, number: number, route: string, status: number): Attribute[] {
  if (kind === INTERNAL) {
    return [
      ['code.function.name', 'shop.stock.Reservation.hold'],
      ['code.file.path', '/srv/shop/dist/stock/reservation.js'],
      ['thread.name', 'http-nio-8080-exec-17'],
      ['shop.warehouse.id', 'eu-central-1/berlin-tegel-3'],
      ['shop.tenant.name', 'example-books-and-more'],
      ['shop.cart.id', `c-0b7f4b1e-4a55-4b0e-9d0f-${(number % 4096).toString(16).padStart(12, '0')}`],
      ['shop.items.count', 3],
      ['shop.reservation.strategy', 'oldest-batch-first'],
    ];
  }
  const shared: Attribute[] = [
    ['url.scheme', 'https'],
    ['server.address', kind === SERVER ? 'shop.example.com' : 'stock.shop.svc.cluster.local'],
    ['server.port', 443],
    ['user_agent.original', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36'],
    ['network.protocol.version', '1.1'],
    ['thread.id', 17],
  ];
  const last: Attribute[] = [
    ['http.request.method', 'GET'],
    ['http.response.status_code', status],
  ];
  if (kind === CLIENT) {
    return [
      ...shared,
      ['network.peer.address', '10.42.17.5'],
      ['url.full', `https://stock.shop.svc.cluster.local/v2/items/${number % 4096}?fields=price,stock`],
      ...last,
    ];
  }
  return [
    ...shared,
    ['client.address', '203.0.113.77'],
    ['network.peer.address', '10.42.17.5'],
    ['url.path', `/api/v1/products/${number % 4096}`],
    ['http.route', route],
    ...last,
  ];
}

/** The last `count`, or as many more as are wanted. */
function exactly(count: number, all: readonly Attribute[]): Attribute[] {
  const more = Math.max(0, count - all.length);
  const added = Array.from({ length: more }, (_, i): Attribute => [`app.request.label.${i}`, `value-of-label-${i}`]);
  return [...added, ...all.slice(Math.max(0, all.length - count))];
}
