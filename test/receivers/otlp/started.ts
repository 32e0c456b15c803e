import type { Context } from '../../../pipeline/component.ts';
import { otlpReceiverConfig } from '../../../receivers/otlp/config.ts';
import { OtlpReceiver } from '../../../receivers/otlp/otlp.ts';
import { Sink, testContext } from '../../support/context.ts';

export interface Started {
  readonly receiver: OtlpReceiver;
  readonly sink: Sink;
  readonly context: Context;
  readonly grpc: string;
  readonly http: string;
}

/** A receiver on free ports, with these keys for both protocols and those for itself. */
export async function started(
  both: Record<string, unknown> = {},
  own: Record<string, unknown> = {},
  parts: { sink?: Sink; context?: Context; http?: Record<string, unknown> } = {},
): Promise<Started> {
  const { sink = new Sink(), context = testContext('otlp') } = parts;
  const listener = { endpoint: '127.0.0.1:0', ...both };
  const config = otlpReceiverConfig.parse({
    protocols: { grpc: listener, http: { ...listener, ...parts.http } },
    ...own,
  });
  const receiver = new OtlpReceiver(config, sink, context);
  await receiver.start();
  const { grpc = '', http = '' } = receiver.addresses();
  return { receiver, sink, context, grpc, http };
}
