/** In the configuration this stands for `RESOURCE_METRICS`. */
export const CONVENTIONS = 'conventions';

/**
 * Metrics that tell what an instance uses up, by the OpenTelemetry semantic conventions (documents `system/` and
 * `runtime/`, to 1.45), with the names that older versions and the Collector's receivers still send. A counter counts
 * by its rate, so `process.cpu.time` reads as cores in use.
 */
export const RESOURCE_METRICS: readonly string[] = [
  // The process, as the operating system sees it.
  'process.cpu.time',
  'process.cpu.utilization',
  'process.memory.usage',
  'process.memory.utilization',
  'process.memory.physical_usage',
  'process.thread.count',
  'process.threads',
  'process.unix.file_descriptor.count',
  'process.open_file_descriptor.count',
  'process.open_file_descriptors',
  'process.windows.handle.count',
  // Its container and its pod; kubeletstats and docker_stats of the Collector among the senders.
  'container.cpu.time',
  'container.cpu.usage',
  'container.cpu.utilization',
  'container.memory.usage',
  'container.memory.usage.total',
  'container.memory.working_set',
  'container.memory.rss',
  'k8s.pod.cpu.time',
  'k8s.pod.cpu.usage',
  'k8s.pod.cpu.utilization',
  'k8s.pod.memory.usage',
  'k8s.pod.memory.working_set',
  'k8s.pod.memory.rss',
  // Java.
  'jvm.memory.used',
  'jvm.memory.used_after_last_gc',
  'jvm.cpu.time',
  'jvm.cpu.recent_utilization',
  'jvm.thread.count',
  'process.runtime.jvm.memory.usage',
  'process.runtime.jvm.cpu.utilization',
  'process.runtime.jvm.threads.count',
  // Node.js.
  'nodejs.eventloop.delay.p90',
  'nodejs.eventloop.delay.p99',
  'nodejs.eventloop.utilization',
  'v8js.memory.heap.used',
  'nodejs.memory.heap.used',
  'process.runtime.nodejs.memory.heap.used',
  'process.runtime.nodejs.memory.rss',
  // Go.
  'go.memory.used',
  'go.memory.allocated',
  'go.goroutine.count',
  'process.runtime.go.goroutines',
  'process.runtime.go.mem.heap_alloc',
  // .NET.
  'dotnet.process.cpu.time',
  'dotnet.process.memory.working_set',
  'dotnet.gc.pause.time',
  'dotnet.gc.last_collection.heap.size',
  'dotnet.thread_pool.queue.length',
  'dotnet.thread_pool.thread.count',
  'dotnet.exceptions',
  'process.runtime.dotnet.gc.heap.size',
  'process.runtime.dotnet.thread_pool.queue.length',
  // Python.
  'cpython.gc.collections',
  'process.runtime.cpython.memory',
  'process.runtime.cpython.cpu.utilization',
  'process.runtime.cpython.thread_count',
];
