import { giveUp, type JsonCursor } from './json-cursor.ts';
import type { FieldKind } from './json-plan.ts';
import type { ProtobufRoom } from './json-room.ts';

/** Writes the integer that was read, where it is one of that kind. */
export function writeInteger(kind: FieldKind, from: JsonCursor, to: ProtobufRoom): void {
  const { low, high } = from;
  switch (kind) {
    case 'fixed64':
      if (from.isNegative) giveUp();
      to.fixed64(low, high);
      break;
    case 'uint64':
      if (from.isNegative) giveUp();
      to.varint64(low, high);
      break;
    case 'uint32':
      if (from.isNegative || high !== 0) giveUp();
      to.varint(low);
      break;
    case 'fixed32':
      if (from.isNegative || high !== 0) giveUp();
      to.fixed32(low);
      break;
    case 'sfixed64':
      if (from.isNegative) to.fixed64(negatedLow(from), negatedHigh(from));
      else to.fixed64(low, positiveHigh(from));
      break;
    case 'int64':
      if (from.isNegative) to.varint64(negatedLow(from), negatedHigh(from));
      else to.varint64(low, positiveHigh(from));
      break;
    case 'enum':
    case 'int32':
      if (high !== 0 || low > (from.isNegative ? 0x8000_0000 : 0x7fff_ffff)) giveUp();
      if (from.isNegative) to.varint64(negatedLow(from), negatedHigh(from));
      else to.varint(low);
      break;
    case 'sint32':
      if (high !== 0 || low > (from.isNegative ? 0x8000_0000 : 0x7fff_ffff)) giveUp();
      to.varint(from.isNegative ? (low - 1) * 2 + 1 : low * 2);
      break;
    default:
      // Types that OTLP does not use.
      giveUp();
  }
}

/** The upper word of an integer that is not negative, which must be below 2^63. */
function positiveHigh({ high }: JsonCursor): number {
  if (high > 0x7fff_ffff) giveUp();
  return high;
}

/** The words of a negative integer, which must not be below -2^63, in two's complement. */
function negatedHigh({ low, high }: JsonCursor): number {
  if (high > 0x8000_0000 || (high === 0x8000_0000 && low !== 0)) giveUp();
  return (low === 0 ? -high : ~high) >>> 0;
}

function negatedLow({ low }: JsonCursor): number {
  return -low >>> 0;
}
