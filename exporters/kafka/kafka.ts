import type { Batch } from '../../pipeline/batch.ts';
import { ClientTls } from '../../pipeline/client-tls.ts';
import type { Component, Consumer, Context } from '../../pipeline/component.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { loadKafkajs } from './client.ts';
import type { KafkaExporterConfig } from './config.ts';
import { decisionParcels, halvesOf, type Parcel, telemetryParcel } from './parcel.ts';
import { OrderedProducer } from './producer.ts';

/**
 * Two producers, since one that has to give up a failed parcel must not take the other's order with it: decisions come
 * one batch at a time and are repeated until they are through; telemetry is overtaken by the next batch meanwhile.
 */
interface Producers {
  readonly decisions: OrderedProducer;
  readonly telemetry: OrderedProducer;
}

/** What is left of a batch that is being delivered. */
interface Delivery {
  readonly parcels: Parcel[];
  /** What was refused for good. */
  readonly refused: { items: number; error: PipelineError | undefined };
}

/** Values of CompressionTypes, which is part of what is loaded late. */
const COMPRESSION = { none: 0, gzip: 1 } as const;

/** Sends each batch as records: one per decision, one per batch of telemetry. */
export class KafkaExporter implements Component, Consumer {
  readonly #config: KafkaExporterConfig;
  readonly #context: Context;
  /** Batches that failed part of the way, until they come again. */
  readonly #begun = new WeakMap<Batch, Delivery>();
  #producers: Producers | undefined;
  #isStopped = false;
  #endReloading: () => void = () => {};

  constructor(config: KafkaExporterConfig, context: Context) {
    this.#config = config;
    this.#context = context;
  }

  /** Does not wait for the brokers, but tries them, so that a wrong address shows before there is a decision to send. */
  async start(): Promise<void> {
    const { brokers, producer, timeout, tls: tlsConfig } = this.#config;
    const { clock, logger } = this.#context;
    const tls = tlsConfig === undefined || tlsConfig.insecure ? undefined : await ClientTls.load(tlsConfig);
    const makeLink = await loadKafkajs(this.#config, tls, logger);
    if (this.#isStopped) throw new PipelineError('stopping', 'the exporter was stopped while it started');
    this.#endReloading = tls?.keepFresh(clock, logger) ?? this.#endReloading;
    const settings = {
      timeoutMs: timeout,
      compression: COMPRESSION[producer.compression],
      brokers: brokers.join(','),
    };
    const decisions = new OrderedProducer(makeLink, settings);
    this.#producers = { decisions, telemetry: new OrderedProducer(makeLink, settings) };
    decisions.connect().then(
      () => this.#context.logger.debug({ brokers }, 'connected to Kafka'),
      (error: PipelineError) => this.#reportUnconnected(error),
    );
  }

  async consume(batch: Batch): Promise<void> {
    if (this.#producers === undefined) throw new PipelineError('stopping', 'the exporter does not run');
    const { decisions, telemetry } = this.#producers;
    const producer = batch.signal === 'decisions' ? decisions : telemetry;
    const delivery = this.#begun.get(batch) ?? { parcels: this.#pack(batch), refused: { items: 0, error: undefined } };
    this.#begun.set(batch, delivery);
    for (let parcel = delivery.parcels[0]; parcel !== undefined; parcel = delivery.parcels[0]) {
      const rest = await this.#send(producer, parcel, delivery);
      delivery.parcels.splice(0, 1, ...rest);
    }
    this.#begun.delete(batch);
    this.#settle(batch, delivery);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.#isStopped = true;
    this.#endReloading();
    const producers = this.#producers;
    if (producers === undefined) return;
    await Promise.all([producers.decisions.close(deadline), producers.telemetry.close(deadline)]);
    this.#producers = undefined;
  }

  #pack(batch: Batch): Parcel[] {
    const { topic, producer } = this.#config;
    if (batch.signal === 'decisions') return decisionParcels(batch, topic, producer.max_message_bytes);
    if (batch.signal !== 'health') return [telemetryParcel(batch, this.#config[batch.signal].topic)];
    throw new PipelineError('internal', 'the kafka exporter was given health');
  }

  /**
   * Sends it, or notes that it was refused for good; then what comes after it goes on. Else throws. Returns what is to
   * be sent in its place: its halves, where together they are more than the broker takes. It has stored nothing of a
   * parcel that it refused, and the producer gave up the numbers, so that they go out as if they were the first.
   */
  async #send(producer: OrderedProducer, parcel: Parcel, { refused }: Delivery): Promise<Parcel[]> {
    try {
      this.#checkSize(parcel);
      await producer.send(parcel);
    } catch (thrown) {
      if (!(thrown instanceof PipelineError) || thrown.row.retryable) throw thrown;
      if (thrown.code === 'rejected_size' && parcel.messages.length > 1) return halvesOf(parcel);
      refused.items += parcel.messages.length;
      refused.error = thrown;
    }
    return [];
  }

  #checkSize({ topic, bytes }: Parcel): void {
    const limit = this.#config.producer.max_message_bytes;
    if (bytes <= limit) return;
    throw new PipelineError(
      'rejected_size',
      `topic ${topic}: a message of ${bytes} bytes is larger than producer.max_message_bytes, ${limit} bytes; ` +
        `telemetry is halved until it fits; for decisions raise it together with the topic's max.message.bytes`,
    );
  }

  /** Tells of what was refused, and how much of the batch that is: the rest was delivered. */
  #settle(batch: Batch, { refused: { error, items } }: Delivery): void {
    if (error === undefined) return;
    if (batch.signal !== 'decisions') throw error;
    throw new PipelineError(error.code, error.detail, { cause: error.cause, items });
  }

  #reportUnconnected(error: PipelineError): void {
    if (this.#isStopped) return;
    const { code, row, message } = error;
    this.#context.logger.warn({ code, todo: row.todo }, `${message}; tried again when there is something to send`);
  }
}
