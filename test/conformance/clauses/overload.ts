/** What a server says that has more to do than it can hold. */
import { type Form, grpcCame, httpCame, statusIn, wantOk, wantTaken } from '../answers.ts';
import { type Clause, Mismatch, NotOffered, want } from '../clause.ts';
import { CODES, type GrpcAnswer } from '../clients/grpc.ts';
import type { HttpAnswer } from '../clients/http.ts';
import type { Endpoint } from '../endpoint.ts';
import { fieldsOf } from '../wire/bytes.ts';
import { protobufOf } from '../wire/messages.ts';
import { largeRequest } from '../wire/telemetry.ts';
import { callOf } from './grpc.ts';
import { EACH_FORM, postOf } from './http.ts';

const RETRY_INFO = 'google.rpc.RetryInfo';
/** How often a server is asked whether it refuses by now, or serves again, and how long after each time. */
const [ASKED, PAUSE_MS] = [50, 100];
/** How many requests a server is sent whose own back end is stuck, and how long it may take with each. */
const [STALLED_REQUESTS_MAX, ANSWER_MS_MAX] = [200, 5000];
const HELD_BACK_BYTES = 1024;

const sleep = (ms: number): Promise<undefined> => new Promise((resolve) => setTimeout(resolve, ms, undefined));

/** How many requests, each half as large as the server takes, are more than it holds. */
function countOf({ overloadBytes, tooLargeBytes }: Endpoint): { count: number; bytes: number } {
  if (overloadBytes === undefined) throw new NotOffered('no --overload was given');
  const bytes = tooLargeBytes >> 1;
  return { bytes, count: Math.ceil(overloadBytes / bytes) };
}

/**
 * The first answer to requests that do not end, or to small ones in between, that is a refusal. What is sent needs its time
 * to arrive; so the server is asked for some seconds.
 */
async function refusal<Answer>(
  unfinished: readonly Promise<Answer>[],
  one: () => Promise<Answer>,
  isTaken: (answer: Answer) => boolean,
): Promise<Answer> {
  const early = Promise.any(unfinished);
  early.catch(() => {});
  for (let i = 0; i < ASKED; i++) {
    const answer = (await Promise.race([early, sleep(PAUSE_MS)])) ?? (await one());
    if (!isTaken(answer)) return answer;
  }
  throw new NotOffered('it holds as much, and takes more');
}

async function overloadHttp(endpoint: Endpoint, form: Form): Promise<HttpAnswer> {
  const { bytes, count } = countOf(endpoint);
  const request = { ...postOf('traces', form, largeRequest('traces', bytes)), holdsBackBytes: HELD_BACK_BYTES };
  const clients = Array.from({ length: count }, () => endpoint.openHttp());
  try {
    return await refusal(
      clients.map((client) => client.send(request)),
      () => endpoint.http.send(postOf('traces', form)),
      ({ status }) => status === 200,
    );
  } finally {
    for (const client of clients) client.close();
  }
}

async function overloadGrpc(endpoint: Endpoint): Promise<GrpcAnswer> {
  const { bytes, count } = countOf(endpoint);
  const call = {
    ...callOf('traces', protobufOf('traces', largeRequest('traces', bytes))),
    halfway: new Promise<void>(() => {}),
  };
  const clients = Array.from({ length: count * 2 }, () => endpoint.openGrpc());
  try {
    return await refusal(
      clients.map((client) => client.call(call)),
      () => endpoint.grpc.call(callOf('traces')),
      ({ code }) => code === 0,
    );
  } finally {
    for (const client of clients) client.close();
  }
}

/** The first answer that is not as usual, while the server where it all goes does not answer. */
async function stalled<Answer>(
  { sink }: Endpoint,
  send: () => Promise<Answer>,
  isTaken: (answer: Answer) => boolean,
): Promise<Answer> {
  if (sink === undefined) throw new NotOffered('no --sink was given');
  sink.hold();
  try {
    for (let i = 0; i < STALLED_REQUESTS_MAX; i++) {
      const answer = await Promise.race([send(), sleep(ANSWER_MS_MAX)]);
      if (answer === undefined) throw new NotOffered('it answers when the server behind it does');
      if (!isTaken(answer)) return answer;
    }
    throw new NotOffered(`it takes ${STALLED_REQUESTS_MAX} requests and more for a server behind it that is stuck`);
  } finally {
    sink.release();
  }
}

/** That it takes requests again, once the others are gone. */
async function wantServing(check: () => Promise<void>): Promise<void> {
  for (let i = 0; ; i++) {
    try {
      return await check();
    } catch (error) {
      if (i === ASKED || !(error instanceof Mismatch)) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

async function wantUnavailable(endpoint: Endpoint, answer: GrpcAnswer): Promise<void> {
  const info = answer.details?.details.find(({ type }) => type === RETRY_INFO)?.value;
  const isRetryable = CODES[answer.code] === 'RESOURCE_EXHAUSTED' && info !== undefined;
  want(CODES[answer.code] === 'UNAVAILABLE' || isRetryable, 'UNAVAILABLE', () => grpcCame(answer));
  const isDelay = info === undefined || fieldsOf(info as Buffer).some(({ number }) => number === 1);
  want(isDelay, 'a RetryInfo with its retry_delay', 'one without');
  await wantServing(async () => wantTaken(await endpoint.grpc.call(callOf('traces'))));
}

async function wantLater(endpoint: Endpoint, answer: HttpAnswer, form: Form): Promise<void> {
  want(answer.status === 429 || answer.status === 503, 'HTTP 429 or 503', () => httpCame(answer));
  const after = answer.headers['retry-after'] ?? '1';
  want(/^\d+$/.test(after), 'Retry-After in seconds', `Retry-After: ${after}`);
  statusIn(answer, form);
  await wantServing(async () => wantOk(await endpoint.http.send(postOf('traces', form)), form));
}

export const overloadClauses: readonly Clause[] = [
  {
    id: 'grpc.overload',
    level: 'SHOULD',
    section: 'OTLP/gRPC Throttling',
    sentence:
      'An overloaded server says UNAVAILABLE, with a RetryInfo that is one if it has any; then it serves again.',
    over: ['grpc'],
    cases: [
      {
        name: 'many large calls that do not end',
        async run(endpoint) {
          await wantUnavailable(endpoint, await overloadGrpc(endpoint));
        },
      },
      {
        name: 'the server behind it is stuck',
        async run(endpoint) {
          const send = () => endpoint.grpc.call(callOf('traces'));
          await wantUnavailable(endpoint, await stalled(endpoint, send, ({ code }) => code === 0));
        },
      },
    ],
  },
  {
    id: 'http.overload',
    level: 'SHOULD',
    section: 'OTLP/HTTP Throttling',
    sentence:
      'An overloaded server says 429 or 503, as a Status, with a Retry-After in seconds if any; then it serves again.',
    over: ['http'],
    cases: EACH_FORM.flatMap((form) => [
      {
        name: `${form}, many large requests that do not end`,
        async run(endpoint: Endpoint) {
          await wantLater(endpoint, await overloadHttp(endpoint, form), form);
        },
      },
      {
        name: `${form}, the server behind it is stuck`,
        async run(endpoint: Endpoint) {
          const send = () => endpoint.http.send(postOf('traces', form));
          await wantLater(endpoint, await stalled(endpoint, send, ({ status }) => status === 200), form);
        },
      },
    ]),
  },
];
