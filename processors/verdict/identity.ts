/** Who a service is, as the telemetry named it. */
export interface ServiceIdentity {
  readonly key: string;
  readonly namespace: string;
  readonly service: string;
  readonly environment: string;
}
