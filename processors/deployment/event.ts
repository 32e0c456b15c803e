import type { LogColumns } from '../../proto/otlp/columns.ts';
import { type AttributeValue, readAttributes } from '../../proto/otlp/resource.ts';
import type { DeploymentEvent } from '../../proto/windback/health.ts';
import type { TelemetryBatch } from '../../pipeline/batch.ts';
import { nameOf, type Tag } from '../../pipeline/tag.ts';
import type { Naming } from './resolve.ts';

/** LogRecord.attributes. */
const LOG_ATTRIBUTES = 6;
const FLAG = 'feature_flag.key';

/**
 * Record `i` of a logs batch, whose `isDeployment` is set, as a deployment event; its versions are named as those of
 * telemetry are. Undefined where it names no version, for then it says nothing.
 */
export function readDeploymentEvent(
  batch: TelemetryBatch,
  i: number,
  tag: Tag,
  naming: Naming,
): DeploymentEvent | undefined {
  const columns = batch.columns as LogColumns;
  const attributes = readAttributes(
    batch.bytes,
    columns.offset[i] as number,
    columns.length[i] as number,
    LOG_ATTRIBUTES,
  );
  if (attributes.has(FLAG)) return variantRollout(attributes, tag, columns.timeSeconds[i] as number);
  const version = text(attributes.get('service.version'));
  if (version === '') return undefined;
  const previous = text(attributes.get('deployment.previous_version'));
  return {
    ...subjectOf(attributes, tag),
    version: naming.name(version, attributes),
    previousVersion: previous === '' ? '' : naming.name(previous, attributes),
    status: text(attributes.get('deployment.status')),
    // A share of what, if it does not say of which cohort? To judge silence by it would be to guess.
    weight: naming.isComplete(attributes) ? weightOf(attributes) : null,
    atSeconds: columns.timeSeconds[i] as number,
  };
}

/** Of which service, where. An event mostly comes from a pipeline, and so names the service itself. */
function subjectOf(
  attributes: ReadonlyMap<string, AttributeValue>,
  tag: Tag,
): Pick<DeploymentEvent, 'namespace' | 'service' | 'environment'> {
  return {
    namespace: tag.namespace,
    service: text(attributes.get('service.name')) || tag.service,
    environment: text(attributes.get('deployment.environment.name')) || tag.environment,
  };
}

/**
 * A variant of a feature flag that is being rolled out: a version of the service `SERVICE#FLAG`, as the `health`
 * processor folds it with `feature_flags`. Variants are named as they are, not as versions are.
 */
function variantRollout(
  attributes: ReadonlyMap<string, AttributeValue>,
  tag: Tag,
  atSeconds: number,
): DeploymentEvent | undefined {
  const flag = text(attributes.get(FLAG));
  const version = text(attributes.get('feature_flag.result.variant')) || text(attributes.get('feature_flag.variant'));
  const subject = subjectOf(attributes, tag);
  if (flag === '' || version === '') return undefined;
  return {
    ...subject,
    service: `${subject.service}#${flag}`,
    version,
    previousVersion: text(attributes.get('deployment.previous_version')),
    status: text(attributes.get('deployment.status')),
    weight: weightOf(attributes),
    atSeconds,
  };
}

/** The share that the new version should have, 0 to 1: told as such, or as instances of a total. */
function weightOf(attributes: ReadonlyMap<string, AttributeValue>): number | null {
  const weight = numberOf(attributes.get('deployment.weight'));
  if (weight >= 0 && weight <= 1) return weight;
  const instances = numberOf(attributes.get('deployment.instances'));
  const total = numberOf(attributes.get('deployment.instances.total'));
  return instances >= 0 && total > 0 ? Math.min(1, instances / total) : null;
}

/** NaN where it says none: an empty text is not 0. */
function numberOf(value: AttributeValue): number {
  return text(value).trim() === '' ? Number.NaN : Number(value);
}

function text(value: AttributeValue): string {
  return value === undefined || typeof value === 'object' ? '' : nameOf(String(value));
}
