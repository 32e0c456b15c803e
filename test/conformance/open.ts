/** Opens what is under test: its clients, and what else the cases need. */
import { NotOffered } from './clause.ts';
import { GrpcClient } from './clients/grpc.ts';
import { Http1Client, Http2Client } from './clients/http.ts';
import { connected } from './clients/http2-session.ts';
import type { Security } from './clients/security.ts';
import type { Endpoint } from './endpoint.ts';
import type { Sink } from './sink.ts';

export interface EndpointSettings {
  /** As host:port; a protocol that is missing is not tested. */
  readonly grpc?: string | undefined;
  readonly http?: string | undefined;
  /** Sent with every request, such as what lets a client in. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly security?: Security | undefined;
  readonly tooLargeBytes: number;
  readonly overloadBytes?: number | undefined;
  readonly sink?: Sink | undefined;
}

/** `close` ends every connection that was opened. */
export function openEndpoint(settings: EndpointSettings): Endpoint & { close(): void } {
  const { grpc = '', http = '', headers = {}, security, tooLargeBytes, overloadBytes, sink } = settings;
  const opened: { close(): void }[] = [];
  const keep = <Client extends { close(): void }>(client: Client): Client => {
    opened.push(client);
    return client;
  };
  const openHttp2 = async () => {
    const session = await connected(http, security).catch((error: Error) => {
      throw new NotOffered(`no HTTP/2 on the HTTP port: ${error.message}`);
    });
    return keep(new Http2Client(session, headers));
  };
  return {
    grpc: keep(new GrpcClient(grpc, headers, security)),
    http: keep(new Http1Client(http === '' ? 'localhost:0' : http, headers, security)),
    openGrpc: () => keep(new GrpcClient(grpc, headers, security)),
    openHttp: () => keep(new Http1Client(http, headers, security, 1)),
    openHttp2,
    tooLargeBytes,
    overloadBytes,
    sink,
    close: () => {
      for (const client of opened) client.close();
    },
  };
}
