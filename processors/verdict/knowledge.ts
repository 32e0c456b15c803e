import type { InstanceBlock } from './block.ts';
import type { Cohort } from './cohort.ts';
import { CallKnowledge } from './indicators/calls.ts';
import { LatencyKnowledge } from './indicators/latency.ts';
import { ResourceKnowledge } from './indicators/resources.ts';
import { SignatureKnowledge } from './indicators/signatures.ts';
import type { OnOverflow } from './overflow.ts';
import type { Views } from './views.ts';

/**
 * What is known of how one baseline version usually behaves. Blocks enter after they were judged, so that no block is
 * judged by what it brought itself: that is what keeps the bets fair.
 */
export class Knowledge {
  readonly version: string;
  readonly latency: LatencyKnowledge;
  readonly calls: CallKnowledge;
  readonly signatures: SignatureKnowledge;
  readonly resources: ResourceKnowledge;

  constructor(version: string, onOverflow: OnOverflow) {
    this.version = version;
    this.latency = new LatencyKnowledge(onOverflow);
    this.calls = new CallKnowledge(onOverflow);
    this.signatures = new SignatureKnowledge(onOverflow);
    this.resources = new ResourceKnowledge(onOverflow);
  }

  /** A block of the fine raster. `isCandidate` says whose signatures are not yet known. */
  learn(views: Views, baseline: Cohort, isCandidate: (version: string) => boolean): void {
    const known: InstanceBlock[] = [];
    for (const [version, one] of views.block.versions) {
      if (one.has('signature') && !isCandidate(version)) known.push(...one.instances.values());
    }
    if (known.length > 0) this.signatures.learn(known);
    if (!views.block.versions.has(baseline.version)) return;
    const all = views.sum(baseline.version);
    if (baseline.sendsSpans) this.latency.learn(all.cells('span'));
    this.calls.learn(all);
  }

  /** A block of a minute, of what is sampled or exported that rarely. */
  learnMinute(views: Views, baseline: Cohort, cohorts: ReadonlyMap<string, Cohort>): void {
    this.resources.forgetOthers(cohorts);
    for (const [version, one] of views.block.versions) {
      if (one.has('resource')) this.resources.learn(version, views.groups(version), version === baseline.version);
    }
    if (!baseline.sendsSpans) this.latency.learn(views.sum(baseline.version).cells('metric'));
  }

  save(): KnowledgeState {
    return {
      version: this.version,
      latency: this.latency.save(),
      calls: this.calls.save(),
      signatures: this.signatures.save(),
      resources: this.resources.save(),
    };
  }

  static restore(state: KnowledgeState, onOverflow: OnOverflow): Knowledge {
    const knowledge = new Knowledge(state.version, onOverflow);
    knowledge.latency.restore(state.latency);
    knowledge.calls.restore(state.calls);
    knowledge.signatures.restore(state.signatures);
    knowledge.resources.restore(state.resources);
    return knowledge;
  }
}

export interface KnowledgeState {
  readonly version: string;
  readonly latency: ReturnType<LatencyKnowledge['save']>;
  readonly calls: ReturnType<CallKnowledge['save']>;
  readonly signatures: ReturnType<SignatureKnowledge['save']>;
  readonly resources: ReturnType<ResourceKnowledge['save']>;
}
