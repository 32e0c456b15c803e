import type { Context, Outlets, ReceiverFactory } from '../../pipeline/component.ts';
import { type OtlpReceiverConfig, otlpReceiverConfig } from './config.ts';
import { OtlpReceiver } from './otlp.ts';

export const otlpReceiver: ReceiverFactory<typeof otlpReceiverConfig> = {
  type: 'otlp',
  stability: 'beta',
  summary: 'Receives OTLP over gRPC and HTTP (protobuf and JSON), compressed with gzip, zstd or nothing.',
  emits: ['traces', 'metrics', 'logs'],
  isShareable: true,
  config: otlpReceiverConfig,
  create: (config: OtlpReceiverConfig, next: Outlets, context: Context) => new OtlpReceiver(config, next, context),
};
