/** What a request holds: the same clauses over gRPC and over HTTP as protobuf. */
import { wantOk, wantTaken } from '../answers.ts';
import { wantArrived } from '../arrival.ts';
import type { Case, Clause } from '../clause.ts';
import type { Endpoint } from '../endpoint.ts';
import { withInside } from '../wire/bytes.ts';
import { protobufOf, type Signal, SIGNALS } from '../wire/messages.ts';
import { ANY_VALUES, EVERYTHING, NEW_FIELDS } from '../wire/samples.ts';
import { type Parts, requestOf } from '../wire/telemetry.ts';
import { UNKNOWN_FIELDS } from './bad-data.ts';
import { callOf } from './grpc.ts';
import { postBytes } from './http.ts';

type Transport = 'grpc' | 'http';

async function wantUnderstood(
  over: Transport,
  { grpc, http, sink }: Endpoint,
  signal: Signal,
  message: Buffer,
  meant = message,
): Promise<void> {
  if (over === 'grpc') wantTaken(await grpc.call(callOf(signal, message)));
  else wantOk(await http.send(postBytes(signal, 'protobuf', message)), 'protobuf');
  await wantArrived(sink, signal, meant);
}

function partsCase(over: Transport, name: string, signal: Signal, parts: Parts): Case {
  return {
    name,
    run: (endpoint) => wantUnderstood(over, endpoint, signal, protobufOf(signal, requestOf(signal, parts))),
  };
}

const AROUND: readonly (readonly [name: string, path: readonly number[]])[] = [
  ['the request', []],
  ['the resource and its scopes', [1]],
  ['the resource', [1, 1]],
  ['an attribute', [1, 1, 1]],
  ['a value', [1, 1, 1, 2]],
  ['the scope and its items', [1, 2]],
  ['the scope', [1, 2, 1]],
  ['the item', [1, 2, 2]],
];

/** Where a later version may add fields, as paths of field numbers. */
const LEVELS: Readonly<Record<Signal, typeof AROUND>> = {
  traces: AROUND,
  logs: [...AROUND, ['the body', [1, 2, 2, 5]]],
  metrics: [...AROUND, ['the gauge', [1, 2, 2, 5]], ['the data point', [1, 2, 2, 5, 1]]],
};

function unknownFieldCase(over: Transport, signal: Signal, level: string, path: readonly number[]): Case {
  return {
    name: `${signal}, in ${level}`,
    async run(endpoint) {
      for (const [, field] of UNKNOWN_FIELDS) {
        const meant = protobufOf(signal, requestOf(signal));
        await wantUnderstood(over, endpoint, signal, withInside(meant, path, field), meant);
      }
    },
  };
}

export function dataClauses(over: Transport): readonly Clause[] {
  const title = over === 'grpc' ? 'OTLP/gRPC' : 'OTLP/HTTP, Binary Protobuf Encoding';
  return [
    {
      id: `${over}.all-fields`,
      level: 'MUST',
      section: title,
      sentence: 'Every field of the schema is taken, with every kind of metric.',
      over: [over],
      cases: SIGNALS.map((signal) => partsCase(over, signal, signal, EVERYTHING[signal])),
    },
    {
      id: `${over}.new-fields`,
      level: 'MUST',
      section: 'Future Versions and Interoperability',
      sentence: 'What later versions added to the schema is taken.',
      over: [over],
      cases: NEW_FIELDS.map(([name, signal, parts]) => partsCase(over, `${signal}, ${name}`, signal, parts)),
    },
    {
      id: `${over}.unknown-fields`,
      level: 'MUST',
      section: 'Future Versions and Interoperability',
      sentence: 'Fields that the schema does not have, of whatever wire type, change nothing.',
      over: [over],
      cases: SIGNALS.flatMap((signal) =>
        LEVELS[signal].map(([level, path]) => unknownFieldCase(over, signal, level, path)),
      ),
    },
    {
      id: `${over}.any-value`,
      level: 'MUST',
      section: 'common.proto, since 1.9',
      sentence: 'An attribute may have a value of any kind.',
      over: [over],
      cases: SIGNALS.flatMap((signal) =>
        ANY_VALUES.map(([name, value]) =>
          partsCase(over, `${signal}, ${name}`, signal, { item: { attributes: [{ key: 'any', value }] } }),
        ),
      ),
    },
  ];
}
