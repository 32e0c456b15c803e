import { serviceKeyOf, type Tag } from '../../pipeline/tag.ts';
import { RESOURCE } from '../../proto/otlp/attribute-shapes.ts';
import { Redactor } from '../../proto/otlp/redactor.ts';
import { withAttributes } from '../../proto/otlp/resource.ts';
import type { DeploymentEvent } from '../../proto/windback/health.ts';
import type { Rules } from './rules.ts';

/**
 * Redacts what the tagger found out before: names that stand outside of any attribute now, and the resource that will be
 * written in place of the one that came.
 */
export class TagRedactor {
  readonly #rules: Rules;
  readonly #redactor: Redactor;
  /** One for each, since whoever folds tells tags by their identity. */
  readonly #known = new WeakMap<Tag, Tag>();

  constructor(rules: Rules) {
    this.#rules = rules;
    this.#redactor = new Redactor(rules);
  }

  tag(tag: Tag): Tag {
    let redacted = this.#known.get(tag);
    if (redacted === undefined) {
      redacted = this.#redact(tag);
      this.#known.set(tag, redacted);
    }
    return redacted;
  }

  event(event: DeploymentEvent): DeploymentEvent {
    return {
      ...event,
      namespace: this.#text(event.namespace),
      service: this.#text(event.service),
      environment: this.#text(event.environment),
      version: this.#text(event.version),
      previousVersion: this.#text(event.previousVersion),
    };
  }

  /** The tag itself where nothing of it is redacted. */
  #redact(tag: Tag): Tag {
    const [namespace, service, environment, version, instance] = [
      this.#text(tag.namespace),
      this.#text(tag.service),
      this.#text(tag.environment),
      this.#text(tag.version),
      this.#text(tag.instance),
    ];
    const attributes = tag.attributes.map(({ key, value }) => ({ key, value: this.#text(value) }));
    const resource = this.#redactor.redact(tag.taggedResource, RESOURCE, Buffer.allocUnsafe);
    const before = [tag.namespace, tag.service, tag.environment, tag.version, tag.instance];
    const isSame =
      [namespace, service, environment, version, instance].every((text, i) => text === before[i]) &&
      attributes.every(({ value }, i) => value === tag.attributes[i]?.value);
    if (resource === undefined && isSame) return tag;
    return {
      ...tag,
      namespace,
      service,
      environment,
      version,
      instance,
      attributes,
      serviceKey: serviceKeyOf(namespace, service, environment),
      // The tagger's own attributes are no sender's: they stay, whatever keys are allowed.
      taggedResource: withAttributes(resource ?? tag.taggedResource, attributes),
    };
  }

  #text(text: string): string {
    const bytes = Buffer.from(text);
    if (this.#rules.isAllowed(bytes, 0, bytes.length)) return text;
    const redacted = this.#rules.redact(bytes, 0, bytes.length);
    return redacted === undefined ? text : Buffer.from(redacted).toString('utf8');
  }
}
