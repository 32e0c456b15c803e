/** What an indicator is read from: groups of instances with what they did in a block. */
import { InstanceBlock } from '../../processors/verdict/block.ts';
import type { View } from '../../processors/verdict/indicators/reader.ts';
import { series, type SeriesSpec } from './judging.ts';

/** One group's block. */
export function group(...specs: readonly Omit<SeriesSpec, 'version'>[]): InstanceBlock {
  const made = new InstanceBlock();
  for (const spec of specs) made.add(series({ version: '', ...spec }));
  return made;
}

export function view(
  candidate: readonly (InstanceBlock | undefined)[],
  baseline: readonly (InstanceBlock | undefined)[],
  requests: View['requests'] = 'span',
): View {
  return { candidate, baseline, requests };
}
