/** TLS and every SASL mechanism, against a broker that knows them all. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Broker, findFreePort, startBroker } from '../../../deploy/kafka/broker.ts';
import { kafkaExporterConfig } from '../../../exporters/kafka/config.ts';
import { type Certificates, makeCertificates } from '../../support/certificates.ts';
import { readTopic } from './reader.ts';
import { decisionOf, decisions, startExporter } from './started.ts';

const LOGIN = 'org.apache.kafka.common.security';
/** A token without a signature, which the validator of Kafka for development takes. */
const now = Math.floor(Date.now() / 1000);
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const TOKEN = `${part({ alg: 'none' })}.${part({ sub: 'windback', iat: now, exp: now + 3600 })}.`;

let broker: Broker;
let certificates: Certificates;
const ports: Record<string, number> = {};

beforeAll(async () => {
  certificates = makeCertificates();
  const { file } = certificates;
  writeFileSync(file('broker.pem'), `${readFileSync(file('server.key'))}${readFileSync(file('server.pem'))}`);
  for (const name of ['SSL', 'SASL_SSL', 'SASL_PLAINTEXT']) ports[name] = await findFreePort();
  const each = (settings: Record<string, string>) =>
    Object.fromEntries(
      ['sasl_ssl', 'sasl_plaintext'].flatMap((name) =>
        Object.entries(settings).map(([key, value]) => [`listener.name.${name}.${key}`, value]),
      ),
    );
  broker = await startBroker({
    listeners: ports,
    formatArgs: ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((name) => [
      '--add-scram',
      `${name}=[name=windback,password=right]`,
    ]),
    settings: {
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
      ...each({
        'plain.sasl.jaas.config': `${LOGIN}.plain.PlainLoginModule required user_windback="right";`,
        'scram-sha-256.sasl.jaas.config': `${LOGIN}.scram.ScramLoginModule required;`,
        'scram-sha-512.sasl.jaas.config': `${LOGIN}.scram.ScramLoginModule required;`,
        'oauthbearer.sasl.jaas.config': `${LOGIN}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
      }),
      'listener.name.sasl_plaintext.plain.connections.max.reauth.ms': '4000',
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': file('broker.pem'),
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': file('ca.pem'),
      'listener.name.ssl.ssl.client.auth': 'required',
    },
  });
}, 120_000);
afterAll(async () => {
  await broker?.stop();
  certificates?.remove();
});

const tls = () => ({ ca_file: certificates.file('ca.pem') });
const shown = () => ({
  ...tls(),
  cert_file: certificates.file('client.pem'),
  key_file: certificates.file('client.key'),
});
const as = (mechanism: string, password = 'right') => ({ sasl: { mechanism, username: 'windback', password } });

/** Sends one decision through this listener, and reads it from the one that asks nothing. */
async function send(listener: string, options: Record<string, unknown>): Promise<void> {
  const topic = `decisions-${Math.random().toString(36).slice(2)}`;
  await broker.createTopic(topic);
  const { exporter } = await startExporter({ brokers: [`localhost:${ports[listener]}`], topic, ...options });
  await exporter.consume(decisions(decisionOf('cart', 'd-1')));
  expect((await readTopic(broker.brokers, topic)).map(({ headers }) => headers['ce_id'])).toEqual(['d-1']);
}

describe.each(['SASL_SSL', 'SASL_PLAINTEXT'])('over %s', (listener) => {
  const secured = () => (listener === 'SASL_SSL' ? { tls: tls() } : {});

  test.each(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'])('%s lets in who knows the password', async (mechanism) => {
    await send(listener, { ...secured(), auth: as(mechanism) });
    await expect(send(listener, { ...secured(), auth: as(mechanism, 'wrong') })).rejects.toMatchObject({
      code: 'unauthorized',
    });
  });

  test('OAUTHBEARER with a token from a file, and from a server', async () => {
    const path = certificates.file('token');
    writeFileSync(path, `${TOKEN}\n`);
    await send(listener, { ...secured(), auth: { sasl: { mechanism: 'OAUTHBEARER', token_file: path } } });
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(String(request.headers.authorization));
      response.end(JSON.stringify({ access_token: TOKEN, token_type: 'Bearer', expires_in: 3600 }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const oauth2 = {
      token_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
      client_id: 'windback',
      client_secret: 's3cret',
    };
    await send(listener, { ...secured(), auth: { sasl: { mechanism: 'OAUTHBEARER', oauth2 } } });
    expect(new Set(asked)).toEqual(new Set([`Basic ${Buffer.from('windback:s3cret').toString('base64')}`]));
    server.close();
  });
});

test('sessions that the brokers keep short are renewed in time', async () => {
  const topic = 'decisions-renewed';
  await broker.createTopic(topic);
  const { exporter } = await startExporter({
    brokers: [`localhost:${ports['SASL_PLAINTEXT']}`],
    topic,
    auth: as('PLAIN'),
  });
  const ids = ['d-1', 'd-2', 'd-3', 'd-4'];
  for (const id of ids) {
    await exporter.consume(decisions(decisionOf('cart', id)));
    await sleep(1500);
  }
  expect((await readTopic(broker.brokers, topic)).map(({ headers }) => headers['ce_id'])).toEqual(ids);
}, 20_000);

test('a server of tokens that answers without end is not listened to', async () => {
  const server = createServer((_, response) => {
    const piece = 'a'.repeat(64 * 1024);
    const more = (): void => void (response.writable && response.write(piece, more));
    more();
  });
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const token_url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  const oauth2 = { token_url, client_id: 'windback', client_secret: 's3cret' };
  const sasl = { mechanism: 'OAUTHBEARER', oauth2 };
  await expect(send('SASL_PLAINTEXT', { timeout: '20s', auth: { sasl } })).rejects.toThrow('its answer is too long');
});

describe('TLS', () => {
  test('with a certificate of our own', async () => {
    await send('SSL', { tls: shown() });
  });

  test('an authority that we do not know, and a broker that does not know us', async () => {
    await expect(send('SASL_SSL', { tls: {}, auth: as('PLAIN') })).rejects.toMatchObject({
      code: 'unreachable',
      detail: expect.stringMatching(/certificate/),
    });
    await expect(send('SSL', { tls: tls() })).rejects.toMatchObject({
      code: expect.stringMatching(/unreachable|timeout/),
    });
  });
});

test.each([
  ['no password', { mechanism: 'PLAIN', username: 'a' }],
  ['a token and a server of tokens', { mechanism: 'OAUTHBEARER', token_file: 'x', oauth2: {} }],
  ['a token for PLAIN', { mechanism: 'PLAIN', username: 'a', password: 'b', token_file: 'x' }],
  ['nothing for OAUTHBEARER', { mechanism: 'OAUTHBEARER' }],
])('%s is refused by the configuration', (_, sasl) => {
  expect(kafkaExporterConfig.safeParse({ auth: { sasl } }).success).toBe(false);
});
