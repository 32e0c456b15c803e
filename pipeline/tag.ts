/** What the deployment tagger found out about one resource. Shared by every batch that repeats the resource. */
export interface Tag {
  readonly namespace: string;
  readonly service: string;
  readonly environment: string;
  /** `namespace/service/environment`: what a rollout belongs to. */
  readonly serviceKey: string;
  /** The version, or `unknown`. */
  readonly version: string;
  /** Where the version came from, such as `service.version`; empty when unknown. */
  readonly source: string;
  /** `service.instance.id`, else the pod's or the host's name, else empty. */
  readonly instance: string;
  /** The Resource message with the tag's attributes written, for `target: resource`. */
  readonly taggedResource: Uint8Array;
  /** The tag's attributes, each an encoded KeyValue message, for `target: item`. */
  readonly attributes: readonly Tagged[];
}

/** One attribute to write. */
export interface Tagged {
  readonly key: string;
  readonly value: string;
}

/** The version of a resource that names none: counted and shown, never judged. */
export const UNKNOWN_VERSION = 'unknown';

/** UTF-16 units. Senders choose names, as long as a request may be, and whoever judges keeps them and saves them. */
const NAME_LENGTH_MAX = 500;

/** A name as it counts: of one that is longer than any is, the beginning stands for it. */
export function nameOf(text: string): string {
  // By way of bytes: a slice would keep all of the text alive.
  return text.length <= NAME_LENGTH_MAX ? text : Buffer.from(text.slice(0, NAME_LENGTH_MAX)).toString();
}

/** `namespace/service/environment`, with `%` and `/` inside the parts percent-encoded so that keys stay distinct. */
export function serviceKeyOf(namespace: string, service: string, environment: string): string {
  return [namespace, service, environment].map((part) => part.replace(/[%/]/g, encodeURIComponent)).join('/');
}
