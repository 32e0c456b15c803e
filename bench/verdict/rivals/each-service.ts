/** These judges look at one service at a time, and know nothing of the others. */
import type { Judge, Verdict, Watch } from '../judge.ts';
import type { Signal } from '../scenario.ts';
import type { Frame, Layout } from '../world.ts';

/** A judge of one service: tells once, in event time, why it would roll back. */
export interface ServiceWatch {
  observe(frame: Frame): void;
  readonly fired: { readonly second: number; readonly reason: string } | undefined;
}

export function eachService(
  name: string,
  watchOne: (layout: Layout, service: number, signal: Signal) => ServiceWatch,
): Judge {
  return { name, watch: (layout, signal) => new EachService(layout, (service) => watchOne(layout, service, signal)) };
}

class EachService implements Watch {
  readonly verdicts: Verdict[] = [];
  readonly holds = 0;
  readonly #watches: ServiceWatch[];

  constructor(layout: Layout, watchOne: (service: number) => ServiceWatch) {
    this.#watches = layout.services.map((_, service) => watchOne(service));
  }

  observe(frame: Frame): void {
    this.#watches.forEach((watch, service) => {
      if (this.verdicts.some((known) => known.service === service)) return;
      watch.observe(frame);
      const { fired } = watch;
      if (fired !== undefined) this.verdicts.push({ service, ...fired });
    });
  }
}
