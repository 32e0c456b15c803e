/**
 * How much a client may send before it must wait for us. The 64 KiB that HTTP/2 begins with cost a round trip of the
 * event loop each; bench/transport shows the difference. Memory is bounded by max_in_flight, not by windows.
 */
export const WINDOW_BYTES = 8 * 1024 ** 2;
/** How many requests may be under way on a connection where the configuration does not say. */
export const STREAMS_MAX = 256;
/** Of a request's headers, which hold a handful of short values and perhaps a token. */
export const HEADER_BYTES_MAX = 16 * 1024;
