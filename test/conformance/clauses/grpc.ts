/** OTLP/gRPC: what a server answers to requests that it can take. */
import { gzipSync } from 'node:zlib';
import { grpcMessage, partialSuccessOf, wantFull, wantTaken } from '../answers.ts';
import { type Clause, want } from '../clause.ts';
import type { GrpcCall } from '../clients/grpc.ts';
import { GRPC_PATHS, protobufOf, type Signal, SIGNALS } from '../wire/messages.ts';
import { NAMES, requestOf } from '../wire/telemetry.ts';

export function callOf(signal: Signal, message: Uint8Array = protobufOf(signal, requestOf(signal))): GrpcCall {
  return { path: GRPC_PATHS[signal], message };
}

export function gzipCallOf(signal: Signal, message?: Uint8Array): GrpcCall {
  const plain = callOf(signal, message);
  return {
    ...plain,
    message: gzipSync(plain.message, { level: 1 }),
    isCompressed: true,
    headers: { 'grpc-encoding': 'gzip' },
  };
}

/** Requests without any telemetry, as near to nothing as they come. */
function emptyRequests(signal: Signal): [name: string, request: object][] {
  const { resources, scopes, items } = NAMES[signal];
  return [
    ['no bytes', {}],
    ['a resource without scopes', { [resources]: [{ resource: {} }] }],
    ['a scope without items', { [resources]: [{ [scopes]: [{ scope: { name: 'conformance' }, [items]: [] }] }] }],
  ];
}

const CALLS_AT_ONCE = 64;
const CALLS_IN_A_ROW = 100;

export const grpcClauses: readonly Clause[] = [
  {
    id: 'grpc.export',
    level: 'MUST',
    section: 'OTLP/gRPC, Full Success',
    sentence: 'Each signal has its unary Export, which answers with its Export response.',
    over: ['grpc'],
    cases: SIGNALS.flatMap((signal) =>
      ['application/grpc', 'application/grpc+proto'].map((type) => ({
        name: `${signal}, ${type}`,
        async run({ grpc }) {
          const answer = await grpc.call({ ...callOf(signal), headers: { 'content-type': type } });
          wantTaken(answer);
          const { contentType } = answer;
          want(/^application\/grpc($|[+;])/.test(contentType), 'the content type application/grpc', contentType);
        },
      })),
    ),
  },
  {
    id: 'grpc.uncompressed',
    level: 'MUST',
    section: 'Protocol Details',
    sentence: 'Requests without compression are taken, whether their headers say so or nothing.',
    over: ['grpc'],
    cases: SIGNALS.map((signal) => ({
      name: `${signal}, grpc-encoding: identity`,
      async run({ grpc }) {
        wantTaken(await grpc.call({ ...callOf(signal), headers: { 'grpc-encoding': 'identity' } }));
      },
    })),
  },
  {
    id: 'grpc.gzip',
    level: 'MUST',
    section: 'Protocol Details',
    sentence: 'Requests that are compressed with gzip are taken.',
    over: ['grpc'],
    cases: SIGNALS.flatMap((signal) => [
      {
        name: signal,
        async run({ grpc }) {
          wantTaken(await grpc.call(gzipCallOf(signal)));
        },
      },
      {
        name: `${signal}, a message that is not compressed in a call that says gzip`,
        async run({ grpc }) {
          wantTaken(await grpc.call({ ...callOf(signal), headers: { 'grpc-encoding': 'gzip' } }));
        },
      },
    ]),
  },
  {
    id: 'grpc.full-success',
    level: 'MUST',
    section: 'OTLP/gRPC, Full Success',
    sentence: 'Where the whole request was taken, partial_success tells of no rejected items.',
    over: ['grpc'],
    cases: SIGNALS.map((signal) => ({
      name: signal,
      async run({ grpc }) {
        const answer = await grpc.call(callOf(signal));
        wantTaken(answer);
        wantFull(partialSuccessOf(grpcMessage(answer)));
      },
    })),
  },
  {
    id: 'grpc.full-success-unset',
    level: 'expected',
    section: 'OTLP/gRPC, Full Success',
    sentence: 'It is not there at all then, rather than there with nothing in it, which the schema calls the same.',
    over: ['grpc'],
    cases: SIGNALS.map((signal) => ({
      name: signal,
      async run({ grpc }) {
        const answer = await grpc.call(callOf(signal));
        wantTaken(answer);
        const partial = partialSuccessOf(grpcMessage(answer));
        const isRight = partial === undefined || partial.rejected > 0n || partial.message !== '';
        want(isRight, 'partial_success unset', 'partial_success with nothing in it');
      },
    })),
  },
  {
    id: 'grpc.empty-request',
    level: 'SHOULD',
    section: 'OTLP/gRPC, Full Success',
    sentence: 'A request without any telemetry is answered with success.',
    over: ['grpc'],
    cases: SIGNALS.flatMap((signal) =>
      emptyRequests(signal).map(([name, request]) => ({
        name: `${signal}, ${name}`,
        async run({ grpc }) {
          wantTaken(await grpc.call(callOf(signal, protobufOf(signal, request))));
        },
      })),
    ),
  },
  {
    id: 'grpc.every-request-answered',
    level: 'MUST',
    section: 'OTLP/gRPC',
    sentence: 'A client that sends one request after the other gets an answer to each.',
    over: ['grpc'],
    cases: [
      {
        name: `${CALLS_IN_A_ROW} requests of all signals on one connection`,
        async run({ openGrpc }) {
          const grpc = openGrpc();
          for (let i = 0; i < CALLS_IN_A_ROW; i++) wantTaken(await grpc.call(callOf(SIGNALS[i % 3] as Signal)));
        },
      },
    ],
  },
  {
    id: 'grpc.concurrent',
    level: 'SHOULD',
    section: 'OTLP/gRPC Concurrent Requests',
    sentence: 'Unary calls may be under way at the same time on one connection.',
    over: ['grpc'],
    cases: [
      {
        name: `${CALLS_AT_ONCE} calls at once`,
        async run({ openGrpc }) {
          const grpc = openGrpc();
          const calls = Array.from({ length: CALLS_AT_ONCE }, (_, i) => grpc.call(callOf(SIGNALS[i % 3] as Signal)));
          for (const answer of await Promise.all(calls)) wantTaken(answer);
        },
      },
      {
        name: 'a call is answered while an earlier one is still being sent',
        async run({ openGrpc }) {
          const grpc = openGrpc();
          const { promise: halfway, resolve: goOn } = Promise.withResolvers<void>();
          const slow = grpc.call({ ...callOf('traces'), halfway });
          slow.catch(() => {});
          wantTaken(await grpc.call(callOf('traces')));
          goOn();
          wantTaken(await slow);
        },
      },
    ],
  },
];
