import type { Pair } from '../../proto/windback/decision.ts';
import type { HistoryIndicator, Minute } from './history-minute.ts';
import { type Expectation, Operations, type SavedOperations } from './history-operations.ts';

/** What is left of a minute's weight one minute later; the mean age of what is known is an hour. */
const KEEP = Math.exp(-1 / 60);

export interface SavedExpectations {
  readonly logs: Pair;
  readonly traffic: readonly [requests: number, weight: number];
  readonly operations: SavedOperations;
}

/** What the past lets expect of a minute, by indicator. */
export class Expectations {
  readonly #operations: Operations;
  #logs = { all: 0, bad: 0 };
  #traffic = { requests: 0, weight: 0 };

  constructor(operations: Operations) {
    this.#operations = operations;
  }

  get overflowed(): number {
    return this.#operations.overflowed;
  }

  /** Undefined where the minute, or the past, says nothing of the indicator. */
  of(name: HistoryIndicator, { operations, logs, requests }: Minute): Expectation | undefined {
    if (name === 'errors') return this.#operations.errors(operations);
    if (name === 'traffic') {
      const { requests: past, weight } = this.#traffic;
      return weight === 0 ? undefined : ratioOf(requests, past / weight);
    }
    if (name === 'log_errors') {
      const { all, bad } = this.#logs;
      return all === 0 || logs.all === 0 ? undefined : ratioOf(logs.bad, logs.all * (bad / all));
    }
    return this.#operations.latency(name, operations);
  }

  learn({ operations, logs, requests }: Minute): void {
    this.#operations.learn(operations);
    this.#logs = { all: this.#logs.all * KEEP + logs.all, bad: this.#logs.bad * KEEP + logs.bad };
    this.#traffic = { requests: this.#traffic.requests * KEEP + requests, weight: this.#traffic.weight * KEEP + 1 };
  }

  save(): SavedExpectations {
    return {
      logs: this.#logs,
      traffic: [this.#traffic.requests, this.#traffic.weight],
      operations: this.#operations.save(),
    };
  }

  static restore({ logs, traffic, operations }: SavedExpectations, maxOperations: number): Expectations {
    const expectations = new Expectations(Operations.restore(operations, maxOperations));
    expectations.#logs = { ...logs };
    expectations.#traffic = { requests: traffic[0], weight: traffic[1] };
    return expectations;
  }
}

/** Half an event on both sides, so that none of none is as ever. */
function ratioOf(seen: number, expected: number): Expectation {
  return { seen, expected, ratio: (seen + 0.5) / (expected + 0.5) };
}
