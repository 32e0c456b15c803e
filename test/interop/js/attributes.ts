import type { Attributes } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';

/** A value of every kind, and the edges of each. The SDK has no 64-bit integers, and its JSON loses NaN. */
export const EVERY_VALUE: Attributes = {
  text: 'GET /cart',
  'text.empty': '',
  'text.unicode': 'grüße, 世界 🌍 "quoted" \\ \n\t\u0000',
  'text.long': 'x'.repeat(20_000),
  int: 42,
  'int.zero': 0,
  'int.negative': -7,
  'int.max': Number.MAX_SAFE_INTEGER,
  'int.min': Number.MIN_SAFE_INTEGER,
  double: 0.1,
  'double.small': 5e-324,
  'double.negative': -123.456,
  true: true,
  false: false,
  'list.texts': ['a', '', 'c'],
  'list.ints': [1, -2, 0],
  'list.doubles': [0.5, 1.5],
  'list.booleans': [true, false],
  'list.empty': [],
  'list.mixed': ['a', 1, 2.5, true, null, ['nested'], { in: 'a map' }],
  map: { text: 'a', int: 1, deep: { deeper: { deepest: [{ a: 1 }, { b: [2] }] } } },
  'map.empty': {},
  bytes: new Uint8Array([0, 1, 127, 128, 255]),
  'bytes.empty': new Uint8Array(),
  nothing: null,
  'key with spaces, ünïcode': 'yes',
};

/** What the SDK keeps of values on resources, scopes and events. */
export const SIMPLE_VALUES: Attributes = {
  text: 'GET /cart',
  int: 3,
  double: 0.25,
  boolean: false,
  'list.texts': ['a', 'b'],
  'list.ints': [1, 2],
};

export const SCHEMA_URL = 'https://opentelemetry.io/schemas/1.36.0';

const SERVICE = { 'service.name': 'cart', 'service.namespace': 'shop', 'service.instance.id': 'cart-7d9-1' };

export const VERSIONED = resourceFromAttributes(
  { ...SERVICE, 'service.version': '1.4.2', 'process.command_args': ['node', 'cart.js'], 'process.pid': 17 },
  { schemaUrl: SCHEMA_URL },
);

export const UNVERSIONED = resourceFromAttributes(SERVICE);

/** With these attributes an item is about as large as in real life, and unlike every other. */
export function ordinary(i: number): Attributes {
  return {
    'http.request.method': 'GET',
    'http.route': '/cart/:id',
    'http.response.status_code': i % 7 === 0 ? 500 : 200,
    'url.path': `/cart/${i}`,
    'server.address': 'cart.shop.example',
    'user_agent.original': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
    n: i,
  };
}
