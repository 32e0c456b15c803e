import type { GrpcClient } from './clients/grpc.ts';
import type { HttpClient } from './clients/http.ts';
import type { Sink } from './sink.ts';

/** A server under test, as the cases see it. */
export interface Endpoint {
  /** One connection that cases share; a case that may harm it opens its own by `openGrpc`. */
  readonly grpc: GrpcClient;
  readonly http: HttpClient;
  openGrpc(): GrpcClient;
  /** Another HTTP/1.1 client, with connections of its own. */
  openHttp(): HttpClient;
  /**
   * HTTP/2 on the port of HTTP/1.1: with prior knowledge, or by ALPN over TLS. Rejects with `NotOffered` where the server
   * does not begin with its settings.
   */
  openHttp2(): Promise<HttpClient>;
  /** A request of as many bytes is larger than the server takes. */
  readonly tooLargeBytes: number;
  /** As many bytes of unfinished requests are more than the server holds; undefined where nobody said. */
  readonly overloadBytes: number | undefined;
  /** Where the server sends what it has taken; undefined where it sends it elsewhere. */
  readonly sink: Sink | undefined;
}
