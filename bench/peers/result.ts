/** What a run leaves behind: `--json` writes it, and tables, plots and criteria are made of it. Plain data. */
import type { Case } from './cases.ts';
import type { SystemName } from './system.ts';

/** One round of one system. */
export interface Round {
  readonly items: number;
  /** In a request, without compression. */
  readonly bytesPerItem: number;
  /** As it came out, compressed where that was asked for; 0 where nothing comes out. */
  readonly bytesPerItemOut: number;
  readonly itemsPerCpuSecond: number;
  /** Until everything had come out, where something comes out. */
  readonly itemsPerSecond: number;
  /** Cores in use. The load generator and the sink can use one each. */
  readonly serverCores: number;
  readonly generatorCores: number;
  readonly sinkCores: number;
  /** Of the answer, ms. */
  readonly p50: number;
  readonly p99: number;
}

export interface Measured {
  readonly system: SystemName;
  readonly rounds: readonly Round[];
  readonly readyMs: number;
  readonly peakRssBytes: number;
}

export interface CaseResult {
  readonly one: Case;
  /** Bound to one core. */
  readonly pinned: readonly Measured[];
  /** On all cores; empty where that was not measured. */
  readonly unpinned: readonly Measured[];
  /** Systems that have no figures, and why. */
  readonly without: Partial<Record<SystemName, string>>;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly node: string;
}

export interface Result {
  readonly date: string;
  readonly machine: Machine;
  readonly isPinned: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly cases: readonly CaseResult[];
}

/** The figures of a system on one core; undefined where it has none. */
export function measuredOf({ pinned }: CaseResult, system: SystemName): Measured | undefined {
  return pinned.find((measured) => measured.system === system);
}

/** Items per CPU-second, round by round. */
export function ratesOf(result: CaseResult, system: SystemName): number[] {
  return measuredOf(result, system)?.rounds.map(({ itemsPerCpuSecond }) => itemsPerCpuSecond) ?? [];
}
