import { STATIC_NAMES, STATIC_VALUES } from './static-table.ts';

/** What no proxy on the way may keep in its table (RFC 7541, 7.1.3). */
const SECRETS = new Set(['authorization', 'cookie', 'x-api-key']);

/**
 * A header block (RFC 7541) that leaves the dynamic table alone, so that one block, made once, is right on every
 * connection. Names in lower case, values in Latin 1.
 */
export function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(Object.entries(headers).map(([name, value]) => field(name, value)));
}

function field(name: string, value: string): Buffer {
  const whole = STATIC_NAMES.findIndex((known, i) => i > 0 && known === name && STATIC_VALUES[i] === value);
  if (whole > 0) return integer(whole, 7, 0x80);
  // Literal Header Field without Indexing, or Never Indexed; its name by index where the table has it.
  const flags = SECRETS.has(name) ? 0x10 : 0;
  const named = STATIC_NAMES.indexOf(name, 1);
  const start = named > 0 ? [integer(named, 4, flags)] : [integer(0, 4, flags), text(name)];
  return Buffer.concat([...start, text(value)]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  return Buffer.concat([integer(bytes.length, 7, 0), bytes]);
}

/** An integer behind `flags`, with a prefix of so many bits (RFC 7541, 5.1). */
function integer(value: number, prefixBits: number, flags: number): Buffer {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) return Buffer.from([flags | value]);
  const bytes = [flags | mask];
  let rest = value - mask;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
