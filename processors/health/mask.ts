/**
 * Turns a message into its template: what differs from one occurrence to the next becomes a placeholder, so that
 * messages of one cause are one signature. A pure function of the text: every process gives the same template.
 */
import { isIPv6 } from 'node:net';

/** How much of a message is looked at, and how much of its template is kept; UTF-16 units. */
export const LOOKED_AT = 1000;
export const TEMPLATE_LENGTH = 200;

/**
 * The template of a message. Placeholders: `<str>` quoted text, `<url>`, `<email>`, `<time>`, `<ip>`, `<id>` for UUIDs
 * and long tokens, `<n>` for numbers, durations, sizes and short hexadecimal. Masking a template gives itself.
 */
export function mask(message: string): string {
  let template = shorten(message.slice(0, LOOKED_AT).toWellFormed());
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const next = shorten(RULES.reduce((text, rule) => rule(text), template)).slice(0, TEMPLATE_LENGTH);
    const kept = withoutTail(next);
    if (kept === template) return template;
    template = kept;
  }
  return template;
}

/**
 * Masking one thing can lay bare another. It ends by itself, for each round leaves fewer digits, quotes and tokens;
 * the limit is what a template could hold at most.
 */
const MAX_ROUNDS = 2 * TEMPLATE_LENGTH;

function shorten(text: string): string {
  return text.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim();
}

/** Without a placeholder or a surrogate pair that was cut in two. */
function withoutTail(text: string): string {
  if (text.length < TEMPLATE_LENGTH) return text;
  return text
    .replace(/[\uD800-\uDBFF]$/, '')
    .replace(/<[a-z]{0,5}$/, '')
    .trimEnd();
}

/*
 * Every pattern looks at most a fixed number of characters ahead or consumes what it looked at, so that a round is
 * linear in the length. The order matters: what is told by its whole form goes before numbers and words.
 */
const NOT_IN_WORD = String.raw`(?<![\p{L}\p{N}_])`;
const END_OF_WORD = String.raw`(?![\p{L}\p{N}_])`;
const MONTH = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}';
const CLOCK = String.raw`\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?`;
const ZONE = String.raw`(?: ?(?:Z|GMT|UTC|[+-]\d\d:?\d\d)${END_OF_WORD})?`;
const DURATION = String.raw`(?:\d{1,9}(?:\.\d{1,9})?(?:ns|us|µs|ms|s|m|h|d)){1,6}`;
const SCIENTIFIC = String.raw`\d{1,20}(?:\.\d{1,20})?[eE][+-]?\d{1,4}`;
const SIZE = String.raw`\d{1,15}(?:\.\d{1,9})? ?(?:[kKMGTP]?i?B|bytes?|%)`;

const URL = /[a-z][a-z0-9+.-]{1,15}:\/\/[^\s<>"'`()[\]{},;]+/giu;
const EMAIL = /[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}/gu;
const UUID = /(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f])/giu;
const DATE = new RegExp(
  `${NOT_IN_WORD}(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?` +
    String.raw`(?:\d{4}[-/]\d\d[-/]\d\d|\d{1,2}[ /-]${MONTH}[ /-]\d{4}|${MONTH} {1,2}\d{1,2})` +
    `(?:[T :]${CLOCK}${ZONE})?(?: \\d{4})?${END_OF_WORD}`,
  'gu',
);
const TIME = new RegExp(String.raw`(?<![\p{L}\p{N}_:])\d\d:\d\d:\d\d(?:[.,]\d{1,9})?${ZONE}(?![\p{L}\p{N}_:])`, 'gu');
const MAC = /(?<![\w:-])[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}(?![\w:-])/giu;
const IPV6 = /(?<![\w:.])[0-9a-f]{0,4}:[0-9a-f:]{1,38}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?(?:%\w{1,15})?(?![\w:])/giu;
const IPV4 = /(?<![\w.])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?:\/\d{1,2}|:\d{1,5})?(?![\w.]?\d)/gu;
const BRACKETED_IP = /\[<ip>\](?::\d{1,5})?/gu;
/** `0x…`, and the identity hash behind the `@` of a Java object. */
const ADDRESS = /(?<![\p{L}\p{N}_])0x[0-9a-f]{1,40}|(?<=[\w\])]@)[0-9a-f]{1,16}(?![\w.])/giu;
/** A ReplicaSet's hash and a pod's suffix, which Kubernetes draws from letters that make no words. */
const POD = /-[bcdfghjklmnpqrstvwxz2456789]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}(?![\w-])/gu;
const QUANTITY = new RegExp(`(?<![\\p{L}\\p{N}_.])(?:${DURATION}|${SIZE}|${SCIENTIFIC})${END_OF_WORD}`, 'gu');
/** Without the slash, which is in base64 too, since paths look like it. */
const BASE64 = /(?<![\w+=-])[\w+-]{16,}={0,2}/gu;
const WORD = /[A-Za-z0-9]+/gu;
const NUMBER = /(?:(?<![\p{L}\p{N}_>)\]])[-+])?\p{Nd}+(?:[.,]\p{Nd}+)*/gu;
const LIST = /(<(?:n|id|ip|str|time|url|email)>)(?:, ?\1)+/gu;

const RULES: readonly ((text: string) => string)[] = [
  maskQuoted,
  (text) => text.replaceAll(URL, '<url>'),
  (text) => text.replaceAll(EMAIL, '<email>'),
  (text) => text.replaceAll(UUID, '<id>'),
  (text) => text.replaceAll(DATE, '<time>').replaceAll(TIME, '<time>'),
  (text) => text.replaceAll(MAC, '<id>').replaceAll(IPV6, (found) => (isAddress(found) ? '<ip>' : found)),
  (text) => text.replaceAll(IPV4, '<ip>').replaceAll(BRACKETED_IP, '<ip>'),
  (text) => text.replaceAll(ADDRESS, '<n>').replaceAll(POD, '-<id>'),
  (text) => text.replaceAll(QUANTITY, '<n>'),
  (text) => text.replaceAll(BASE64, (found) => (isEncoded(found) ? '<id>' : found)),
  (text) => text.replaceAll(WORD, maskWord),
  (text) => text.replaceAll(NUMBER, '<n>').replaceAll(LIST, '$1'),
];

const QUOTES = '"\'`';
const WORDLIKE = /[\p{L}\p{N}_>]/u;

/** Quoted text becomes `<str>`. A quote opens behind a gap, so that `don't` and `users'` stay as they are. */
function maskQuoted(text: string): string {
  let masked = '';
  let from = 0;
  // Where a quote does not close from here on, no later one of its kind does.
  let hopeless = '';
  for (let i = 0; i < text.length; i++) {
    const quote = text[i] as string;
    if (!QUOTES.includes(quote) || hopeless.includes(quote)) continue;
    if (i > 0 && quote === "'" && WORDLIKE.test(text[i - 1] as string)) continue;
    const close = closing(text, quote, i + 1);
    if (close === -1) {
      hopeless += quote;
      continue;
    }
    masked += `${text.slice(from, i)}<str>`;
    from = close + 1;
    i = close;
  }
  return masked + text.slice(from);
}

/** Where the quote that opened before `start` closes: an apostrophe only before a gap. -1 where it does not. */
function closing(text: string, quote: string, start: number): number {
  for (let at = text.indexOf(quote, start); at !== -1; at = text.indexOf(quote, at + 1)) {
    const next = text[at + 1];
    if (text[at - 1] !== '\\' && (quote !== "'" || next === undefined || !/[\p{L}\p{N}_]/u.test(next))) return at;
  }
  return -1;
}

/** `a::b` is also how C++ and Rust write names. */
function isAddress(text: string): boolean {
  return isIPv6(text.replace(/%.*/, '')) && (/\d/.test(text) || text.startsWith('::')) && text !== '::';
}

/** Shorter than this, what has digits and letters is `<n>` as numbers are, since a hash may well be all digits. */
const LONG = 16;

/** Whether a token changes between small and capital letters and digits as often as only random ones do. */
function isEncoded(token: string): boolean {
  let changes = 0;
  for (let i = 1; i < token.length; i++) {
    const before = classOf(token.charCodeAt(i - 1));
    const here = classOf(token.charCodeAt(i));
    // A capital before small letters is how names are written.
    if (before !== here && before !== OTHER && here !== OTHER && !(before === CAPITAL && here === SMALL)) changes++;
  }
  return changes * 5 >= token.length;
}

const [OTHER, DIGIT, CAPITAL, SMALL] = [0, 1, 2, 3];

function classOf(code: number): number {
  if (code >= 48 && code <= 57) return DIGIT as number;
  if (code >= 65 && code <= 90) return CAPITAL as number;
  return (code >= 97 && code <= 122 ? SMALL : OTHER) as number;
}

/** A run of ASCII letters and digits: what may be an id is masked whole, else its digits are. */
function maskWord(word: string): string {
  if (!/\d/.test(word)) return word;
  if (/^\d+$/.test(word)) return word.length >= LONG ? '<id>' : word;
  if (word.length >= LONG) return '<id>';
  if (word.length >= 6 && /^[0-9a-fA-F]+$/.test(word)) return '<n>';
  const parts = word.match(/\d+|[A-Za-z]+/g) as string[];
  if (parts.length > 2 && word.length >= 5) return '<n>';
  return parts.map((part) => (/\d/.test(part) ? '<n>' : part)).join('');
}
