import type { Vocabulary } from '../../support/otlp-wire.ts';

/** What the scanners look for, and near misses of the same length. */
export const WORDS: Vocabulary = {
  keys: [
    'http.route',
    'http.method',
    'http.request.method',
    'http.response.status_code',
    'http.status_code',
    'rpc.grpc.status_code',
    'rpc.response.status_code',
    'rpc.status_code',
    'messaging.destination.name',
    'peer.service',
    'server.address',
    'net.peer.name',
    'rpc.service',
    'db.system.name',
    'db.system',
    'server.addresS',
    'http.routE',
    'deployment.version',
    'deployment.version.source',
    'service.version',
    'service.name',
  ],
  strings: ['GET', '/items/:id', 'OK', 'unavailable', 'DATA_LOSS', '14', '500', '', 'deployment', 'deploymenT', 'ms'],
  integers: [0n, 2n, 14n, 200n, 404n, 500n, 503n, 65_535n, 70_000n, -1n],
};
