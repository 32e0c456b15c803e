/** OTLP/gRPC: requests that a server cannot take. */
import { gzipSync } from 'node:zlib';
import { grpcCame, grpcMessage, type PartialSuccess, partialSuccessOf, wantTaken } from '../answers.ts';
import { type Case, type Clause, NotOffered, want } from '../clause.ts';
import { CODES, type GrpcAnswer, type GrpcCall } from '../clients/grpc.ts';
import type { Endpoint } from '../endpoint.ts';
import { GRPC_PATHS, protobufOf, SIGNALS } from '../wire/messages.ts';
import { largeRequest, requestOf } from '../wire/telemetry.ts';
import { BAD_PROTOBUF, badGzip, HALF_RIGHT } from './bad-data.ts';
import { callOf, gzipCallOf } from './grpc.ts';

/** The codes on which a client sends the same again (OTLP/gRPC, Failures); without RetryInfo. */
const RETRYABLE = ['CANCELLED', 'DEADLINE_EXCEEDED', 'ABORTED', 'OUT_OF_RANGE', 'UNAVAILABLE', 'DATA_LOSS'];
const RETRY_INFO = 'google.rpc.RetryInfo';
const BAD_REQUEST = 'google.rpc.BadRequest';

function isRetryable({ code, details }: GrpcAnswer): boolean {
  const name = CODES[code] ?? 'UNKNOWN';
  const hasRetryInfo = details?.details.some(({ type }) => type === RETRY_INFO) ?? false;
  return RETRYABLE.includes(name) || (name === 'RESOURCE_EXHAUSTED' && hasRetryInfo);
}

/** One case for each message that cannot be decoded. */
function badCases(check: (answer: GrpcAnswer) => void): Case[] {
  const plain = SIGNALS.flatMap((signal) =>
    BAD_PROTOBUF.map(({ name, body }) => ({ name: `${signal}, ${name}`, call: callOf(signal, body) })),
  );
  const zipped = badGzip(protobufOf('traces', requestOf('traces'))).map(({ name, body }) => ({
    name: `traces, ${name}`,
    call: { ...gzipCallOf('traces'), message: body },
  }));
  return [...plain, ...zipped].map(({ name, call }) => ({
    name,
    async run({ grpc }) {
      check(await grpc.call(call));
    },
  }));
}

function undecodableCases(check: (answer: GrpcAnswer) => void): Case[] {
  return badCases(check).filter(({ name }) => !name.includes('gzip'));
}

/** The ways in which a message may be larger than the server takes. */
const TOO_LARGE: readonly { name: string; call: (bytes: number) => GrpcCall }[] = [
  { name: 'as it is sent', call: (bytes) => callOf('traces', protobufOf('traces', largeRequest('traces', bytes))) },
  {
    name: 'as it is sent, compressed',
    call: (bytes) => gzipCallOf('logs', protobufOf('logs', largeRequest('logs', bytes * 1.5 + 4096, 'random'))),
  },
];

function wantRefused(answer: GrpcAnswer): void {
  want(answer.code > 0, 'an error', () => grpcCame(answer));
  want(!isRetryable(answer), 'an error after which the client does not send it again', () => grpcCame(answer));
}

function wantExhausted(answer: GrpcAnswer): void {
  want(CODES[answer.code] === 'RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED without RetryInfo', () => grpcCame(answer));
  want(!isRetryable(answer), 'RESOURCE_EXHAUSTED without RetryInfo', () => `${grpcCame(answer)}, with RetryInfo`);
}

/** A bomb: as large as it is, little of it needs to be sent. */
async function sendInflating({ openGrpc, tooLargeBytes }: Endpoint): Promise<GrpcAnswer> {
  const message = gzipSync(protobufOf('traces', largeRequest('traces', tooLargeBytes)));
  return openGrpc().call({ ...gzipCallOf('traces'), message });
}

function tooLargeCases(check: (answer: GrpcAnswer) => void): Case[] {
  return TOO_LARGE.map(({ name, call }) => ({
    name,
    async run({ openGrpc, tooLargeBytes }) {
      const grpc = openGrpc();
      check(await grpc.call(call(tooLargeBytes)));
      wantTaken(await grpc.call(callOf('traces')));
    },
  }));
}

const limitClauses: readonly Clause[] = [
  {
    id: 'grpc.size-limit',
    level: 'MUST',
    section: 'OTLP/gRPC Request',
    sentence: 'A message that is too large is refused for good, and the connection serves on.',
    over: ['grpc'],
    cases: tooLargeCases(wantRefused),
  },
  {
    id: 'grpc.size-limit-code',
    level: 'expected',
    section: 'OTLP/gRPC Request',
    sentence: 'The code is RESOURCE_EXHAUSTED, and there is no RetryInfo, which would make it retryable.',
    over: ['grpc'],
    cases: tooLargeCases(wantExhausted),
  },
  {
    id: 'grpc.size-limit-inflated',
    level: 'expected',
    section: 'OTLP/gRPC Request',
    sentence: 'The limit holds for what a message is inflated to as well.',
    over: ['grpc'],
    cases: [
      {
        name: 'gzip of a text of one letter',
        async run(endpoint) {
          wantExhausted(await sendInflating(endpoint));
        },
      },
    ],
  },
];

/** Requests of which a server may take a part, and what it says of the rest where it does. */
function partialCases(check: (partial: PartialSuccess) => void): Case[] {
  return HALF_RIGHT.map(({ name, request }) => ({
    name: `a span that is right and ${name}`,
    async run({ grpc }) {
      const answer = await grpc.call(callOf('traces', protobufOf('traces', request())));
      if (answer.code !== 0) throw new NotOffered(`it refuses the whole: ${grpcCame(answer)}`);
      const partial = partialSuccessOf(grpcMessage(answer));
      if (partial === undefined || partial.rejected === 0n) throw new NotOffered('it takes the whole');
      check(partial);
    },
  }));
}

const badDataClauses: readonly Clause[] = [
  {
    id: 'grpc.bad-data',
    level: 'MUST',
    section: 'OTLP/gRPC Response, Failures',
    sentence: 'What cannot be decoded is answered with an error.',
    over: ['grpc'],
    cases: badCases((answer) => want(answer.code > 0, 'an error', () => grpcCame(answer))),
  },
  {
    id: 'grpc.bad-data-not-retryable',
    level: 'SHOULD',
    section: 'OTLP/gRPC, Failures',
    sentence: 'The error is none after which clients send the same again.',
    over: ['grpc'],
    cases: badCases((answer) => want(!isRetryable(answer), 'a code that is not retryable', () => grpcCame(answer))),
  },
  {
    id: 'grpc.bad-data-code',
    level: 'SHOULD',
    section: 'OTLP/gRPC, Failures',
    sentence: 'The code for protobuf that cannot be decoded is INVALID_ARGUMENT, which is what is recommended.',
    over: ['grpc'],
    cases: undecodableCases((answer) =>
      want(CODES[answer.code] === 'INVALID_ARGUMENT', 'INVALID_ARGUMENT', () => grpcCame(answer)),
    ),
  },
  {
    id: 'grpc.bad-data-details',
    level: 'expected',
    section: 'OTLP/gRPC, Failures',
    sentence: 'The details say as a BadRequest what is wrong, which is allowed and not asked for.',
    over: ['grpc'],
    cases: undecodableCases((answer) => {
      const types = answer.details?.details.map(({ type }) => type) ?? [];
      want(types.includes(BAD_REQUEST), `a ${BAD_REQUEST} in grpc-status-details-bin`, () => grpcCame(answer));
    }),
  },
  {
    id: 'grpc.partial-success',
    level: 'MUST',
    section: 'OTLP/gRPC, Partial Success',
    sentence: 'Where only a part is taken, the answer is OK and says in partial_success how many were rejected.',
    over: ['grpc'],
    cases: partialCases(({ rejected }) => want(rejected === 1n, 'rejected_spans: 1', `rejected_spans: ${rejected}`)),
  },
  {
    id: 'grpc.partial-success-message',
    level: 'SHOULD',
    section: 'OTLP/gRPC, Partial Success',
    sentence: 'It also says why, in error_message.',
    over: ['grpc'],
    cases: partialCases(({ message }) => want(message !== '', 'an error_message', 'none')),
  },
];

const callClauses: readonly Clause[] = [
  {
    id: 'grpc.unknown-method',
    level: 'expected',
    section: 'gRPC, Status codes',
    sentence: 'A method that there is not is answered with UNIMPLEMENTED.',
    over: ['grpc'],
    cases: ['/opentelemetry.proto.collector.trace.v1.TraceService/Import', '/no.such.Service/Export'].map((path) => ({
      name: path,
      async run({ grpc }) {
        const answer = await grpc.call({ ...callOf('traces'), path });
        want(CODES[answer.code] === 'UNIMPLEMENTED', 'UNIMPLEMENTED', () => grpcCame(answer));
      },
    })),
  },
  {
    id: 'grpc.unknown-compression',
    level: 'expected',
    section: 'gRPC, Compression',
    sentence: 'A compression that the server does not know is answered with UNIMPLEMENTED and those that it knows.',
    over: ['grpc'],
    cases: [
      {
        name: 'grpc-encoding: lzma-of-tomorrow',
        async run({ grpc }) {
          const headers = { 'grpc-encoding': 'lzma-of-tomorrow' };
          const answer = await grpc.call({ ...callOf('traces'), isCompressed: true, headers });
          want(CODES[answer.code] === 'UNIMPLEMENTED', 'UNIMPLEMENTED', () => grpcCame(answer));
          const accepted = answer.headers['grpc-accept-encoding'] ?? '';
          want(accepted.includes('gzip'), 'grpc-accept-encoding with gzip', `grpc-accept-encoding: ${accepted}`);
        },
      },
    ],
  },
  {
    id: 'grpc.serves-on',
    level: 'expected',
    section: 'gRPC over HTTP2',
    sentence: 'A call that is refused harms no other one on its connection.',
    over: ['grpc'],
    cases: SIGNALS.map((signal) => ({
      name: signal,
      async run({ openGrpc }) {
        const grpc = openGrpc();
        const bad = { path: GRPC_PATHS[signal], message: Buffer.from('this is not protobuf') };
        for (let i = 0; i < 10; i++) want((await grpc.call(bad)).code > 0, 'an error', 'OK');
        wantTaken(await grpc.call(callOf(signal)));
      },
    })),
  },
];

export const grpcFailureClauses: readonly Clause[] = [...limitClauses, ...badDataClauses, ...callClauses];
