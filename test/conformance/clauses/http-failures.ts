/** OTLP/HTTP: requests that a server cannot take. */
import {
  type Form,
  FORMS,
  httpCame,
  type PartialSuccess,
  responseOf,
  statusIn,
  statusInEither,
  wantOk,
} from '../answers.ts';
import { type Case, type Clause, NotOffered, want } from '../clause.ts';
import type { HttpAnswer, HttpRequest } from '../clients/http.ts';
import { HTTP_PATHS, SIGNALS } from '../wire/messages.ts';
import { largeRequest } from '../wire/telemetry.ts';
import { BAD_PROTOBUF, badGzip, badJson, HALF_RIGHT } from './bad-data.ts';
import { EACH, EACH_FORM, gzipped, postBytes, postOf } from './http.ts';

const RETRYABLE = [429, 502, 503, 504];
const BAD_REQUEST = 'google.rpc.BadRequest';

interface Bad {
  readonly name: string;
  readonly form: Form;
  readonly request: HttpRequest;
}

/** Bodies that cannot be decoded, in either form. */
const UNDECODABLE: readonly Bad[] = EACH.flatMap(({ signal, form }) =>
  (form === 'json' ? badJson(signal) : BAD_PROTOBUF).map(({ name, body }) => ({
    name: `${signal}, ${form}, ${name}`,
    form,
    request: postBytes(signal, form, body),
  })),
);

/** Bodies that cannot be inflated. */
const NOT_GZIP: readonly Bad[] = EACH_FORM.flatMap((form) => {
  const { body = Buffer.alloc(0), ...request } = postOf('traces', form);
  const headers = { ...request.headers, 'content-encoding': 'gzip' };
  return badGzip(body).map((bad) => ({
    name: `traces, ${form}, ${bad.name}`,
    form,
    request: { ...request, headers, body: bad.body },
  }));
});

function badCases(bad: readonly Bad[], check: (answer: HttpAnswer, form: Form) => void): Case[] {
  return bad.map(({ name, form, request }) => ({
    name,
    async run({ http }) {
      check(await http.send(request), form);
    },
  }));
}

/** The ways in which a body may be larger than the server takes, by its bytes. */
const TOO_LARGE: readonly { name: string; form: Form; request: (bytes: number) => HttpRequest }[] = EACH_FORM.flatMap(
  (form) => {
    const large = (bytes: number, letters?: 'random'): HttpRequest =>
      postOf('traces', form, largeRequest('traces', bytes, letters));
    return [
      { name: `${form}, as it is sent`, form, request: large },
      {
        name: `${form}, as it is sent, in chunks`,
        form,
        request: (bytes: number) => ({ ...large(bytes), isChunked: true }),
      },
      { name: `${form}, inflated`, form, request: (bytes: number) => gzipped(large(bytes)) },
      {
        name: `${form}, as it is sent, compressed`,
        form,
        request: (bytes: number) => gzipped(large(bytes * 1.5 + 4096, 'random')),
      },
    ];
  },
);

function tooLargeCases(check: (answer: HttpAnswer, form: Form) => void): Case[] {
  return TOO_LARGE.map(({ name, form, request }) => ({
    name,
    async run({ openHttp, tooLargeBytes }) {
      const http = openHttp();
      check(await http.send(request(tooLargeBytes)), form);
      wantOk(await http.send(postOf('traces', form)), form);
    },
  }));
}

/** Requests of which a server may take a part, and what it says of the rest where it does. */
function partialCases(check: (partial: PartialSuccess) => void): Case[] {
  const cases = EACH_FORM.flatMap((form) => HALF_RIGHT.map((half) => ({ form, ...half })));
  return cases.map(({ form, name, request }) => ({
    name: `${form}, a span that is right and ${name}`,
    async run({ http }) {
      const answer = await http.send(postOf('traces', form, request()));
      if (answer.status !== 200) throw new NotOffered(`it refuses the whole: ${httpCame(answer)}`);
      const partial = responseOf(answer, form);
      if (partial === undefined || partial.rejected === 0n) throw new NotOffered('it takes the whole');
      check(partial);
    },
  }));
}

const badDataClauses: readonly Clause[] = [
  {
    id: 'http.bad-data',
    level: 'MUST',
    section: 'OTLP/HTTP, Bad Data',
    sentence: 'What cannot be decoded is answered with 400.',
    over: ['http'],
    cases: badCases([...UNDECODABLE, ...NOT_GZIP], (answer) =>
      want(answer.status === 400, 'HTTP 400', () => httpCame(answer)),
    ),
  },
  {
    id: 'http.bad-data-status',
    level: 'MUST',
    section: 'OTLP/HTTP, Failures',
    sentence:
      'The body of that answer is a google.rpc.Status, in the encoding and with the content type of the request.',
    over: ['http'],
    cases: badCases([...UNDECODABLE, ...NOT_GZIP], (answer, form) => {
      want(answer.status >= 400, 'an error', () => httpCame(answer));
      statusIn(answer, form);
    }),
  },
  {
    id: 'http.bad-data-message',
    level: 'SHOULD',
    section: 'OTLP/HTTP, Failures',
    sentence: 'The Status has a message for developers.',
    over: ['http'],
    cases: badCases([...UNDECODABLE, ...NOT_GZIP], (answer, form) =>
      want(statusIn(answer, form).message !== '', 'a message', () => httpCame(answer)),
    ),
  },
  {
    id: 'http.bad-data-details',
    level: 'SHOULD',
    section: 'OTLP/HTTP, Bad Data',
    sentence: 'The details of the Status say as a BadRequest what is wrong.',
    over: ['http'],
    cases: badCases(UNDECODABLE, (answer, form) => {
      const types = statusIn(answer, form).details.map(({ type }) => type);
      want(types.includes(BAD_REQUEST), `a ${BAD_REQUEST} in the details`, () => httpCame(answer));
    }),
  },
  {
    id: 'http.partial-success',
    level: 'MUST',
    section: 'OTLP/HTTP, Partial Success',
    sentence: 'Where only a part is taken, the answer is 200 and says in partial_success how many were rejected.',
    over: ['http'],
    cases: partialCases(({ rejected }) => want(rejected === 1n, 'rejected_spans: 1', `rejected_spans: ${rejected}`)),
  },
  {
    id: 'http.partial-success-message',
    level: 'SHOULD',
    section: 'OTLP/HTTP, Partial Success',
    sentence: 'It also says why, in error_message.',
    over: ['http'],
    cases: partialCases(({ message }) => want(message !== '', 'an error_message', 'none')),
  },
];

const limitClauses: readonly Clause[] = [
  {
    id: 'http.size-limit',
    level: 'MUST',
    section: 'OTLP/HTTP Request',
    sentence: 'A body that is too large, as it is sent or inflated, is refused for good; the next request is served.',
    over: ['http'],
    cases: tooLargeCases(({ status }) =>
      want(status >= 400 && !RETRYABLE.includes(status), 'an error that is not retryable', `HTTP ${status}`),
    ),
  },
  {
    id: 'http.size-limit-code',
    level: 'SHOULD',
    section: 'OTLP/HTTP Request',
    sentence: 'The status for a body that is too large is 413.',
    over: ['http'],
    cases: tooLargeCases((answer) => want(answer.status === 413, 'HTTP 413', () => httpCame(answer))),
  },
  {
    id: 'http.size-limit-status',
    level: 'MUST',
    section: 'OTLP/HTTP, Failures',
    sentence:
      'The body of that answer is a google.rpc.Status, in the encoding and with the content type of the request.',
    over: ['http'],
    cases: tooLargeCases((answer, form) => {
      want(answer.status >= 400, 'an error', () => httpCame(answer));
      statusIn(answer, form);
    }),
  },
];

interface Wrong {
  readonly name: string;
  readonly request: HttpRequest;
}

const body = Buffer.from('{}');
const OTHER_METHODS: readonly Wrong[] = SIGNALS.flatMap((signal) => [
  { name: `GET ${HTTP_PATHS[signal]}`, request: { path: HTTP_PATHS[signal], method: 'GET' } },
  {
    name: `PUT ${HTTP_PATHS[signal]}`,
    request: { ...postBytes(signal, 'json', body), method: 'PUT' },
  },
]);

const OTHER_TYPES: readonly Wrong[] = SIGNALS.map((signal) => ({
  name: `text/plain to ${HTTP_PATHS[signal]}`,
  request: { path: HTTP_PATHS[signal], headers: { 'content-type': 'text/plain' }, body },
}));

const OTHER_PATHS: readonly Wrong[] = ['/', '/v1/nothing', '/v1/traces/more'].map((path) => ({
  name: `POST ${path}`,
  request: { path, headers: { 'content-type': FORMS.json }, body },
}));

const OTHER_ENCODINGS: readonly Wrong[] = EACH_FORM.map((form) => ({
  name: `${form}, Content-Encoding: lzma-of-tomorrow`,
  request: {
    ...postOf('traces', form),
    headers: { 'content-type': FORMS[form], 'content-encoding': 'lzma-of-tomorrow' },
  },
}));

function wrongCases(wrong: readonly Wrong[], check: (answer: HttpAnswer) => void): Case[] {
  return wrong.map(({ name, request }) => ({
    name,
    async run({ http }) {
      check(await http.send(request));
    },
  }));
}

const wantStatus = (status: number) => (answer: HttpAnswer) =>
  want(answer.status === status, `HTTP ${status}`, () => httpCame(answer));

const requestClauses: readonly Clause[] = [
  {
    id: 'http.method',
    level: 'expected',
    section: 'RFC 9110, 15.5.6',
    sentence: 'What is not POST is answered with 405 and an Allow that names POST.',
    over: ['http'],
    cases: wrongCases(OTHER_METHODS, (answer) => {
      wantStatus(405)(answer);
      const { allow = '' } = answer.headers;
      want(allow.includes('POST'), 'Allow: POST', allow === '' ? '405 without Allow' : `Allow: ${allow}`);
    }),
  },
  {
    id: 'http.content-type-unknown',
    level: 'expected',
    section: 'RFC 9110, 15.5.16',
    sentence: 'A content type that is not of OTLP is answered with 415.',
    over: ['http'],
    cases: wrongCases(OTHER_TYPES, wantStatus(415)),
  },
  {
    id: 'http.path-unknown',
    level: 'expected',
    section: 'RFC 9110, 15.5.5',
    sentence: 'A path that there is not is answered with 404.',
    over: ['http'],
    cases: wrongCases(OTHER_PATHS, wantStatus(404)),
  },
  {
    id: 'http.encoding-unknown',
    level: 'expected',
    section: 'RFC 9110, 8.4 and 15.5.16',
    sentence: 'A compression that the server does not know is answered with 415 or 400.',
    over: ['http'],
    cases: wrongCases(OTHER_ENCODINGS, (answer) =>
      want(answer.status === 415 || answer.status === 400, 'HTTP 415 or 400', () => httpCame(answer)),
    ),
  },
  {
    id: 'http.error-status',
    level: 'MUST',
    section: 'OTLP/HTTP, Failures',
    sentence: 'The body of every other 4xx or 5xx to an OTLP request is a google.rpc.Status too, in either encoding.',
    over: ['http'],
    cases: wrongCases([...OTHER_TYPES, ...OTHER_ENCODINGS], (answer) => {
      want(answer.status >= 400, 'an error', () => httpCame(answer));
      statusInEither(answer);
    }),
  },
  {
    id: 'http.error-status-elsewhere',
    level: 'expected',
    section: 'OTLP/HTTP, Failures',
    sentence: 'So is the body of a 404 or 405, to what is no request of OTLP.',
    over: ['http'],
    cases: wrongCases([...OTHER_PATHS, ...OTHER_METHODS], (answer) => {
      want(answer.status >= 400, 'an error', () => httpCame(answer));
      statusInEither(answer);
    }),
  },
];

export const httpFailureClauses: readonly Clause[] = [...badDataClauses, ...limitClauses, ...requestClauses];
