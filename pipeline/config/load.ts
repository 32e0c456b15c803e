import { availableParallelism } from 'node:os';
import type { AuthExtension } from '../auth/config.ts';
import { checkGraph, type Wirable } from '../graph-check.ts';
import type { ComponentTable } from '../component.ts';
import type { z } from 'zod';
import { check } from './check.ts';
import { type Components, checkComponents } from './components.ts';
import { expand } from './expand.ts';
import { checkExtensionRefs, isAuthenticator, unusedAuthenticators } from './extension-refs.ts';
import { type FileStorageConfig, fileStorageConfig } from './file-storage.ts';
import type { LoadedConfig, PipelineConfig, ServiceSettings } from './loaded.ts';
import { type Located, find } from './located.ts';
import { checkPipelines } from './pipelines.ts';
import { ConfigError, type Problem, sortProblems } from './report.ts';
import type { Endpoint } from './scalars.ts';
import { EXTENSIONS, ID, type Section, healthCheckConfig, rootConfig, serviceConfig } from './schema.ts';
import { type Merged, type SourcesInput, readSources } from './sources.ts';

/**
 * Reads, merges, expands and checks a configuration. Throws `ConfigError` with every problem, in the order of lines:
 * first those of YAML itself, and only when there are none, those of what it says.
 */
export function loadConfig(input: SourcesInput, table: ComponentTable): LoadedConfig {
  return checkMerged(mergeSources(input), input, table);
}

/** Gives the factories of the kinds that are named, each as `exporters/otlp`, or all there are. */
export type LoadComponents = (kinds?: ReadonlySet<string>) => Promise<ComponentTable>;

/** The same, loading no more components than the configuration names. */
export async function loadConfigLazily(input: SourcesInput, load: LoadComponents): Promise<LoadedConfig> {
  const merged = mergeSources(input);
  try {
    return checkMerged(merged, input, await load(kindsIn(merged.root)));
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
  }
  // What is wrong with it is told in view of everything that could have been meant.
  return checkMerged(merged, input, await load());
}

function mergeSources(input: SourcesInput): Merged {
  const merged = readSources(input);
  if (merged.problems.length > 0) throw new ConfigError(merged.problems, merged.files);
  return merged;
}

/** The components that stand in a configuration, each as section and type. */
function kindsIn(root: Located): ReadonlySet<string> {
  const kinds = (['receivers', 'processors', 'connectors', 'exporters'] as const).flatMap((section) => {
    const { node } = find(root, [section]);
    const ids = node?.kind === 'map' ? [...node.entries.keys()] : [];
    return ids.map((id) => `${section === 'connectors' ? 'processors' : section}/${ID.exec(id)?.groups?.type}`);
  });
  return new Set(kinds);
}

function checkMerged(merged: Merged, { env, readSecret }: SourcesInput, table: ComponentTable): LoadedConfig {
  const problems: Problem[] = [];
  const root = expand(merged.root, env, problems, readSecret);
  const top = check(rootConfig, root, { path: [], keyAt: root.at });
  problems.push(...top.problems);

  const sections = checkSections(root, table, problems);
  const { receivers, processors, connectors, exporters, extensions } = sections;
  for (const id of connectors.ids) if (processors.ids.has(id)) problems.push(twice(root, id));
  const configuredProcessors = new Map([...processors.configured, ...connectors.configured]);
  const referable = {
    receivers: receivers.ids,
    processors: new Set([...processors.ids, ...connectors.ids]),
    exporters: exporters.ids,
    processorFactories: new Map([...configuredProcessors].map(([id, { factory }]) => [id, factory])),
  };
  const pipelines = checkPipelines(root, referable, problems);
  const named = checkExtensionRefs(root, extensions.ids, problems);
  const wirable = {
    receivers: receivers.configured,
    processors: configuredProcessors,
    exporters: exporters.configured,
    pipelines,
  };
  problems.push(...checkGraph(wirable, flawed(wirable, problems)));
  if (problems.length > 0 || top.output === undefined) throw new ConfigError(problems, merged.files);

  const warnings = [
    ...unused(root, sections, pipelines),
    ...unusedAuthenticators(root, extensions.ids, named),
    ...ignored(root, extensions),
  ];
  return {
    ...wirable,
    service: serviceSettings(top.output.service, extensions),
    warnings: sortProblems(warnings, merged.files),
    tree: asWritten(top.value, sections),
  };
}

/** Tells the pipelines that cannot be wired: something is wrong with what they say, or with what they name. */
function flawed(wirable: Wirable, problems: readonly Problem[]): (pipeline: PipelineConfig) => boolean {
  const paths = problems.map(({ path }) => path);
  return ({ id, receivers, processors, exporters }) => {
    const own = `service.pipelines.${id}`;
    if (paths.some((path) => path === own || path.startsWith(`${own}.`))) return true;
    return [...receivers, ...processors, ...exporters].some((ref) => !wirable[ref.from].has(ref.id));
  };
}

type Sections = ReturnType<typeof checkSections>;

function checkSections(root: Located, table: ComponentTable, problems: Problem[]) {
  const extensionKinds = Object.entries(EXTENSIONS).map(([type, extension]) => ({ type, ...extension }));
  return {
    receivers: checkComponents(root, 'receivers', table.receivers, table, problems),
    processors: checkComponents(root, 'processors', table.processors, table, problems),
    connectors: checkComponents(root, 'connectors', table.processors, table, problems),
    exporters: checkComponents(root, 'exporters', table.exporters, table, problems),
    extensions: checkComponents(root, 'extensions', extensionKinds, table, problems),
  };
}

function twice(root: Located, id: string): Problem {
  const todo = 'keep one of them: connectors and processors share their ids';
  return { at: find(root, ['connectors', id]).keyAt, path: `connectors.${id}`, what: `processors has ${id} too`, todo };
}

function unused(root: Located, sections: Sections, pipelines: readonly PipelineConfig[]): Problem[] {
  const used = { receivers: new Set<string>(), processors: new Set<string>(), exporters: new Set<string>() };
  for (const { receivers, processors, exporters } of pipelines) {
    for (const { id, from } of [...receivers, ...processors, ...exporters]) used[from].add(id);
  }
  return (['receivers', 'processors', 'connectors', 'exporters'] as const).flatMap((section) =>
    [...sections[section].ids]
      .filter((id) => !used[section === 'connectors' ? 'processors' : section].has(id))
      .map((id) => {
        const at = find(root, [section, id]).keyAt;
        return {
          at,
          path: `${section}.${id}`,
          what: 'no pipeline uses it',
          todo: 'list it in a pipeline, or remove it',
        };
      }),
  );
}

function ignored(root: Located, extensions: Sections['extensions']): Problem[] {
  return [...extensions.configured.values()]
    .filter(({ factory }) => factory.isIgnored)
    .map(({ id }) => {
      const at = find(root, ['extensions', id]).keyAt;
      return { at, path: `extensions.${id}`, what: 'accepted, but it has no effect here', todo: 'remove it' };
    });
}

function serviceSettings(service: z.output<typeof serviceConfig>, extensions: Sections['extensions']): ServiceSettings {
  const { logs, metrics, admin } = service.telemetry;
  const extension = (schema: z.ZodType): unknown =>
    [...extensions.configured.values()].find(({ factory }) => factory.config === schema)?.config;
  const healthCheck = (extension(healthCheckConfig) ?? healthCheckConfig.parse({})) as z.output<
    typeof healthCheckConfig
  >;
  const reader: Endpoint | undefined = metrics.readers?.[0]?.pull.exporter.prometheus;
  const endpoint =
    reader === undefined ? (metrics.address ?? metrics.endpoint) : { host: reader.host, port: reader.port };
  return {
    logLevel: logs.level,
    metrics: metrics.level === 'none' ? undefined : { ...endpoint, tls: metrics.tls },
    adminToken: admin.token,
    authenticators: [...extensions.configured.values()]
      .filter(({ id }) => isAuthenticator(id))
      .map(({ id, config }) => ({ id, type: ID.exec(id)?.groups?.type, config }) as AuthExtension),
    fileStorage: extension(fileStorageConfig) as FileStorageConfig | undefined,
    healthCheck: healthCheck.enabled ? { ...healthCheck.endpoint, tls: healthCheck.tls } : undefined,
    workers: service.workers === 'auto' ? availableParallelism() : service.workers,
    shutdownTimeoutMs: service.shutdown_timeout,
  };
}

/** The user's configuration as plain values, in the user's order. */
function asWritten(top: unknown, sections: Sections): unknown {
  return Object.fromEntries(
    Object.entries(top as object).map(([key, value]: [string, unknown]) => {
      const section: Components<unknown> | undefined = Object.hasOwn(sections, key)
        ? sections[key as Section]
        : undefined;
      return [key, section === undefined ? value : Object.fromEntries(section.values)];
    }),
  );
}
