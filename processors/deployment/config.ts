import { z } from 'zod';

/** Where a version is looked for, the first that has one counting. */
export const DEFAULT_SOURCES = [
  'service.version',
  'app.kubernetes.io/version',
  'deployment.id',
  'deployment.name',
  'container.image.tags',
  'container.image.repo_digests',
  'pod-template-hash',
  'vcs.ref.head.revision',
] as const;

const rule = z
  .strictObject({
    match: z.string().optional().describe('The version exactly as found.'),
    pattern: z
      .string()
      .optional()
      .describe('A regular expression that the whole version must match; it may have named groups.'),
    version: z
      .string()
      .min(1)
      .describe('The version to use instead; `$<name>` stands for a named group of the pattern.'),
  })
  .refine(({ match, pattern }) => (match === undefined) !== (pattern === undefined), 'want either match or pattern')
  .refine(({ pattern }) => pattern === undefined || isPattern(pattern), 'pattern is not a regular expression');

export const deploymentConfig = z.strictObject({
  sources: z
    .array(z.string().min(1))
    .min(1)
    .default([...DEFAULT_SOURCES])
    .describe(
      'Resource attributes to take the version from, the first that has one counting. `app.kubernetes.io/version` and `pod-template-hash` are also looked for under the label and annotation prefixes of `k8s.*`, the latter also in `k8s.replicaset.name`.',
    ),
  mapping: z.array(rule).default([]).describe('Rules that rewrite the version found, the first that matches counting.'),
  static: z.string().min(1).optional().describe('A version for every resource, whatever it says.'),
  cohort_by: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'Further resource attributes, such as `deployment.ring`, that split a version into cohorts: the version becomes `1.4.2+ring`.',
    ),
  target: z
    .enum(['resource', 'item'])
    .default('resource')
    .describe(
      'Where the tag is written: on the resource, or on every span, data point and log record, for back ends that index only those.',
    ),
  cache_size: z.int().min(1).default(10_000).describe('How many distinct resources are remembered.'),
});

export type DeploymentConfig = z.output<typeof deploymentConfig>;

function isPattern(pattern: string): boolean {
  try {
    return new RegExp(pattern, 'u') instanceof RegExp;
  } catch {
    return false;
  }
}
