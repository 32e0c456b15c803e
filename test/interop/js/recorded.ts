interface Exporter<T> {
  export(items: T, done: (result: { readonly code: number; readonly error?: Error }) => void): void;
}

interface Serializer<T> {
  serializeRequest(items: T): Uint8Array | undefined;
}

/** Writes down, with the SDK's own JSON serializer, what goes through its exporters, and which of it failed. */
export class Recorder<T> {
  readonly requests: unknown[] = [];
  readonly #failures: Error[] = [];
  readonly #serializer: Serializer<T>;

  constructor(serializer: Serializer<T>) {
    this.#serializer = serializer;
  }

  /** The same exporter, listened to. */
  around<E extends Exporter<T>>(exporter: E): E {
    const original = exporter.export.bind(exporter);
    exporter.export = (items, done) => {
      this.requests.push(JSON.parse(Buffer.from(this.#serializer.serializeRequest(items) ?? []).toString()));
      original(items, (result) => {
        if (result.code !== 0) this.#failures.push(result.error ?? new Error('the exporter failed'));
        done(result);
      });
    };
    return exporter;
  }

  /** The requests. Throws where one was not delivered: the SDK would only log that. */
  delivered(): unknown[] {
    if (this.#failures.length > 0) throw this.#failures[0];
    return this.requests;
  }
}
