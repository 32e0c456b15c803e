/** What `windback replay` judges with where no configuration is given: every default, all telemetry. */
export const DEFAULT_POLICY = `
receivers:
  otlp_file: {include: [capture.jsonl]}
processors:
  deployment: {}
  health: {}
  verdict: {}
exporters:
  debug: {}
service:
  pipelines:
    traces: {receivers: [otlp_file], processors: [deployment, health], exporters: [debug]}
    metrics: {receivers: [otlp_file], processors: [deployment, health], exporters: [debug]}
    logs: {receivers: [otlp_file], processors: [deployment, health], exporters: [debug]}
    decisions: {receivers: [health], processors: [verdict], exporters: [debug]}
`;
