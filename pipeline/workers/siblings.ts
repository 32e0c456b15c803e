/** What instances of one component share across the threads of a process. Types only. */
import type { TelemetryBatch } from '../batch.ts';
import type { Consumer } from '../component.ts';
import type { Doors } from './doors.ts';

/** One component id, seen from one of the threads that run it. */
export type Siblings = WorkerSiblings | MainSiblings;

/** Of an instance in an ingest worker. */
export interface WorkerSiblings {
  readonly place: 'worker';
  /** The instance in the main thread, for what one place must see all of. Takes telemetry; rejects as a consumer does. */
  readonly main: Consumer;
  /** Bytes that the instances hold together. */
  readonly held: Held;
  /** The requests that any of them has seen. */
  readonly seen: SeenRequests;
  /** Where this thread lets connections in. */
  readonly doors: Doors;
  /** Whether this thread starts before the others, and so finds out whether an address is free. */
  readonly isFirst: boolean;
}

/** Of the instance in the main thread. */
export interface MainSiblings {
  readonly place: 'main';
  /** Takes what the instances in workers leave to this one. */
  serve(take: (batch: TelemetryBatch) => void): void;
}

/** An amount that several threads hold, each a part of it. */
export interface Held {
  /** The part of this thread. */
  own: number;
  /** The parts of all. */
  readonly all: number;
}

/** Fingerprints of requests, and when each came. */
export interface SeenRequests {
  /** Whether `fingerprint` came since `oldest`; it is remembered as of `now` from here on. Seconds since the epoch. */
  isRepeated(fingerprint: string, now: number, oldest: number): boolean;
}
