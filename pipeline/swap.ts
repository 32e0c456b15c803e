import type { Context } from './component.ts';
import { endpointsIn } from './config/endpoints.ts';
import type { Fanout } from './fanout.ts';
import { connect } from './graph.ts';
import { type GraphChange, isExclusive, keepsAll } from './graph-change.ts';
import { probe } from './listener.ts';
import type { Place } from './place.ts';
import { deadlineIn, stopAll, type StoppingParts } from './stopping.ts';

/** How long batches may be held while those under way come to their end: well within what clients wait for an answer. */
const SETTLE_MS = 5000;
/** How long an exporter all of whose queue is kept goes on sending, before the next one goes on with it. */
const HANDOVER_MS = 500;
/** How often it is looked whether a port has become free. */
const FREED_POLL_MS = 10;

export interface SwapParts extends StoppingParts {
  /** Everything that was started and not stopped; kept true at every moment. */
  readonly live: Set<Place>;
  contextOf(id: string): Context;
  /** Takes back what the component with this context has registered. */
  end(context: Context): void;
  /** Whether new addresses are tried before anything is stopped: not where another thread has opened them already. */
  readonly probes: boolean;
}

/**
 * Goes from one graph to another one while batches come. Each part of it can be taken back: what fails leaves the old
 * graph as it was. Batches that would go into a part that is stopped wait at the outlet before it.
 */
export class Swap {
  readonly #change: GraphChange;
  readonly #parts: SwapParts;
  readonly #undo: (() => Promise<void>)[] = [];
  readonly #held = new Set<Fanout>();

  constructor(change: GraphChange, parts: SwapParts) {
    this.#change = change;
    this.#parts = parts;
  }

  /** Resolves when the new graph runs; exporters that it does not have are still to be stopped. Rejects when the old one does again. */
  async run(): Promise<void> {
    const { made, stopped, next } = this.#change;
    const replaced = stopped.exporters.flatMap((place) => {
      const successor = this.#successorOf(place);
      return successor !== undefined && isExclusive(place, successor) ? [{ place, successor }] : [];
    });
    const successors = replaced.map(({ successor }) => successor);
    try {
      if (this.#parts.probes) await this.#probe();
      for (const place of made.exporters) if (!successors.includes(place)) await this.#start(place);
      await this.#within(SETTLE_MS, (deadline) => this.#swapReceivers(deadline));
      await this.#within(SETTLE_MS, async (deadline) => {
        for (const place of stopped.processors) await this.#retire(place, deadline);
        for (const { place, successor } of replaced) await this.#handOver(place, successor, deadline);
      });
      for (const place of [...successors, ...made.processors]) await this.#start(place);
      connect(next);
    } catch (thrown) {
      for (const undo of this.#undo.reverse()) await undo();
      throw thrown;
    } finally {
      for (const fanout of this.#held) fanout.release();
    }
  }

  async #within(ms: number, work: (deadline: AbortSignal) => Promise<void>): Promise<void> {
    const deadline = deadlineIn(ms, this.#parts.clock);
    try {
      await work(deadline.signal);
    } finally {
      deadline.clear();
    }
  }

  #successorOf({ id }: Place): Place | undefined {
    return this.#change.made.exporters.find((place) => place.id === id);
  }

  /** Throws `port_in_use` where a new address is taken, also by one of ours that stays. */
  async #probe(): Promise<void> {
    const { made, stopped } = this.#change;
    const freed = new Set(stopped.receivers.flatMap(addressesOf));
    for (const place of made.receivers) {
      for (const { path, endpoint } of endpointsIn(place.configuration.configured.config)) {
        const { host, port } = endpoint;
        if (port === 0 || freed.has(`${host}:${port}`)) continue;
        await probe(endpoint, `receivers.${place.id}.${path.join('.')}`);
      }
    }
  }

  /**
   * Those whose ports are new open before the old ones close, so that clients find one of them at any time. The others
   * open as soon as the old ones have let go of the ports; these may still answer what they have. What comes to new ones
   * waits until the graph behind them is there.
   */
  async #swapReceivers(deadline: AbortSignal): Promise<void> {
    const { made, stopped } = this.#change;
    const ports = new Set(stopped.receivers.flatMap(portsOf));
    const isBlocked = (place: Place) => portsOf(place).some((port) => ports.has(port));
    for (const place of made.receivers) if (!isBlocked(place)) await this.#startHeld(place);
    const stopping = stopAll(stopped.receivers, deadline, this.#parts);
    this.#undo.push(async () => {
      await stopping;
      for (const place of stopped.receivers) await this.#revive(place);
    });
    const blocked = made.receivers.filter(isBlocked);
    if (this.#parts.probes) await this.#freed(blocked, stopping);
    else await stopping;
    for (const place of blocked) await this.#startHeld(place);
    await stopping;
    for (const place of stopped.receivers) this.#left(place);
  }

  /** Resolves when the addresses of these places are free, or will not be before everything has stopped. */
  async #freed(places: readonly Place[], stopping: Promise<unknown>): Promise<void> {
    const { clock } = this.#parts;
    const stopped = stopping.then(() => true);
    const endpoints = places.flatMap(({ configuration }) => endpointsIn(configuration.configured.config));
    for (const { endpoint } of endpoints) {
      for (;;) {
        const isFree = probe(endpoint, '').then(
          () => true,
          () => false,
        );
        if (await isFree) break;
        if (await Promise.race([stopped, clock.sleep(FREED_POLL_MS)])) return;
      }
    }
  }

  async #startHeld(place: Place): Promise<void> {
    place.connect(this.#change.next.connections.get(place));
    for (const fanout of place.wiring.fanouts) this.#hold(fanout);
    await this.#start(place);
  }

  async #start(place: Place): Promise<void> {
    place.connect(this.#change.next.connections.get(place));
    this.#make(place);
    this.#undo.push(() => this.#discard(place));
    await place.component.start();
  }

  #make(place: Place): void {
    const context = this.#parts.contextOf(place.id);
    try {
      place.make(context);
    } catch (thrown) {
      this.#parts.end(context);
      throw thrown;
    }
    this.#parts.live.add(place);
  }

  /** Stops what was started in vain. What it still hands on, and what waits for that, is refused and may come again. */
  async #discard(place: Place): Promise<void> {
    place.wiring.close();
    await this.#within(HANDOVER_MS, async (deadline) => void (await stopAll([place], deadline, this.#parts)));
    this.#parts.live.delete(place);
    this.#parts.end(place.context);
  }

  /** Lets a processor finish what it has, holds back what would come, and stops it. */
  async #retire(place: Place, deadline: AbortSignal): Promise<void> {
    this.#holdBefore(place);
    if (!(await place.door.empty(deadline))) {
      const what = { component: place.id, batches: place.door.inside };
      this.#parts.logger.warn(what, 'stopped with batches under way: what stands behind it did not take them in time');
    }
    this.#undo.push(() => this.#revive(place));
    await stopAll([place], deadline, this.#parts);
    this.#left(place);
  }

  /** The same for an exporter of which there may be one at a time. */
  #handOver(place: Place, successor: Place, deadline: AbortSignal): Promise<void> {
    if (!keepsAll(place, successor)) return this.#retire(place, deadline);
    return this.#within(HANDOVER_MS, (soon) => this.#retire(place, soon));
  }

  #left(place: Place): void {
    this.#parts.live.delete(place);
    this.#parts.end(place.context);
  }

  /** What had stopped is made anew, and finds what it has saved. */
  async #revive(place: Place): Promise<void> {
    this.#left(place);
    try {
      this.#make(place);
      await place.component.start();
    } catch (thrown) {
      this.#parts.logger.error({ component: place.id, err: thrown }, 'it cannot be started again: restart Windback');
    }
  }

  #holdBefore({ door }: Place): void {
    for (const { wiring } of this.#parts.live) {
      for (const fanout of wiring.fanouts) if (fanout.leadsTo(door)) this.#hold(fanout);
    }
  }

  #hold(fanout: Fanout): void {
    fanout.hold();
    this.#held.add(fanout);
  }
}

function addressesOf({ configuration }: Place): string[] {
  return endpointsIn(configuration.configured.config).map(({ endpoint: { host, port } }) => `${host}:${port}`);
}

function portsOf({ configuration }: Place): number[] {
  return endpointsIn(configuration.configured.config)
    .map(({ endpoint: { port } }) => port)
    .filter((port) => port !== 0);
}
