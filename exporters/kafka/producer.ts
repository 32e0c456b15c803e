import type { CompressionTypes, Producer } from 'kafkajs';
import { PipelineError } from '../../pipeline/errors.ts';
import type { Link, LinkMaker } from './client.ts';
import { failureOf, PartitionGone } from './failure.ts';
import type { Parcel } from './parcel.ts';

export interface ProducerSettings {
  readonly timeoutMs: number;
  readonly compression: CompressionTypes;
  /** The brokers, for messages. */
  readonly brokers: string;
}

/** How long kafkajs may take to notice that its connections were cut, before it is left behind. */
const NOTICE_MS = 2000;
/** The same when the exporter stops and its time is over: whoever stops it waits a quarter of a second longer, no more. */
const LAST_NOTICE_MS = 100;

/**
 * Sends parcels one at a time. The rules of docs/decisions/0002-kafka-client.md live here:
 *
 * kafkajs numbers records as they are sent, and takes the numbers back when a send fails, although the broker may have
 * stored the records. Whatever is sent next gets those numbers. If it is the same parcel, the broker drops what it
 * already has, and all is well: nothing lost, nothing twice. If it is another one, the broker drops that instead, and
 * it is lost. So after a failure there are two ways: the same parcel again, or a new producer, whose numbers begin
 * anew; the caller's next `send` decides which. With a new producer, the parcel that failed may be stored twice.
 */
export class OrderedProducer {
  readonly #makeLink: LinkMaker;
  readonly #settings: ProducerSettings;
  #link: Link | undefined;
  /** The parcel whose outcome is not known: only it may be sent by this link. */
  #open: Parcel | undefined;
  /** Resolves when everything asked for so far is done. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Calls of `send` that have not ended. */
  #sends = 0;
  #isClosed = false;
  /** What ends the wait for kafkajs, whatever it is for, once nobody has time for it any more. */
  readonly #leave = new Set<() => void>();
  #isLeft = false;

  constructor(makeLink: LinkMaker, settings: ProducerSettings) {
    this.#makeLink = makeLink;
    this.#settings = settings;
  }

  /** Connects ahead of the first send. Rejects as `send` does. */
  connect(): Promise<void> {
    return this.#inTurn(() => this.#attempt('connecting', async () => {}));
  }

  /**
   * One attempt; resolves when all in-sync replicas have the parcel. Rejects with a `PipelineError`: `unreachable`,
   * `timeout`, `rejected` or `rejected_size` (the brokers refused it for good) or `stopping`.
   */
  send(parcel: Parcel): Promise<void> {
    this.#sends++;
    const sent = this.#inTurn(async () => {
      if (this.#open !== undefined && this.#open !== parcel) await this.#discard();
      await this.#attempt(`topic ${parcel.topic}`, ({ producer }) => {
        this.#open = parcel;
        return this.#transmit(producer, parcel);
      });
      this.#open = undefined;
    });
    return sent.finally(() => this.#sends--);
  }

  /** Waits for what is under way until `deadline`, then breaks it off. No connection is left. */
  async close(deadline: AbortSignal): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const breakOff = (): void => {
      this.#isClosed = true;
      this.#link?.sockets.cut(new Error('the exporter stops'));
      // It may be in a pause between two tries of its own, in which it notices nothing.
      timer = setTimeout(() => {
        this.#isLeft = true;
        for (const leave of this.#leave) leave();
      }, LAST_NOTICE_MS);
    };
    // Nobody waits for a connection that nothing is sent on.
    if (deadline.aborted || this.#sends === 0) breakOff();
    else deadline.addEventListener('abort', breakOff, { once: true });
    await this.#inTurn(() => {
      this.#isClosed = true;
      return this.#discard();
    });
    deadline.removeEventListener('abort', breakOff);
    clearTimeout(timer);
  }

  async #transmit(producer: Producer, { topic, messages }: Parcel): Promise<void> {
    const { compression, timeoutMs: timeout } = this.#settings;
    const stored = await producer.send({ topic, messages, acks: -1, compression, timeout });
    // For a partition that is no more, since the topic was made anew with fewer, kafkajs sends nothing and is content.
    if (stored.length === 0) throw new PartitionGone();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #attempt(what: string, work: (link: Link) => Promise<void>): Promise<void> {
    if (this.#isClosed) throw new PipelineError('stopping', 'the exporter does not run');
    const where = `${what} at ${this.#settings.brokers}`;
    const link = (this.#link ??= this.#makeLink());
    const outcome = await this.#limited(link, async () => {
      if (!link.isConnected) await link.producer.connect();
      link.isConnected = true;
      await work(link);
    });
    if (outcome === undefined) return;
    const { error, isStateLost } = failureOf(outcome.thrown, where);
    const isGivenUp = !error.row.retryable;
    if (!link.isConnected || !outcome.isSettled || isStateLost || isGivenUp) await this.#discard();
    if (this.#isClosed) throw new PipelineError('stopping', `${where}: broken off`, { cause: outcome.thrown });
    if (!outcome.isLate || isGivenUp) throw error;
    const detail = `${where}: no answer within ${this.#settings.timeoutMs} ms`;
    throw new PipelineError('timeout', detail, { cause: outcome.thrown });
  }

  /** Does it within the time of an attempt; then cuts the connections, which ends it. Returns how it failed, if it did. */
  async #limited(link: Link, work: () => Promise<void>): Promise<Outcome | undefined> {
    let isLate = false;
    const gaveUp = Promise.withResolvers<Outcome>();
    let lastTimer: NodeJS.Timeout | undefined;
    const timer = setTimeout(() => {
      isLate = true;
      const thrown = new Error('the time for an attempt is over');
      link.sockets.cut(thrown);
      lastTimer = setTimeout(() => gaveUp.resolve({ thrown, isLate, isSettled: false }), NOTICE_MS);
    }, this.#settings.timeoutMs);
    const leave = (): void => gaveUp.resolve({ thrown: new Error('the exporter stops'), isLate, isSettled: false });
    this.#leave.add(leave);
    const outcome = await Promise.race([
      work().then(
        () => undefined,
        (thrown: unknown): Outcome => ({ thrown, isLate, isSettled: true }),
      ),
      gaveUp.promise,
    ]);
    this.#leave.delete(leave);
    clearTimeout(timer);
    clearTimeout(lastTimer);
    if (isLate && outcome?.isSettled !== false && !this.#isClosed) link.sockets.mend();
    return outcome;
  }

  /** Gives up the identity: what failed before can no longer be told from what comes. */
  async #discard(): Promise<void> {
    const link = this.#link;
    this.#link = undefined;
    this.#open = undefined;
    if (link === undefined) return;
    link.sockets.cut(new Error('the producer is not used any more'));
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, this.#isLeft ? 0 : NOTICE_MS);
    this.#leave.add(timeout.resolve);
    await Promise.race([link.producer.disconnect().catch(() => {}), timeout.promise]);
    this.#leave.delete(timeout.resolve);
    clearTimeout(timer);
  }
}

interface Outcome {
  readonly thrown: unknown;
  /** Whether the time was over. */
  readonly isLate: boolean;
  /** Whether kafkajs has ended it, so that the producer may be used again. */
  readonly isSettled: boolean;
}
