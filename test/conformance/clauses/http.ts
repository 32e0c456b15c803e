/** OTLP/HTTP: what a server answers to requests that it can take. */
import { gzipSync } from 'node:zlib';
import { type Form, FORMS, httpCame, mediaType, responseOf, wantFull, wantOk } from '../answers.ts';
import { type Clause, want } from '../clause.ts';
import type { HttpAnswer, HttpRequest } from '../clients/http.ts';
import type { Endpoint } from '../endpoint.ts';
import { HTTP_PATHS, protobufOf, type Signal, SIGNALS } from '../wire/messages.ts';
import { type Json, NAMES, requestOf } from '../wire/telemetry.ts';

export const EACH_FORM = ['protobuf', 'json'] as const satisfies readonly Form[];

/** Every signal in either form. */
export const EACH = SIGNALS.flatMap((signal) => EACH_FORM.map((form) => ({ signal, form })));

export function postOf(signal: Signal, form: Form, request: Json = requestOf(signal)): HttpRequest {
  return postBytes(signal, form, form === 'json' ? Buffer.from(JSON.stringify(request)) : protobufOf(signal, request));
}

export function postBytes(signal: Signal, form: Form, body: Uint8Array): HttpRequest {
  return { path: HTTP_PATHS[signal], headers: { 'content-type': FORMS[form] }, body };
}

export function gzipped(request: HttpRequest): HttpRequest {
  const headers = { ...request.headers, 'content-encoding': 'gzip' };
  return { ...request, headers, body: gzipSync(request.body ?? '', { level: 1 }) };
}

function emptyRequests(signal: Signal): [name: string, request: Json][] {
  const { resources, scopes, items } = NAMES[signal];
  return [
    ['nothing', {}],
    ['an empty list', { [resources]: [] }],
    ['a resource without scopes', { [resources]: [{ resource: {} }] }],
    ['a scope without items', { [resources]: [{ [scopes]: [{ scope: { name: 'conformance' }, [items]: [] }] }] }],
  ];
}

function wantEncoding({ headers }: HttpAnswer, right: RegExp): void {
  const encoding = headers['content-encoding'] ?? 'identity';
  want(right.test(encoding), 'an answer that the client can read', `Content-Encoding: ${encoding}`);
}

const REQUESTS_AT_ONCE = 32;

export const httpClauses: readonly Clause[] = [
  {
    id: 'http.export',
    level: 'MUST',
    section: 'OTLP/HTTP Request, OTLP/HTTP Response',
    sentence: 'POST to /v1/traces, /v1/metrics and /v1/logs is answered with 200 and the Export response.',
    over: ['http'],
    cases: EACH.map(({ signal, form }) => ({
      name: `${signal}, ${form}`,
      async run({ http }) {
        wantOk(await http.send(postOf(signal, form)), form);
      },
    })),
  },
  {
    id: 'http.content-type',
    level: 'MUST',
    section: 'OTLP/HTTP Response',
    sentence: 'The answer has the content type of the request.',
    over: ['http'],
    cases: EACH.map(({ signal, form }) => ({
      name: `${signal}, ${form}`,
      async run({ http }) {
        const answer = await http.send(postOf(signal, form));
        want(mediaType(answer) === FORMS[form], FORMS[form], () => httpCame(answer));
      },
    })),
  },
  {
    id: 'http.uncompressed',
    level: 'MUST',
    section: 'Protocol Details',
    sentence: 'Requests without compression are taken.',
    over: ['http'],
    cases: EACH.map(({ signal, form }) => ({
      name: `${signal}, ${form}`,
      async run({ http }) {
        wantOk(await http.send(postOf(signal, form)), form);
      },
    })),
  },
  {
    id: 'http.gzip',
    level: 'MUST',
    section: 'Protocol Details',
    sentence: 'Requests that are compressed with gzip are taken.',
    over: ['http'],
    cases: EACH.map(({ signal, form }) => ({
      name: `${signal}, ${form}`,
      async run({ http }) {
        wantOk(await http.send(gzipped(postOf(signal, form))), form);
      },
    })),
  },
  {
    id: 'http.accept-encoding',
    level: 'expected',
    section: 'OTLP/HTTP Response',
    sentence: 'An answer is compressed with gzip where the client says that it takes that, or not at all.',
    over: ['http'],
    cases: EACH_FORM.flatMap((form) => [
      {
        name: `${form}, Accept-Encoding: gzip`,
        async run({ http }: Endpoint) {
          const { headers, ...request } = postOf('traces', form);
          const answer = await http.send({ ...request, headers: { ...headers, 'accept-encoding': 'gzip' } });
          wantOk(answer, form);
          wantEncoding(answer, /^(?:gzip|identity)$/);
        },
      },
      {
        name: `${form}, without Accept-Encoding`,
        async run({ http }: Endpoint) {
          const answer = await http.send(postOf('traces', form));
          wantOk(answer, form);
          wantEncoding(answer, /^identity$/);
        },
      },
    ]),
  },
  {
    id: 'http.full-success',
    level: 'MUST',
    section: 'OTLP/HTTP, Full Success',
    sentence: 'Where the whole request was taken, partial_success tells of no rejected items.',
    over: ['http'],
    cases: EACH.map(({ signal, form }) => ({
      name: `${signal}, ${form}`,
      async run({ http }) {
        const answer = await http.send(postOf(signal, form));
        want(answer.status === 200, 'HTTP 200', () => httpCame(answer));
        wantFull(responseOf(answer, form));
      },
    })),
  },
  {
    id: 'http.full-success-unset',
    level: 'expected',
    section: 'OTLP/HTTP, Full Success',
    sentence: 'It is not there at all then, rather than there with nothing in it, which the schema calls the same.',
    over: ['http'],
    cases: EACH.map(({ signal, form }) => ({
      name: `${signal}, ${form}`,
      async run({ http }) {
        const answer = await http.send(postOf(signal, form));
        want(answer.status === 200, 'HTTP 200', () => httpCame(answer));
        const partial = responseOf(answer, form);
        const isRight = partial === undefined || partial.rejected > 0n || partial.message !== '';
        want(isRight, 'partial_success unset', () => httpCame(answer));
      },
    })),
  },
  {
    id: 'http.empty-request',
    level: 'SHOULD',
    section: 'OTLP/HTTP, Full Success',
    sentence: 'A request without any telemetry is answered with success.',
    over: ['http'],
    cases: EACH.flatMap(({ signal, form }) =>
      emptyRequests(signal).map(([name, request]) => ({
        name: `${signal}, ${form}, ${name}`,
        async run({ http }) {
          wantOk(await http.send(postOf(signal, form, request)), form);
        },
      })),
    ),
  },
  {
    id: 'http.one-port',
    level: 'SHOULD',
    section: 'OTLP/HTTP Connection',
    sentence: 'Protobuf and JSON are taken on one port, told apart by their content type.',
    over: ['http'],
    cases: [
      {
        name: 'both forms of all signals in turn on one connection',
        async run({ openHttp }) {
          const http = openHttp();
          for (const { signal, form } of EACH) wantOk(await http.send(postOf(signal, form)), form);
        },
      },
    ],
  },
  {
    id: 'http.keep-alive',
    level: 'expected',
    section: 'OTLP/HTTP Connection',
    sentence: 'The connection stays open from one request to the next, also after data that was bad.',
    over: ['http'],
    cases: [
      {
        name: 'requests that are taken',
        async run({ openHttp }) {
          const http = openHttp();
          const ports = new Set<number | undefined>();
          for (const { signal, form } of EACH) ports.add((await http.send(postOf(signal, form))).port);
          want(ports.size === 1, 'one connection', `${ports.size} connections for ${EACH.length} requests`);
        },
      },
      {
        name: 'after a request that is refused',
        async run({ openHttp }) {
          const http = openHttp();
          const refused = await http.send(postBytes('traces', 'json', Buffer.from('{')));
          const { port } = await http.send(postOf('traces', 'json'));
          want(port === refused.port, 'the same connection', 'another connection');
        },
      },
    ],
  },
  {
    id: 'http.concurrent',
    level: 'expected',
    section: 'OTLP/HTTP Concurrent Requests',
    sentence: 'Requests over several connections are answered at the same time.',
    over: ['http'],
    cases: [
      {
        name: `${REQUESTS_AT_ONCE} connections at once`,
        async run({ http }) {
          const all = Array.from({ length: REQUESTS_AT_ONCE }, () => http.send(postOf('traces', 'protobuf')));
          const answers = await Promise.all(all);
          for (const answer of answers) wantOk(answer, 'protobuf');
        },
      },
    ],
  },
];
