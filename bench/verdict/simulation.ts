/** A whole simulated rollout: its services, side by side, one frame a step. */
import { Random, seedOf } from './random.ts';
import { ServiceSimulation } from './service.ts';
import type { ServiceSpec } from './spec.ts';
import { Frame, type Layout } from './world.ts';

/** Seconds of the baseline alone before the candidate comes. */
export const LEAD = 300;

export class Simulation {
  readonly layout: Layout;
  readonly #services: ServiceSimulation[] = [];
  readonly #frame: Frame;

  /** `seconds` from the candidate's first one on; `bad` says whose candidate is bad. */
  constructor(specs: readonly ServiceSpec[], bad: readonly boolean[], seconds: number, step: number, seed: number) {
    const cells = [];
    for (const [index, spec] of specs.entries()) {
      const random = new Random(seed, seedOf(spec.name));
      const service = new ServiceSimulation(spec, index, cells.length, [-LEAD, seconds], random);
      cells.push(...service.cells);
      this.#services.push(service);
    }
    this.layout = { services: specs.map(({ name }) => name), cells, bad, step };
    this.#frame = new Frame(this.layout);
  }

  /** The step that begins with `second`; steps must be asked for in order. The frame is the same one each time. */
  at(second: number): Frame {
    this.#frame.clear(second);
    // From the last to the first: what a service calls stands behind it.
    for (const service of this.#services.toReversed()) {
      const called = this.#services.find(({ spec }) => spec.name === service.spec.calls);
      service.fill(this.#frame, called);
    }
    return this.#frame;
  }
}
