/** The same JSON in other words: what senders may write, and what none should. */
import type { Random } from './random.ts';

/** How `written` may write things, each now and then. */
export interface Liberties {
  /** Spaces and line ends between tokens. */
  readonly spaces?: boolean;
  /** Fields in any order. */
  readonly shuffles?: boolean;
  /** Characters of values as escapes. */
  readonly escapes?: boolean;
  /** Numbers in quotes or without, with fractions, exponents and zeros. */
  readonly numbers?: boolean;
  /** Fields that no schema has, of any value, and null. */
  readonly unknown?: boolean;
  /** Fields twice, escapes in keys, names of the .proto files, lists for values: what is wrong, or nearly. */
  readonly odd?: boolean;
}

export function written(value: unknown, random: Random, may: Liberties): string {
  if (typeof value === 'string') return text(value, random, may);
  if (typeof value === 'number') return number(value, random, may);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const space = (): string => (may.spaces === true && random.chance(0.2) ? pick(SPACES, random) : '');
  const spaced = (parts: readonly string[]): string => parts.map((part) => `${space()}${part}${space()}`).join(',');
  if (may.odd === true && random.chance(0.01)) return written([value], random, may);
  if (Array.isArray(value)) return `[${spaced(value.map((one) => written(one, random, may)))}${space()}]`;
  const members = Object.entries(value).map(
    ([key, one]) => `${name(key, random, may)}${space()}:${space()}${written(one, random, may)}`,
  );
  if (may.unknown === true && random.chance(0.1)) members.push(pick(UNKNOWN, random));
  if (may.odd === true && members.length > 0 && random.chance(0.03)) members.push(pick(members, random));
  if (may.odd === true && random.chance(0.02)) members.push(pick(STRANGERS, random));
  return `{${spaced(may.shuffles === true ? random.shuffle(members) : members)}${space()}}`;
}

const SPACES = [' ', '\n', '\t', '\r\n', '  \n   '];
const UNKNOWN = [
  '"unheardOf":{"deep":[1,-2.5e-3,{"er":null}],"a":"\\"\\u00e9\\ud800"}',
  '"x":true',
  '"":[]',
  '"constructor":{}',
  '"__proto__":[false,"]}"]',
  '"spans2":0.5',
  '"attribute":"\\\\"',
];
const STRANGERS = [
  '"name":null',
  '"attributes":null',
  '"intValue":5',
  '"stringValue":""',
  '"kind":"SPAN_KIND_CLIENT"',
  '"kind":"NONE"',
  '"flags":-0',
  '"flags":4294967296',
  '"sum":1e999',
  '"value":{}',
  '"droppedAttributesCount":01',
  '"traceId":""',
  '"spanId":"0123456789abcdeg"',
  '"name":"\\ud800"',
  '"timeUnixNano":18446744073709551616',
];

function pick<T>(list: readonly T[], random: Random): T {
  return list[random.below(list.length)] as T;
}

function name(key: string, random: Random, may: Liberties): string {
  if (may.odd !== true || random.chance(0.97)) return JSON.stringify(key);
  if (random.chance(0.5)) return JSON.stringify(key.replaceAll(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`));
  return `"${escaped(key.charAt(0))}${key.slice(1)}"`;
}

function text(value: string, random: Random, may: Liberties): string {
  if (may.numbers === true && /^-?\d+$/.test(value) && random.chance(0.3)) return value;
  if (may.escapes !== true || random.chance(0.5)) return JSON.stringify(value);
  const written = Array.from(value, (character) => {
    if (character === '/' && random.chance(0.5)) return '\\/';
    return random.chance(0.3) ? escaped(character) : JSON.stringify(character).slice(1, -1);
  });
  return `"${written.join('')}"`;
}

/** As `\u…`, in two halves beyond the first plane. */
function escaped(character: string): string {
  return character.split('').map(unit).join('');
}

function unit(half: string): string {
  return `\\u${half.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function number(value: number, random: Random, may: Liberties): string {
  const plain = JSON.stringify(value);
  if (may.numbers !== true || random.chance(0.5)) return plain;
  const forms = [
    `"${plain}"`,
    value.toExponential(),
    value.toExponential().replace('e', 'E'),
    `${plain}.0`,
    `${plain}e0`,
    `"${plain}.0"`,
  ];
  if (may.odd === true)
    forms.push(`0${plain}`, `${plain}.`, `-${plain}`, `+${plain}`, `"0${plain}"`, `"${plain} "`, '-0');
  return pick(forms, random);
}
