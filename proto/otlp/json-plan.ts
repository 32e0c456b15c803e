import protobuf from 'protobufjs';

/** How a field's value stands in JSON: a message, an enum, hex digits (ids), or the protobuf scalar itself. */
export type FieldKind = 'message' | 'enum' | 'id' | ScalarType;

export type ScalarType =
  | 'double'
  | 'float'
  | 'int32'
  | 'uint32'
  | 'sint32'
  | 'fixed32'
  | 'sfixed32'
  | 'int64'
  | 'uint64'
  | 'sint64'
  | 'fixed64'
  | 'sfixed64'
  | 'bool'
  | 'string'
  | 'bytes';

/** What JSON needs to know of one field, worked out once. */
export interface FieldPlan {
  readonly id: number;
  /** lowerCamelCase, what we write. */
  readonly json: string;
  /** The name in the .proto file, which proto3 JSON accepts too. */
  readonly proto: string;
  readonly kind: FieldKind;
  /** The scalar's type on the wire; undefined for messages. */
  readonly scalar: ScalarType | undefined;
  readonly wireType: number;
  readonly repeated: boolean;
  /** Whether a default value on the wire differs from no value: members of a oneof and `optional` fields. */
  readonly hasPresence: boolean;
  /** JSON names of the other members of its oneof. */
  readonly rivals: readonly string[];
  /** Of an id: how many bytes it must have, and whether it may be empty. */
  readonly idLength: number;
  readonly mayBeEmpty: boolean;
  /** Of an enum: numbers by name. */
  readonly names: Readonly<Record<string, number>>;
  /** Of a message field: its type. */
  readonly type: protobuf.Type | undefined;
}

/** One message type. */
export interface MessagePlan {
  /** In the order of field numbers, which is the order on the wire. */
  readonly fields: readonly FieldPlan[];
  readonly byId: ReadonlyMap<number, FieldPlan>;
}

/**
 * How deep messages may nest, the request itself included: what protobuf implementations allow by default. An
 * attribute can hold lists of lists some thirty levels deep.
 */
export const NESTING_MAX = 100;

const plans = new WeakMap<protobuf.Type, MessagePlan>();

export function planOf(type: protobuf.Type): MessagePlan {
  let plan = plans.get(type);
  if (plan === undefined) {
    const fields = type.fieldsArray.map(planField).sort((a, b) => a.id - b.id);
    plan = { fields, byId: new Map(fields.map((field) => [field.id, field])) };
    plans.set(type, plan);
  }
  return plan;
}

/** OTLP/JSON writes these fields as hex, where proto3 JSON would write base64 (OTLP specification, JSON encoding). */
const ID_BYTES: Readonly<Record<string, number>> = { trace_id: 16, span_id: 8, parent_span_id: 8 };

function planField(field: protobuf.Field): FieldPlan {
  field.resolve();
  const target = field.resolvedType;
  const idLength = field.type === 'bytes' ? (ID_BYTES[field.protoName] ?? 0) : 0;
  let kind: FieldKind = field.type as ScalarType;
  if (target instanceof protobuf.Type) kind = 'message';
  else if (target instanceof protobuf.Enum) kind = 'enum';
  else if (idLength > 0) kind = 'id';
  const scalar = kind === 'message' ? undefined : kind === 'enum' ? 'int32' : (field.type as ScalarType);
  return {
    id: field.id,
    json: field.jsonName,
    proto: field.protoName,
    kind,
    scalar,
    wireType: scalar === undefined ? 2 : (protobuf.types.basic[scalar] as number),
    repeated: field.repeated,
    hasPresence: field.partOf !== null,
    rivals: (field.partOf?.fieldsArray ?? []).filter((other) => other !== field).map((other) => other.jsonName),
    idLength,
    // A span has an id; its parent, and the request that a log record or an exemplar belongs to, may be none.
    mayBeEmpty: !(field.parent?.name === 'Span' && field.protoName !== 'parent_span_id'),
    names: target instanceof protobuf.Enum ? target.values : {},
    type: target instanceof protobuf.Type ? target : undefined,
  };
}
