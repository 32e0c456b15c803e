import { type ClientHttp2Session, connect } from 'node:http2';
import type { Security } from './security.ts';

/** A server of HTTP/2 says its settings first of all (RFC 9113, 3.4); one that does not within this time is none. */
const SETTINGS_MS_MAX = 3000;

/**
 * A session, once the server has said its settings: that the connection is open tells nothing about what it speaks.
 * Rejects with a plain sentence.
 */
export function connected(address: string, security: Security | undefined): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = security === undefined ? connect(`http://${address}`) : connect(`https://${address}`, security);
    const refuse = (why: string): void => {
      clearTimeout(timer);
      session.destroy();
      reject(new Error(why));
    };
    const timer = setTimeout(() => refuse('it says no HTTP/2 settings'), SETTINGS_MS_MAX);
    session.once('remoteSettings', () => {
      clearTimeout(timer);
      resolve(session);
    });
    session.on('error', (error) => refuse(`it speaks no HTTP/2: ${error.message}`));
    session.once('close', () => refuse('it closes the connection instead of saying HTTP/2 settings'));
  });
}
