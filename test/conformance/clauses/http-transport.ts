/** OTLP/HTTP: how requests are carried. */
import { gzipSync } from 'node:zlib';
import { type Form, FORMS, httpCame, mediaType, statusIn, wantOk } from '../answers.ts';
import { type Case, type Clause, want } from '../clause.ts';
import type { HttpRequest } from '../clients/http.ts';
import type { Endpoint } from '../endpoint.ts';
import { largeRequest } from '../wire/telemetry.ts';
import { EACH, EACH_FORM, gzipped, postBytes, postOf } from './http.ts';

const TYPES: readonly (readonly [form: Form, type: string])[] = [
  ['json', 'application/json; charset=utf-8'],
  ['json', 'application/json;charset=UTF-8'],
  ['json', 'application/json ; charset="utf-8"'],
  ['json', 'Application/JSON'],
  ['protobuf', 'application/x-protobuf; messageType=Export'],
  ['protobuf', 'Application/X-Protobuf'],
];

function takenCases(how: string, forms: readonly Form[], change: (request: HttpRequest) => HttpRequest): Case[] {
  return forms.map((form) => ({
    name: `${form}, ${how}`,
    async run({ http }) {
      wantOk(await http.send(change(postOf('traces', form))), form);
    },
  }));
}

/** Of some size, as clients ask only then; and less than any server's limit. */
const EXPECTANT_BYTES = 500_000;
const STREAMS_AT_ONCE = 32;

const http1Clauses: readonly Clause[] = [
  {
    id: 'http.content-type-spelling',
    level: 'expected',
    section: 'RFC 9110, 8.3.1',
    sentence: 'A content type may have parameters, and letters of either case.',
    over: ['http'],
    cases: TYPES.map(([form, type]) => ({
      name: type,
      async run({ http }) {
        const answer = await http.send({ ...postOf('traces', form), headers: { 'content-type': type } });
        wantOk(answer, form);
        want(mediaType(answer) === FORMS[form], FORMS[form], () => httpCame(answer));
      },
    })),
  },
  {
    id: 'http.header-spelling',
    level: 'expected',
    section: 'RFC 9110, 5.1',
    sentence: 'Names of header fields may have letters of either case, as may gzip.',
    over: ['http'],
    cases: EACH_FORM.flatMap((form) => {
      const upper = takenCases('CONTENT-TYPE', [form], (request) => ({
        ...request,
        headers: { 'CONTENT-TYPE': FORMS[form] },
      }));
      const encoded = takenCases('CONTENT-ENCODING: GZIP', [form], (request) => ({
        ...gzipped(request),
        headers: { 'CONTENT-TYPE': FORMS[form], 'CONTENT-ENCODING': 'GZIP' },
      }));
      return [...upper, ...encoded];
    }),
  },
  {
    id: 'http.gzip-members',
    level: 'expected',
    section: 'RFC 1952, 2.2',
    sentence: 'A body of gzip may be of several members, as what is compressed piece by piece is.',
    over: ['http'],
    cases: takenCases('two members', EACH_FORM, ({ body = Buffer.alloc(0), headers, ...request }) => ({
      ...request,
      headers: { ...headers, 'content-encoding': 'gzip' },
      body: Buffer.concat([gzipSync(body.subarray(0, 100)), gzipSync(body.subarray(100))]),
    })),
  },
  {
    id: 'http.chunked',
    level: 'expected',
    section: 'RFC 9112, 7.1',
    sentence: 'A body may come in chunks, without a content length.',
    over: ['http'],
    cases: [
      ...takenCases('in chunks', EACH_FORM, (request) => ({ ...request, isChunked: true })),
      ...takenCases('in chunks, gzip', EACH_FORM, (request) => ({ ...gzipped(request), isChunked: true })),
    ],
  },
  {
    id: 'http.expect-continue',
    level: 'expected',
    section: 'RFC 9110, 10.1.1',
    sentence: 'A client that asks whether it may send, as curl does with what is large, is told so.',
    over: ['http'],
    cases: EACH_FORM.map((form) => ({
      name: form,
      async run({ http }) {
        const { headers, ...request } = postOf('traces', form, largeRequest('traces', EXPECTANT_BYTES));
        wantOk(await http.send({ ...request, headers: { ...headers, expect: '100-continue' } }), form);
      },
    })),
  },
];

const http2Clauses: readonly Clause[] = [
  {
    id: 'http.http2',
    level: 'expected',
    section: 'OTLP/HTTP (MAY)',
    sentence: 'A client may speak HTTP/2 on the port of HTTP/1.1: at once without TLS, by ALPN with it.',
    over: ['http'],
    cases: [
      ...EACH.map(({ signal, form }) => ({
        name: `${signal}, ${form}`,
        async run({ openHttp2 }: Endpoint) {
          const http = await openHttp2();
          wantOk(await http.send(postOf(signal, form)), form);
          wantOk(await http.send(gzipped(postOf(signal, form))), form);
          http.close();
        },
      })),
      ...EACH_FORM.map((form) => ({
        name: `${form}, bad data`,
        async run({ openHttp2 }: Endpoint) {
          const http = await openHttp2();
          const answer = await http.send(postBytes('traces', form, Buffer.from('this is neither')));
          want(answer.status === 400, 'HTTP 400', () => httpCame(answer));
          statusIn(answer, form);
          http.close();
        },
      })),
      ...EACH_FORM.map((form) => ({
        name: `${form}, too large`,
        async run({ openHttp2, tooLargeBytes }: Endpoint) {
          const http = await openHttp2();
          const answer = await http.send(postOf('traces', form, largeRequest('traces', tooLargeBytes)));
          want(answer.status >= 400, 'an error', () => httpCame(answer));
          wantOk(await http.send(postOf('traces', form)), form);
          http.close();
        },
      })),
      {
        name: `${STREAMS_AT_ONCE} requests at once`,
        async run({ openHttp2 }: Endpoint) {
          const http = await openHttp2();
          const all = Array.from({ length: STREAMS_AT_ONCE }, () => http.send(postOf('logs', 'protobuf')));
          for (const answer of await Promise.all(all)) wantOk(answer, 'protobuf');
          http.close();
        },
      },
    ],
  },
];

export const httpTransportClauses: readonly Clause[] = [...http1Clauses, ...http2Clauses];
