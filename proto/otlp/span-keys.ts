import { ascii } from '../wire/ascii.ts';
import { CALLEE_NAMED_BY } from './columns.ts';

/** Attributes that are read; numbers, which the engine can jump by. */
export const ROUTE = 1;
export const METHOD = 2;
export const METHOD_OLD = 3;
export const HTTP_STATUS = 4;
export const HTTP_STATUS_OLD = 5;
export const RPC_GRPC_STATUS = 6;
export const RPC_RESPONSE_STATUS = 7;
export const RPC_STATUS = 8;
export const DESTINATION = 9;
const PEER_SERVICE = 10;
const ADDRESS = 11;
const ADDRESS_OLD = 12;
const RPC_SERVICE = 13;
const DB_SYSTEM = 14;
const DB_SYSTEM_OLD = 15;
const KEYS: string[] = [''];
KEYS[ROUTE] = 'http.route';
KEYS[METHOD] = 'http.request.method';
KEYS[METHOD_OLD] = 'http.method';
KEYS[HTTP_STATUS] = 'http.response.status_code';
KEYS[HTTP_STATUS_OLD] = 'http.status_code';
KEYS[RPC_GRPC_STATUS] = 'rpc.grpc.status_code';
KEYS[RPC_RESPONSE_STATUS] = 'rpc.response.status_code';
KEYS[RPC_STATUS] = 'rpc.status_code';
KEYS[DESTINATION] = 'messaging.destination.name';
KEYS[PEER_SERVICE] = 'peer.service';
KEYS[ADDRESS] = 'server.address';
KEYS[ADDRESS_OLD] = 'net.peer.name';
KEYS[RPC_SERVICE] = 'rpc.service';
KEYS[DB_SYSTEM] = 'db.system.name';
KEYS[DB_SYSTEM_OLD] = 'db.system';
const KEY_BYTES = KEYS.map((key) => ascii(key));

/** The bytes of all keys as words of four, little-endian: those of a key begin at its number times `KEY_WORDS`. */
const KEY_WORDS = 8;
const WORDS = new Int32Array(KEYS.length * KEY_WORDS);
const WORD_BYTES = new Uint8Array(WORDS.buffer);
for (const [number, bytes] of KEY_BYTES.entries()) WORD_BYTES.set(bytes, number * KEY_WORDS * 4);

/**
 * Whether the key at `at`, which has the length of attribute `known` and its last byte, is the key of that. Four bytes at
 * a time, and the last ones, fewer than four, one by one.
 */
export function isKey(view: DataView, at: number, length: number, known: number): boolean {
  const words = length >>> 2;
  const first = known * KEY_WORDS;
  for (let i = 0; i < words; i++) if (view.getInt32(at + i * 4, true) !== WORDS[first + i]) return false;
  for (let i = words * 4; i < length; i++) if (view.getUint8(at + i) !== WORD_BYTES[first * 4 + i]) return false;
  return true;
}

/** Keys of this length and more are none of them. */
export const KEY_LENGTH_LIMIT = 32;
/**
 * Which attribute a key of this length and with this last byte can only be; 0 for none. A look-up where most
 * attributes end; to compare them with each key would cost as much as the walk (bench/micro, "scan traces").
 */
export const KEY_OF = new Uint8Array(KEY_LENGTH_LIMIT * 256);
for (const [index, key] of KEY_BYTES.entries()) {
  const at = key.length * 256 + (key.at(-1) ?? 0);
  if (index > 0 && KEY_OF[at] !== 0) throw new Error(`${KEYS[index]} and ${KEYS[KEY_OF[at] as number]} look alike`);
  if (index > 0) KEY_OF[at] = index;
}

/** What names the callee, by the number of the attribute. */
export const CALLEE_OF_KEY = new Uint8Array(KEYS.length).fill(CALLEE_NAMED_BY.nothing);
CALLEE_OF_KEY[PEER_SERVICE] = CALLEE_NAMED_BY.peerService;
CALLEE_OF_KEY[ADDRESS] = CALLEE_NAMED_BY.address;
CALLEE_OF_KEY[ADDRESS_OLD] = CALLEE_NAMED_BY.address;
CALLEE_OF_KEY[RPC_SERVICE] = CALLEE_NAMED_BY.rpcService;
CALLEE_OF_KEY[DESTINATION] = CALLEE_NAMED_BY.destination;
CALLEE_OF_KEY[DB_SYSTEM] = CALLEE_NAMED_BY.dbSystem;
CALLEE_OF_KEY[DB_SYSTEM_OLD] = CALLEE_NAMED_BY.dbSystem;

/** Little: in a full queue each small request holds a set of columns. */
