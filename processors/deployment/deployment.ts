import { LRUCache } from 'lru-cache';
import { type Batch, isTelemetry, type TelemetryBatch } from '../../pipeline/batch.ts';
import type { Component, Consumer, Context, Outlets } from '../../pipeline/component.ts';
import { serviceKeyOf, type Tag, UNKNOWN_VERSION } from '../../pipeline/tag.ts';
import type { Count } from '../../pipeline/telemetry/meter.ts';
import type { LogColumns } from '../../proto/otlp/columns.ts';
import { readAttributes, withAttributes } from '../../proto/otlp/resource.ts';
import type { DeploymentEvent } from '../../proto/windback/health.ts';
import type { DeploymentConfig } from './config.ts';
import { readDeploymentEvent } from './event.ts';
import { type Attributes, compileNaming, compileResolver, type Naming, type Resolved, textOf } from './resolve.ts';

/** Whatever `cache_size` says: resources can be as large as a request. */
const CACHE_BYTES_MAX = 64 * 1024 * 1024;
/** What an entry takes beside its bytes, roughly. */
const ENTRY_BYTES = 1024;

/** Tags every resource with its deployment version. The answer is cached by the resource's bytes. */
export class DeploymentTagger implements Component, Consumer {
  readonly #config: DeploymentConfig;
  readonly #next: Outlets;
  readonly #context: Context;
  readonly #naming: Naming;
  readonly #resolve: (attributes: Attributes) => Resolved | undefined;
  readonly #cache: LRUCache<string, Tag>;
  readonly #counts = new Map<string, Count>();
  #rolesEpoch = 0;

  constructor(config: DeploymentConfig, next: Outlets, context: Context) {
    this.#config = config;
    this.#next = next;
    this.#context = context;
    this.#naming = compileNaming(config);
    this.#resolve = compileResolver(config, this.#naming);
    this.#cache = new LRUCache({
      max: config.cache_size,
      maxSize: CACHE_BYTES_MAX,
      sizeCalculation: (tag, key) => key.length + tag.taggedResource.length + ENTRY_BYTES,
    });
    context.meter.observe('windback_deployment_cached_resources', { processor: context.id }, () => this.#cache.size);
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {}

  async consume(batch: Batch): Promise<void> {
    if (isTelemetry(batch)) this.#tag(batch);
    await this.#next.to(batch.signal).consume(batch);
  }

  #tag(batch: TelemetryBatch): void {
    const { count, offset, length } = batch.columns.resources;
    this.#forgetStaleRoles();
    const tags: Tag[] = [];
    for (let i = 0; i < count; i++) {
      const start = offset[i] as number;
      tags.push(this.#tagOf(batch.bytes.subarray(start, start + (length[i] as number))));
    }
    const deployments = batch.columns.signal === 'logs' ? this.#deployments(batch, batch.columns, tags) : NONE;
    const announcers = deployments.size === 0 ? NOBODY : onlyAnnouncing(batch.columns as LogColumns);
    tags.forEach((tag, i) => {
      if (!announcers.has(i)) this.#count(tag.source === '' ? UNKNOWN_VERSION : tag.source);
    });
    batch.tag(tags, this.#config.target, deployments);
  }

  #tagOf(resource: Uint8Array): Tag {
    const key = Buffer.from(resource.buffer, resource.byteOffset, resource.length).toString('latin1');
    let tag = this.#cache.get(key);
    if (tag === undefined) {
      tag = this.#makeTag(resource);
      this.#cache.set(key, tag);
    }
    return tag;
  }

  #makeTag(resource: Uint8Array): Tag {
    const attributes = readAttributes(resource, 0, resource.length);
    const first = (...keys: string[]) =>
      keys.map((key) => textOf(attributes.get(key))).find((text) => text !== '') ?? '';
    const namespace = first('service.namespace');
    const service = first('service.name');
    const environment = first('deployment.environment.name', 'deployment.environment');
    const serviceKey = serviceKeyOf(namespace, service, environment);
    const resolved = this.#resolve(attributes);
    const version = resolved?.version ?? UNKNOWN_VERSION;
    const role = this.#context.roles.of(serviceKey, version);
    const written = [
      { key: 'deployment.version', value: version },
      ...(resolved === undefined ? [] : [{ key: 'deployment.version.source', value: resolved.source }]),
      ...(role === undefined ? [] : [{ key: 'deployment.role', value: role }]),
    ];
    return {
      namespace,
      service,
      environment,
      serviceKey,
      version,
      source: resolved?.source ?? '',
      instance: first('service.instance.id', 'k8s.pod.uid', 'k8s.pod.name', 'container.id', 'host.name'),
      taggedResource: withAttributes(resource, written),
      attributes: written,
    };
  }

  /** A role that changed is part of tags already cached. Rollouts change rarely, so all of them are made anew. */
  #forgetStaleRoles(): void {
    const { epoch } = this.#context.roles;
    if (epoch === this.#rolesEpoch) return;
    this.#rolesEpoch = epoch;
    this.#cache.clear();
  }

  /** The deployment events of a batch, by record. */
  #deployments(batch: TelemetryBatch, columns: LogColumns, tags: readonly Tag[]): Map<number, DeploymentEvent> {
    const events = new Map<number, DeploymentEvent>();
    for (let i = 0; i < columns.count; i++) {
      if (columns.isDeployment[i] === 0) continue;
      const event = readDeploymentEvent(batch, i, tags[columns.resource[i] as number] as Tag, this.#naming);
      if (event === undefined) continue;
      events.set(i, event);
      if (event.status !== 'failed') this.#learnRole(event);
    }
    return events;
  }

  /** A deployment event names both versions before the new one has sent anything. */
  #learnRole(event: DeploymentEvent): void {
    const serviceKey = serviceKeyOf(event.namespace, event.service, event.environment);
    // A later event of the same deployment need not name the previous version again.
    const isKnown = this.#context.roles.of(serviceKey, event.version) === 'candidate';
    if (isKnown && event.previousVersion === '') return;
    this.#context.roles.begin(serviceKey, event.previousVersion, event.version);
  }

  #count(source: string): void {
    let count = this.#counts.get(source);
    if (count === undefined) {
      count = this.#context.meter.counter('windback_deployment_resources_total', {
        processor: this.#context.id,
        source,
      });
      this.#counts.set(source, count);
    }
    count.add(1);
  }
}

const NONE: ReadonlyMap<number, DeploymentEvent> = new Map();
const NOBODY: ReadonlySet<number> = new Set();

/** Resources that only announce deployments: a pipeline's, not a running service's, so that it has no version is no blind spot. */
function onlyAnnouncing({ count, resource, isDeployment, resources }: LogColumns): ReadonlySet<number> {
  const only = new Set(Array.from({ length: resources.count }, (_, i) => i));
  for (let i = 0; i < count; i++) if (isDeployment[i] === 0) only.delete(resource[i] as number);
  return only;
}
