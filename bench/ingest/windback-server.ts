/** The path under test: OTLP gRPC -> deployment -> health, as configured by a user, with an exporter that forgets. */
import { z } from 'zod';
import { loadComponents } from '../../cmd/components.ts';
import type { ComponentTable, ExporterFactory } from '../../pipeline/component.ts';
import { SystemClock } from '../../pipeline/clock.ts';
import { loadConfig } from '../../pipeline/config/load.ts';
import { Service } from '../../pipeline/service.ts';
import { createLogger } from '../../pipeline/telemetry/logger.ts';
import { Meter } from '../../pipeline/telemetry/meter.ts';
import { METRICS } from '../../pipeline/telemetry/metrics-table.ts';
import { freePort } from '../load/free-port.ts';
import { serve } from '../load/child.ts';

const components = await loadComponents();

let items = 0;
const forget: ExporterFactory = {
  type: 'forget',
  stability: 'alpha',
  summary: 'Counts and forgets.',
  config: z.strictObject({}),
  accepts: ['traces', 'health'],
  create: () => ({
    start: async () => {},
    stop: async () => {},
    consume: async (batch) => {
      if (batch.signal === 'traces') items += batch.items;
    },
  }),
};

const port = await freePort();
const table: ComponentTable = { ...components, exporters: [forget] };
const yaml = `
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:${port}"}}}}
processors: {deployment: {}, health: {drop_duplicates: false}}
exporters: {forget: {}}
service:
  telemetry: {logs: {level: error}}
  pipelines:
    traces: {receivers: [otlp], processors: [deployment, health], exporters: [forget]}
    health: {receivers: [health], exporters: [forget]}
`;
const loaded = loadConfig({ sources: [`yaml:${yaml}`], sets: [], env: {}, readFile: () => '' }, table);
const service = new Service(loaded, {
  clock: new SystemClock(),
  random: Math.random,
  logger: createLogger('error'),
  meter: new Meter(METRICS),
});
await service.start();
serve(port, () => items);
