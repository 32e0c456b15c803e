import type { ComponentTable, ExporterFactory, ProcessorFactory, ReceiverFactory } from '../pipeline/component.ts';

/** THE table: what is not listed here does not exist. By type; each is loaded when it is needed, with all it imports. */
export const COMPONENTS = {
  receivers: {
    otlp: async () => (await import('../receivers/otlp/factory.ts')).otlpReceiver,
    otlp_file: async () => (await import('../receivers/otlp-file/factory.ts')).otlpFile,
  },
  processors: {
    memory_limiter: async () => (await import('../processors/memory-limiter/factory.ts')).memoryLimiter,
    batch: async () => (await import('../processors/batch/factory.ts')).batch,
    redaction: async () => (await import('../processors/redaction/factory.ts')).redaction,
    deployment: async () => (await import('../processors/deployment/factory.ts')).deployment,
    health: async () => (await import('../processors/health/factory.ts')).health,
    verdict: async () => (await import('../processors/verdict/factory.ts')).verdict,
  },
  exporters: {
    debug: async () => (await import('../exporters/debug/factory.ts')).debug,
    file: async () => (await import('../exporters/file/factory.ts')).file,
    kafka: async () => (await import('../exporters/kafka/factory.ts')).kafkaExporter,
    otlp: async () => (await import('../exporters/otlp/factory.ts')).otlpExporter,
    otlp_http: async () => (await import('../exporters/otlp-http/factory.ts')).otlpHttpExporter,
  },
} as const satisfies {
  readonly receivers: Loaders<ReceiverFactory>;
  readonly processors: Loaders<ProcessorFactory>;
  readonly exporters: Loaders<ExporterFactory>;
};

type Loaders<Factory> = Readonly<Record<string, () => Promise<Factory>>>;

/** The factories of `kinds`, each as `exporters/otlp`, in the order of the table; all there are, where none are given. */
export async function loadComponents(kinds?: ReadonlySet<string>): Promise<ComponentTable> {
  const load = <Factory>(section: string, loaders: Loaders<Factory>): Promise<Factory[]> => {
    const chosen = Object.entries(loaders).filter(([type]) => kinds?.has(`${section}/${type}`) ?? true);
    return Promise.all(chosen.map(([, loader]) => loader()));
  };
  const [receivers, processors, exporters] = await Promise.all([
    load<ReceiverFactory>('receivers', COMPONENTS.receivers),
    load<ProcessorFactory>('processors', COMPONENTS.processors),
    load<ExporterFactory>('exporters', COMPONENTS.exporters),
  ]);
  return { receivers, processors, exporters };
}
