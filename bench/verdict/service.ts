/** One service of a simulated rollout: fills its cells of a frame, second by second. */
import { drawLatencies } from './latencies.ts';
import type { Random } from './random.ts';
import type { IncidentSpec, ServiceSpec } from './spec.ts';
import { BASELINE, CANDIDATE, type Cell, type CohortIndex, type Extra, type Frame } from './world.ts';

/** Standard deviation of a host's own factor on durations. */
const HOST_SIGMA = 0.03;

/** Of the calls of a candidate, the share that goes to the called service's candidate: releases travel together. */
const STICKY = 0.8;

interface Host {
  readonly cohort: CohortIndex;
  readonly instance: string;
  readonly speed: number;
  /** Index of its first cell; one cell an operation. */
  readonly firstCell: number;
}

interface Incident {
  readonly spec: IncidentSpec;
  readonly from: number;
  readonly to: number;
  /** Undefined: all. */
  readonly host: Host | undefined;
}

export class ServiceSimulation {
  readonly cells: Cell[] = [];
  readonly spec: ServiceSpec;
  readonly #index: number;
  readonly #random: Random;
  readonly #hosts: Host[] = [];
  readonly #incidents: Incident[] = [];
  /** Requests that the bursts of earlier steps are still to fail, by cell of this service. */
  readonly #burning: Uint32Array;
  readonly #firstCell: number;
  /** One uniform number that belongs to the rollout. */
  readonly #luck: number;
  #announced = 0;

  constructor(spec: ServiceSpec, index: number, firstCell: number, span: readonly [number, number], random: Random) {
    this.spec = spec;
    this.#index = index;
    this.#firstCell = firstCell;
    this.#random = random;
    this.#luck = random.next();
    for (const cohort of [BASELINE, CANDIDATE] as const) {
      const count = cohort === CANDIDATE ? spec.hosts.candidate : spec.hosts.baseline;
      for (let i = 0; i < count; i++) this.#addHost(cohort, `${spec.name}-${cohort === CANDIDATE ? 'b' : 'a'}${i}`);
    }
    this.#burning = new Uint32Array(this.cells.length);
    for (const incident of spec.incidents ?? []) this.#schedule(incident, span);
  }

  #addHost(cohort: CohortIndex, instance: string): void {
    const firstCell = this.#firstCell + this.cells.length;
    this.#hosts.push({ cohort, instance, speed: Math.exp(HOST_SIGMA * this.#random.normal()), firstCell });
    for (const { name } of this.spec.operations) {
      this.cells.push({ service: this.#index, cohort, instance, operation: name });
    }
  }

  #schedule(spec: IncidentSpec, [from, to]: readonly [number, number]): void {
    if (spec.at !== undefined) {
      this.#incidents.push({ spec, from: spec.at, to: spec.at + spec.seconds, host: undefined });
      return;
    }
    const gap = 3600 / spec.perHour;
    for (let at = from + this.#random.exponential(gap); at < to; at += this.#random.exponential(gap)) {
      const host = spec.scope === 'host' ? this.#hosts[this.#random.below(this.#hosts.length)] : undefined;
      this.#incidents.push({ spec, from: at, to: at + spec.seconds, host });
    }
  }

  /** Fills this service's cells. Services that it calls must have been filled before. */
  fill(frame: Frame, called: ServiceSimulation | undefined): void {
    const { second } = frame;
    const { rate, share, hosts, candidate } = this.spec;
    const announced = second < 0 ? 0 : share(second);
    this.#announce(frame, announced);
    const reaching = announced * (candidate?.delivered?.(Math.max(0, second), this.#luck) ?? 1);
    const requests = rate(second) * frame.layout.step;
    const active = this.#incidents.filter(({ from, to }) => from < frame.end && to > second);
    for (const host of this.#hosts) {
      const isCandidate = host.cohort === CANDIDATE;
      const part = isCandidate ? reaching / hosts.candidate : (1 - reaching) / hosts.baseline;
      if (part > 0) this.#fillHost(frame, host, requests * part, active);
      if (this.spec.memory !== undefined && (!isCandidate || second >= 0)) this.#sampleMemory(frame, host);
    }
    if (called !== undefined) this.#propagate(frame, called);
    if (this.spec.signatures !== undefined) this.#log(frame);
  }

  #announce(frame: Frame, share: number): void {
    const { announces } = this.spec;
    if (announces === undefined || share === 0 || Math.abs(share - this.#announced) < announces) return;
    this.#announced = share;
    frame.announcements.push({ service: this.#index, weight: share });
  }

  #fillHost(frame: Frame, host: Host, requests: number, active: readonly Incident[]): void {
    const { operations, mix, errorLevel, candidate } = this.spec;
    const mine = active.filter((incident) => incident.host === undefined || incident.host === host);
    const shares = mix?.(frame.second, host.cohort);
    const isCandidate = host.cohort === CANDIDATE;
    const level = errorLevel?.(frame.second) ?? 1;
    operations.forEach(({ ms, errors }, i) => {
      const cell = host.firstCell + i;
      const all = this.#random.poisson(requests * (shares?.[i] ?? 1 / operations.length));
      if (all === 0) return;
      frame.all[cell] = all;
      const ratio = errors * level * ((isCandidate ? candidate?.errors : undefined) ?? 1);
      let bad = this.#burst(cell - this.#firstCell, all, ratio);
      if (isCandidate && candidate?.fails !== undefined) bad += this.#random.binomial(all - bad, candidate.fails);
      let slower = host.speed * ((isCandidate ? candidate?.slower : undefined) ?? 1);
      for (const incident of mine) {
        const part = (Math.min(incident.to, frame.end) - Math.max(incident.from, frame.second)) / frame.layout.step;
        bad += this.#random.binomial(all - bad, part * incident.spec.errors);
        slower *= incident.spec.slower ?? 1;
      }
      frame.bad[cell] = bad;
      drawLatencies(this.#random, frame, cell, ms * slower, isCandidate ? candidate?.tail : undefined);
    });
  }

  /**
   * Causes that each fail `burst` consecutive requests of a cell; what a step has not left for a burst fails in the
   * next. In the long run `ratio` of the requests fail.
   */
  #burst(index: number, all: number, ratio: number): number {
    const burst = this.spec.burst ?? 1;
    if (burst === 1) return this.#random.binomial(all, ratio);
    let burning = this.#burning[index] as number;
    let bad = Math.min(all, burning);
    burning -= bad;
    const causes = this.#random.poisson((all * ratio) / burst);
    for (let i = 0; i < causes; i++) {
      const left = all - this.#random.below(all);
      const now = Math.min(burst, left, all - bad);
      bad += now;
      burning += burst - now;
    }
    this.#burning[index] = burning;
    return bad;
  }

  /** Errors that a called service's failure brings about, with the series that tells where they came from. */
  #propagate(frame: Frame, called: ServiceSimulation): void {
    const seen = [BASELINE, CANDIDATE].map((cohort) => called.#errorRatio(frame, cohort as CohortIndex));
    const mixed = called.#errorRatio(frame);
    for (const host of this.#hosts) {
      const ratio = STICKY * (seen[host.cohort] as number) + (1 - STICKY) * mixed;
      this.spec.operations.forEach(({ name }, i) => {
        const cell = host.firstCell + i;
        const failed = this.#random.binomial((frame.all[cell] as number) - (frame.bad[cell] as number), ratio);
        if (failed === 0) return;
        frame.bad[cell] = (frame.bad[cell] as number) + failed;
        frame.extras.push(this.#extra(host, 'origin', name, called.spec.name, failed, failed));
      });
    }
  }

  /** Share of requests that failed in the step, of one cohort or of both. */
  #errorRatio(frame: Frame, cohort?: CohortIndex): number {
    let all = 0;
    let bad = 0;
    this.cells.forEach((cell, i) => {
      if (cohort !== undefined && cell.cohort !== cohort) return;
      all += frame.all[this.#firstCell + i] as number;
      bad += frame.bad[this.#firstCell + i] as number;
    });
    return all === 0 ? 0 : bad / all;
  }

  #sampleMemory(frame: Frame, host: Host): void {
    const memory = this.spec.memory as NonNullable<ServiceSpec['memory']>;
    const phase = this.#hosts.indexOf(host) * frame.layout.step;
    if ((((frame.second + phase) % memory.every) + memory.every) % memory.every >= frame.layout.step) return;
    const factor = host.cohort === CANDIDATE ? memory.candidate(frame.second) : 1;
    // A host's own level, and the noise of a sample.
    const value = memory.level * factor * host.speed * Math.exp(0.03 * this.#random.normal());
    frame.extras.push({ ...this.#extra(host, 'resource', '', 'process.memory.usage', 1, 0), value });
  }

  /** One record a request, and the exceptions among them. */
  #log(frame: Frame): void {
    for (const host of this.#hosts) {
      let all = 0;
      for (let i = 0; i < this.spec.operations.length; i++) all += frame.all[host.firstCell + i] as number;
      if (all === 0) continue;
      for (const { name, ratio, cohorts } of this.spec.signatures ?? []) {
        if (!cohorts.includes(host.cohort)) continue;
        const count = this.#random.poisson(all * ratio);
        if (count > 0) frame.extras.push(this.#extra(host, 'signature', '', name, count, count));
      }
      frame.extras.push(this.#extra(host, 'log', '', '', all, 0));
    }
  }

  #extra(
    { cohort, instance }: Host,
    kind: Extra['kind'],
    operation: string,
    name: string,
    all: number,
    bad: number,
  ): Extra {
    return { service: this.#index, cohort, instance, kind, operation, name, all, bad };
  }
}
