import type { Component, ConnectionLoad, Context, Outlets, Sheddable } from '../../pipeline/component.ts';
import { shared } from '../../pipeline/listener.ts';
import type { AuthConfig } from '../../pipeline/auth/config.ts';
import { Budget, limitBytesOf } from './budget.ts';
import type { OtlpReceiverConfig } from './config.ts';
import { Gate } from './gate.ts';
import { GrpcServer } from './grpc.ts';
import { HttpServer } from './http.ts';
import { Intake } from './intake.ts';
import { Tenants } from './tenants.ts';

/** OTLP over gRPC and over HTTP. A request is answered when the pipelines have taken responsibility for it. */
export class OtlpReceiver implements Component, Sheddable {
  readonly #config: OtlpReceiverConfig;
  readonly #next: Outlets;
  readonly #context: Context;
  readonly #servers: (GrpcServer | HttpServer)[] = [];
  #addresses: { grpc?: string; http?: string } = {};
  #starting: Promise<void> | undefined;

  constructor(config: OtlpReceiverConfig, next: Outlets, context: Context) {
    this.#config = config;
    this.#next = next;
    this.#context = context;
  }

  /** Where it listens, `host:port`, once started. */
  addresses(): { readonly grpc?: string; readonly http?: string } {
    return this.#addresses;
  }

  /** Rejects with `port_in_use` or `cannot_listen`. */
  async start(): Promise<void> {
    this.#starting = this.#listen();
    return this.#starting;
  }

  async stop(deadline: AbortSignal): Promise<void> {
    // A listener that is about to open could not be closed.
    await this.#starting?.catch(() => {});
    await Promise.all(this.#servers.splice(0).map((server) => server.stop(deadline)));
    this.#addresses = {};
  }

  load(): readonly ConnectionLoad[] {
    return this.#servers.flatMap(({ open }) => open?.load() ?? []);
  }

  shed(id: number): void {
    for (const { open } of this.#servers) open?.shed(id);
  }

  async #listen(): Promise<void> {
    const { siblings } = this.#context;
    const held = siblings?.place === 'worker' ? siblings.held : undefined;
    const budget = new Budget(limitBytesOf(this.#config.max_in_flight), held);
    const tenants = this.#config.tenants && new Tenants(this.#config.tenants, budget, this.#context.clock);
    const gateOf = (auth: AuthConfig | undefined): Gate =>
      new Gate(auth?.authenticator, tenants, budget, this.#context);
    const { grpc, http } = this.#config.protocols;
    if (grpc !== undefined) {
      const config = { ...grpc, endpoint: shared(grpc.endpoint, siblings) };
      const server = new GrpcServer(
        config,
        new Intake('grpc', this.#config.max_item_size, this.#next, this.#context),
        gateOf(grpc.auth),
        this.#context,
      );
      this.#servers.push(server);
      this.#addresses.grpc = await server.start();
    }
    if (http !== undefined) {
      const config = { ...http, endpoint: shared(http.endpoint, siblings) };
      const server = new HttpServer(
        config,
        new Intake('http', this.#config.max_item_size, this.#next, this.#context),
        gateOf(http.auth),
        this.#context,
      );
      this.#servers.push(server);
      this.#addresses.http = await server.start();
    }
  }
}
