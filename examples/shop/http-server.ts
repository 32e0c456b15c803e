/**
 * A small HTTP server that tells OpenTelemetry about each request, by the semantic conventions: a server span, a
 * duration histogram and a log record. In a service of yours the SDK's automatic instrumentation does this.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { context, propagation, SeverityNumber, type Span, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { Instance, Telemetry } from './telemetry.ts';

/** What a handler gets of a request. */
export interface Request {
  /** The part of the path that the route leaves open, `''` where there is none. */
  readonly id: string;
  readonly body: unknown;
}

/** What a handler answers. Throwing is answering 500. */
export interface Reply {
  readonly status: number;
  readonly body: unknown;
  /** Who else had a part in it, as `servedBy` writes it. */
  readonly servedBy?: string;
}

export interface Route {
  readonly method: string;
  /** `/products`, or `/products/{id}` with one open part at the end. Also the `http.route` of its spans. */
  readonly route: string;
  handle(request: Request): Promise<Reply>;
}

/** The header in which every service on the way says who answered, and how; the load generator counts by it. */
export const SERVED_BY = 'x-served-by';

/** Buckets in seconds that the semantic conventions advise. */
const BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

export interface Serving {
  readonly url: string;
  /** Lets the requests under way finish. */
  close(): Promise<void>;
}

/** Serves the routes on a free port of the loopback interface. */
export async function serve(instance: Instance, telemetry: Telemetry, routes: readonly Route[]): Promise<Serving> {
  const observe = observer(instance, telemetry);
  const server = createServer((request, response) => {
    const path = request.url ?? '/';
    const found = routes.find((one) => one.method === request.method && matches(one.route, path));
    if (found === undefined) response.writeHead(404).end();
    else void observe(found, path, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      // A connection that is busy now is kept alive when it has its answer, so look more than once.
      const sweep = setInterval(() => server.closeIdleConnections(), 50);
      return new Promise((resolve) => {
        server.close(() => {
          clearInterval(sweep);
          resolve();
        });
      });
    },
  };
}

/** Wraps the handling of a request into its span, its duration and its log record. */
function observer({ service, version }: Instance, { tracer, meter, logger }: Telemetry) {
  const durations = meter.createHistogram('http.server.request.duration', {
    unit: 's',
    advice: { explicitBucketBoundaries: BOUNDARIES },
  });
  return async (found: Route, path: string, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method, route } = found;
    const startedMs = performance.now();
    const caller = propagation.extract(context.active(), request.headers);
    const attributes = { 'http.request.method': method, 'http.route': route, 'url.path': path };
    await tracer.startActiveSpan(`${method} ${route}`, { kind: SpanKind.SERVER, attributes }, caller, async (span) => {
      const { reply, error } = await answer(found, path, request);
      const { status, body } = reply;
      const seconds = (performance.now() - startedMs) / 1000;
      mark(span, status, error);
      durations.record(seconds, {
        'http.request.method': method,
        'http.route': route,
        'http.response.status_code': status,
      });
      const outcome = `${method} ${path} ${status} in ${Math.round(seconds * 1000)} ms`;
      logger.emit({
        severityNumber: status >= 500 ? SeverityNumber.ERROR : SeverityNumber.INFO,
        severityText: status >= 500 ? 'ERROR' : 'INFO',
        body: error === undefined ? outcome : `${outcome}: ${error.message}`,
        attributes: { 'http.route': route, 'http.response.status_code': status },
        exception: error,
      });
      span.end();
      const servedBy = [`${service} ${version} ${status}`, reply.servedBy]
        .filter((one) => one !== undefined)
        .join(', ');
      response.writeHead(status, { 'content-type': 'application/json', [SERVED_BY]: servedBy });
      response.end(`${JSON.stringify(body)}\n`);
    });
  };
}

async function answer(route: Route, path: string, request: IncomingMessage): Promise<{ reply: Reply; error?: Error }> {
  try {
    const body = request.method === 'POST' ? await json(request) : undefined;
    return { reply: await route.handle({ id: openPart(route.route, path), body }) };
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    return { reply: { status: 500, body: { error: 'internal error' } }, error };
  }
}

/** An answer of 500 and above is a failure of the server; 4xx are the client's. */
function mark(span: Span, status: number, error: Error | undefined): void {
  span.setAttribute('http.response.status_code', status);
  if (status < 500) return;
  span.setAttribute('error.type', error?.name ?? String(status));
  span.setStatus({ code: SpanStatusCode.ERROR, ...(error === undefined ? {} : { message: error.message }) });
  if (error !== undefined) span.recordException(error);
}

function matches(route: string, path: string): boolean {
  const open = route.indexOf('{');
  return open < 0 ? path === route : path.length > open && path.startsWith(route.slice(0, open));
}

function openPart(route: string, path: string): string {
  const open = route.indexOf('{');
  return open < 0 ? '' : decodeURIComponent(path.slice(open));
}
