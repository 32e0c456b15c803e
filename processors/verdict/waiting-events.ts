import type { DeploymentEvent } from '../../proto/windback/health.ts';

/** Deployment events that wait for their time; of more, the first ones. */
const MAX_EVENTS = 100;

/** Deployment events of a service that take effect when the block of their time is judged. */
export class WaitingEvents {
  /** In their order. */
  #events: DeploymentEvent[] = [];

  /** False where there are too many: then the last of all is left out. */
  add(event: DeploymentEvent): boolean {
    this.#events.splice(this.#placeOf(event), 0, event);
    if (this.#events.length <= MAX_EVENTS) return true;
    this.#events.pop();
    return false;
  }

  /** Slots of all that wait. */
  get slots(): number[] {
    return this.#events.map(({ atSeconds }) => Math.floor(atSeconds));
  }

  /** Takes out those before slot `end`, in their order. */
  take(end: number): DeploymentEvent[] {
    if (this.#events.length === 0) return [];
    const due = this.#events.filter(({ atSeconds }) => atSeconds < end);
    this.#events = this.#events.filter(({ atSeconds }) => atSeconds >= end);
    return due;
  }

  save(): readonly DeploymentEvent[] {
    return this.#events;
  }

  restore(events: readonly DeploymentEvent[]): void {
    this.#events = [...events].sort(inOrder);
  }

  /** By halves: one request can announce more than can be sorted again for each of them. */
  #placeOf(event: DeploymentEvent): number {
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (inOrder(this.#events[middle] as DeploymentEvent, event) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** By time; what was said in the same second in an order of its own, so that it does not matter what came first. */
function inOrder(a: DeploymentEvent, b: DeploymentEvent): number {
  const rank = ({ status }: DeploymentEvent) => (status === 'started' ? 0 : 1);
  const text = (event: DeploymentEvent) => JSON.stringify([event.version, event.previousVersion, event.weight]);
  return a.atSeconds - b.atSeconds || rank(a) - rank(b) || (text(a) < text(b) ? -1 : 1);
}
