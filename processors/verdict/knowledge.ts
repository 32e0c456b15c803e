import type { SeriesKind } from '../../proto/windback/health.ts';
import { type Block, InstanceBlock, type VersionBlock } from './block.ts';
import type { Cohort } from './cohort.ts';
import { CallKnowledge } from './indicators/calls.ts';
import { LatencyKnowledge } from './indicators/latency.ts';
import { ResourceKnowledge } from './indicators/resources.ts';
import { SignatureKnowledge } from './indicators/signatures.ts';

/**
 * What is known of how one baseline version usually behaves. Blocks enter after they were judged, so that no block is
 * judged by what it brought itself: that is what keeps the bets fair.
 */
export class Knowledge {
  readonly version: string;
  readonly latency = new LatencyKnowledge();
  readonly calls = new CallKnowledge();
  readonly signatures = new SignatureKnowledge();
  readonly resources = new ResourceKnowledge();

  constructor(version: string) {
    this.version = version;
  }

  /** A block of the fine raster. `isCandidate` says whose signatures are not yet known. */
  learn(block: Block, baseline: Cohort, isCandidate: (version: string) => boolean): void {
    for (const [version, one] of block.versions) {
      if (!isCandidate(version)) this.signatures.learn([...one.instances.values()]);
    }
    const own = block.versions.get(baseline.version);
    if (own === undefined) return;
    const all = together(own, ['span', 'calls']);
    if (baseline.sendsSpans) this.latency.learn(all.cells('span'));
    this.calls.learn(all);
  }

  /** A block of a minute, of what is sampled or exported that rarely. */
  learnMinute(block: Block, baseline: Cohort, cohorts: ReadonlyMap<string, Cohort>): void {
    for (const [version, one] of block.versions) {
      const cohort = cohorts.get(version);
      if (cohort === undefined || !one.has('resource')) continue;
      this.resources.learn(version, cohort.groups.split(one), version === baseline.version);
    }
    const own = block.versions.get(baseline.version);
    if (own === undefined || baseline.sendsSpans) return;
    this.latency.learn(together(own, ['metric']).cells('metric'));
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

  static restore(state: KnowledgeState): Knowledge {
    const knowledge = new Knowledge(state.version);
    knowledge.latency.restore(state.latency);
    knowledge.calls.restore(state.calls);
    knowledge.signatures.restore(state.signatures);
    knowledge.resources.restore(state.resources);
    return knowledge;
  }
}

/** All instances of a version as one. */
function together(version: VersionBlock, kinds: readonly SeriesKind[]): InstanceBlock {
  const sum = new InstanceBlock();
  for (const instance of version.instances.values()) sum.merge(instance, kinds);
  return sum;
}

export interface KnowledgeState {
  readonly version: string;
  readonly latency: ReturnType<LatencyKnowledge['save']>;
  readonly calls: ReturnType<CallKnowledge['save']>;
  readonly signatures: ReturnType<SignatureKnowledge['save']>;
  readonly resources: ReturnType<ResourceKnowledge['save']>;
}
