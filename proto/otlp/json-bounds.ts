import { NESTING_MAX } from './json-plan.ts';

/** How deep objects and lists may nest: a message is an object, mostly in a list. */
export const JSON_LEVELS_MAX = 2 * NESTING_MAX + 56;
/**
 * How many values a text may hold. To V8 an empty object is 24 times as large as its text: 64 MiB of them, which come as
 * 64 KiB of gzip, would take 2.5 GB and stop the thread for 9 seconds. Telemetry has some 20 bytes a value.
 */
export const JSON_VALUES_MAX = 4 * 1024 ** 2;
/** A shorter text can do no harm, and looking through it would take a tenth of the time of reading it. */
const UNCHECKED_CHARS_MAX = 256 * 1024;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

/** What makes a text too costly to be parsed, valid or not; undefined where nothing does. */
export function excessOf(text: string): string | undefined {
  if (text.length <= UNCHECKED_CHARS_MAX) return undefined;
  let level = 0;
  let values = 1;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      i = endOfString(text, i + 1);
    } else if (code === COMMA) {
      if (++values > JSON_VALUES_MAX) break;
    } else if ((code & 0x5f) === 0x5b) {
      // [ or {
      if (++level > JSON_LEVELS_MAX) return 'it is nested too deeply';
      if (++values > JSON_VALUES_MAX) break;
    } else if ((code & 0x5f) === 0x5d) level--;
  }
  return values > JSON_VALUES_MAX ? `it holds more than ${JSON_VALUES_MAX} values` : undefined;
}

/** Where the quote is that ends a string, or the end of the text. */
function endOfString(text: string, start: number): number {
  let i = start;
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === BACKSLASH) i++;
    else if (code === QUOTE) break;
  }
  return i;
}
