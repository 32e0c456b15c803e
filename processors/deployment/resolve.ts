import { compilePattern } from '../../pipeline/pattern/pattern.ts';
import { PatternError } from '../../pipeline/pattern/syntax.ts';
import { nameOf } from '../../pipeline/tag.ts';
import type { AttributeValue } from '../../proto/otlp/resource.ts';
import type { DeploymentConfig } from './config.ts';

export type Attributes = ReadonlyMap<string, AttributeValue>;

/** A version and the attribute it came from. */
export interface Resolved {
  readonly version: string;
  readonly source: string;
}

/** Where Kubernetes attributes of the k8sattributes processor, the operator and detectors put a label or annotation. */
const KUBERNETES_PREFIXES = [
  '',
  'k8s.pod.label.',
  'k8s.pod.labels.',
  'k8s.pod.annotation.',
  'k8s.pod.annotations.',
  'k8s.deployment.label.',
  'k8s.deployment.labels.',
];
const KUBERNETES_KEYS = new Set(['app.kubernetes.io/version', 'pod-template-hash']);

/** How a version that was found becomes the one that is judged: by the mapping, and by the cohort it is split into. */
export interface Naming {
  name(version: string, attributes: Attributes): string;
  /** Whether the attributes tell every part that versions are split by. */
  isComplete(attributes: Attributes): boolean;
}

export function compileNaming(config: DeploymentConfig): Naming {
  const rewrite = compileMapping(config.mapping);
  const parts = (attributes: Attributes) =>
    config.cohort_by.map((key) => textOf(attributes.get(key))).filter((part) => part !== '');
  return {
    name: (version, attributes) => nameOf([rewrite(version), ...parts(attributes)].join('+')),
    isComplete: (attributes) => parts(attributes).length === config.cohort_by.length,
  };
}

/** Compiles the configuration into a function from a resource's attributes to its version, if it has one. */
export function compileResolver(
  config: DeploymentConfig,
  naming: Naming,
): (attributes: Attributes) => Resolved | undefined {
  const sources = config.sources.map((name) => ({
    name,
    keys: KUBERNETES_KEYS.has(name) ? KUBERNETES_PREFIXES.map((prefix) => prefix + name) : [name],
  }));
  return (attributes) => {
    const found =
      config.static === undefined ? find(sources, attributes) : { version: config.static, source: 'static' };
    if (found === undefined) return undefined;
    return { version: naming.name(found.version, attributes), source: found.source };
  };
}

function find(
  sources: readonly { readonly name: string; readonly keys: readonly string[] }[],
  attributes: Attributes,
): Resolved | undefined {
  for (const { name, keys } of sources) {
    for (const key of keys) {
      const version = textOf(attributes.get(key));
      if (version !== '') return { version, source: key };
    }
    if (name !== 'pod-template-hash') continue;
    const hash = hashOf(textOf(attributes.get('k8s.replicaset.name')));
    if (hash !== '') return { version: hash, source: 'k8s.replicaset.name' };
  }
  return undefined;
}

/** A ReplicaSet is named after its Deployment and the hash of its pod template, from Kubernetes' own alphabet. */
function hashOf(replicaSet: string): string {
  return /-([bcdfghjklmnpqrstvwxz2456789]{6,10})$/.exec(replicaSet)?.[1] ?? '';
}

function compileMapping(rules: DeploymentConfig['mapping']): (version: string) => string {
  const compiled = rules.map(({ match, pattern, version }) => ({
    matcher: pattern === undefined ? undefined : new RegExp(`^(?:${pattern})$`, 'u'),
    mayMatch: pattern === undefined ? undefined : swiftTest(`^(?:${pattern})$`),
    match,
    version,
  }));
  return (found) => {
    for (const { matcher, mayMatch, match, version } of compiled) {
      if (match === found) return version;
      // A version of no characters would be none: what was found stays.
      if (matcher !== undefined && mayMatch?.(found) && matcher.test(found))
        return found.replace(matcher, version) || found;
    }
    return found;
  };
}

/**
 * Tells in a time that depends on the length alone whether a pattern fits: JavaScript's own engine, which knows the groups,
 * can be kept busy for hours by a version that nearly does. What only that engine understands is left to it.
 */
function swiftTest(source: string): (text: string) => boolean {
  try {
    return compilePattern(source);
  } catch (thrown) {
    if (thrown instanceof PatternError) return () => true;
    throw thrown;
  }
}

/** A list counts by its first entry: image tags come as one. */
export function textOf(value: AttributeValue): string {
  if (Array.isArray(value)) return textOf(value[0] as AttributeValue);
  return value === undefined ? '' : nameOf(String(value).trim());
}
