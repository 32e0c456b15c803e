import type { HeaderList } from './header-decoder.ts';

const PSEUDO = new Set([':method', ':scheme', ':path', ':authority']);
/** Of a connection, not of a request (RFC 9113, 8.2.2). */
const FORBIDDEN = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

/** Whether a request's headers are as RFC 9113, 8.2 and 8.3 want them. */
export function checkRequest(list: HeaderList): boolean {
  const { headers, names } = list;
  if (!hasRightValues(list)) return false;
  let isBehind = false;
  const seen = new Set<string>();
  for (const name of names) {
    if (name.startsWith(':')) {
      if (isBehind || !PSEUDO.has(name) || seen.has(name)) return false;
      seen.add(name);
    } else {
      isBehind = true;
      if (!isField(name)) return false;
    }
  }
  const te = headers['te'];
  return (
    (te === undefined || te === 'trailers') &&
    seen.has(':method') &&
    seen.has(':scheme') &&
    (headers[':path'] ?? '') !== ''
  );
}

/** Whether trailers are right: none is of the request's own (RFC 9113, 8.1). */
export function checkTrailers(list: HeaderList): boolean {
  return list.names.every(isField) && hasRightValues(list);
}

function isField(name: string): boolean {
  return !FORBIDDEN.has(name) && isToken(name);
}

/** What would end a line of HTTP/1 may not be in a value (RFC 9113, 8.2.1). */
function hasRightValues({ headers, names, hasRepetitions }: HeaderList): boolean {
  // A name that is repeated a hundred times has one value, joined of all: it is not to be read as often.
  const once = hasRepetitions ? [...new Set(names)] : names;
  // oxlint-disable-next-line no-control-regex
  return once.every((name) => !/[\0\r\n]/.test(headers[name] ?? ''));
}

/** Names are in lower case, without spaces, colons and control characters. */
function isToken(name: string): boolean {
  if (name === '') return false;
  for (let i = 0; i < name.length; i++) {
    const char = name.charCodeAt(i);
    if (char <= 0x20 || char >= 0x7f || char === 0x3a || (char >= 0x41 && char <= 0x5a)) return false;
  }
  return true;
}
