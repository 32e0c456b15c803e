/** Names of the ranges of severity, ascending. Source: OpenTelemetry logs data model, SeverityNumber. */
export const SEVERITIES = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'] as const;

/** The lowest severity number of a range; a number stands for itself. */
export function severityNumber(severity: number | (typeof SEVERITIES)[number]): number {
  return typeof severity === 'number' ? severity : SEVERITIES.indexOf(severity) * 4 + 1;
}
