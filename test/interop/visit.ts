import { itemsOf } from './items.ts';
import { type Processors, startProgram } from './program.ts';
import { type BySignal, SIGNALS, type Transport } from './signals.ts';
import { startWire } from './wire.ts';

/** What one client sent to the program, and what became of it. */
export interface Visit {
  readonly sent: BySignal<string[]>;
  readonly written: BySignal<string[]>;
  /** Whether this text passed from the client uncompressed. */
  readonly sawPlain: (text: string) => boolean;
}

/** Sends to a port and gives, as requests in OTLP/JSON, what it sent. */
export type Client = (port: number) => Promise<BySignal<readonly unknown[]>>;

/** Starts the program, lets the client send all it has, stops the program. */
export async function visit(transport: Transport, client: Client, processors?: Processors): Promise<Visit> {
  const program = await startProgram(processors);
  const wire = await startWire(program.ports[transport]);
  try {
    const sent = await client(wire.port);
    return { sent: items(sent), written: items(await program.stop()), sawPlain: wire.saw };
  } catch (error) {
    await program.stop().catch(() => {});
    throw error;
  } finally {
    await wire.close();
  }
}

function items(requests: BySignal<readonly unknown[]>): BySignal<string[]> {
  const entries = SIGNALS.map((signal) => [signal, itemsOf(signal, requests[signal])]);
  return Object.fromEntries(entries) as BySignal<string[]>;
}
