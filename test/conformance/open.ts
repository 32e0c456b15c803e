/** Opens what is under test: its clients, and what else the cases need. */
import { NotOffered } from './clause.ts';
import { GrpcClient } from './clients/grpc.ts';
import { Http1Client, Http2Client } from './clients/http.ts';
import { connected } from './clients/http2-session.ts';
import type { Endpoint } from './endpoint.ts';
import type { Sink } from './sink.ts';

export interface EndpointSettings {
  /** As host:port; a protocol that is missing is not tested. */
  readonly grpc?: string | undefined;
  readonly http?: string | undefined;
  /** Sent with every request, such as what lets a client in. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly tooLargeBytes: number;
  readonly overloadBytes?: number | undefined;
  readonly sink?: Sink | undefined;
}

/** `close` ends every connection that was opened. */
export function openEndpoint(settings: EndpointSettings): Endpoint & { close(): void } {
  const { grpc = '', http = '', headers = {}, tooLargeBytes, overloadBytes, sink } = settings;
  const opened: { close(): void }[] = [];
  const keep = <Client extends { close(): void }>(client: Client): Client => {
    opened.push(client);
    return client;
  };
  const openH2c = async () => {
    const session = await connected(http).catch((error: Error) => {
      throw new NotOffered(`no HTTP/2 without TLS on the HTTP port: ${error.message}`);
    });
    return keep(new Http2Client(session, headers));
  };
  return {
    grpc: keep(new GrpcClient(grpc, headers)),
    http: keep(new Http1Client(http === '' ? 'localhost:0' : http, headers)),
    openGrpc: () => keep(new GrpcClient(grpc, headers)),
    openHttp: () => keep(new Http1Client(http, headers, 1)),
    openH2c,
    tooLargeBytes,
    overloadBytes,
    sink,
    close: () => {
      for (const client of opened) client.close();
    },
  };
}
