import type { Authenticator } from './authenticator.ts';
import { BasicAuth } from './basic.ts';
import { BearerTokenAuth } from './bearer-token.ts';
import type { AuthExtension } from './config.ts';

export function createAuthenticator(extension: AuthExtension): Authenticator {
  if (extension.type === 'bearertokenauth') return new BearerTokenAuth(extension.id, extension.config);
  return new BasicAuth(extension.id, extension.config);
}
