/** What the table of errors says of each code; see `errors.ts`. */
export interface ErrorRow {
  /** What happened, as a sentence without a period; the detail of the occurrence follows it. */
  readonly what: string;
  /** What to do about it, for whoever reads the message. */
  readonly todo: string;
  /** Whether the same request can succeed later. */
  readonly retryable: boolean;
  readonly grpc: number;
  readonly http: number;
  /** The exit code if it ends the process: 1 failed, 2 usage, 78 configuration (sysexits EX_CONFIG). */
  readonly exit: 1 | 2 | 78;
}
