/** What customers talk to. It passes their requests on and spreads them evenly over the instances of each service. */
import { readFileSync } from 'node:fs';
import { context, propagation, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { type Reply, type Request, SERVED_BY } from './http-server.ts';
import { run } from './run.ts';
import type { Telemetry } from './telemetry.ts';

/** The shop's service discovery: a file of JSON, `{"catalog": ["http://127.0.0.1:4711", …], …}`, read again and again. */
const REGISTRY = process.env.SHOP_REGISTRY ?? 'registry.json';
const REGISTRY_READ_EVERY_MS = 250;
const TIMEOUT_MS = 5000;

type Registry = Readonly<Record<string, readonly string[]>>;

let registry: Registry = {};
/** Requests passed on so far: whose turn it is. */
const turns = new Map<string, number>();

function readRegistry(): void {
  registry = JSON.parse(readFileSync(REGISTRY, 'utf8')) as Registry;
}

readRegistry();
setInterval(readRegistry, REGISTRY_READ_EVERY_MS).unref();

await run('frontend', (_, telemetry) => [
  { method: 'GET', route: '/products', handle: () => passOn(telemetry, 'catalog', 'GET', '/products') },
  {
    method: 'GET',
    route: '/products/{id}',
    handle: ({ id }: Request) => passOn(telemetry, 'catalog', 'GET', `/products/${encodeURIComponent(id)}`),
  },
  {
    method: 'POST',
    route: '/checkout',
    handle: ({ body }: Request) => passOn(telemetry, 'checkout', 'POST', '/checkout', body),
  },
]);

function nextOf(service: string): string {
  const urls = registry[service] ?? [];
  const turn = turns.get(service) ?? 0;
  turns.set(service, turn + 1);
  const url = urls[turn % urls.length];
  if (url === undefined) throw new Error(`there is no ${service}`);
  return url;
}

/** Passes a request on in a client span, whose id the header `traceparent` carries to the other service. */
async function passOn(
  { tracer }: Telemetry,
  service: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<Reply> {
  const url = nextOf(service) + path;
  const attributes = { 'http.request.method': method, 'url.full': url, 'service.peer.name': service };
  return tracer.startActiveSpan(method, { kind: SpanKind.CLIENT, attributes }, async (span) => {
    try {
      const headers: Record<string, string> = { 'content-type': 'application/json' };
      propagation.inject(context.active(), headers);
      const answer = await fetch(url, {
        method,
        headers,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      span.setAttribute('http.response.status_code', answer.status);
      const servedBy = answer.headers.get(SERVED_BY) ?? '';
      if (answer.status < 500) return { status: answer.status, body: await answer.json(), servedBy };
      span.setStatus({ code: SpanStatusCode.ERROR });
      return { status: 502, body: { error: `${service} failed`, cause: await answer.json() }, servedBy };
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: String(error) });
      throw error;
    } finally {
      span.end();
    }
  });
}
