import type { ComponentTable } from '../pipeline/component.ts';
import { deployment } from '../processors/deployment/factory.ts';
import { health } from '../processors/health/factory.ts';

/** THE table: what is not listed here does not exist. */
export const components: ComponentTable = {
  receivers: [],
  processors: [deployment, health],
  exporters: [],
};
