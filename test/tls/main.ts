/**
 * Looks at the TLS of a running Windback from outside, with testssl.sh: `npm run check:tls`. Fails on whatever it finds
 * that is worse than LOW, but for what is expected of made certificates (findings.ts). Takes some minutes.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Certificates, makeCertificates } from '../support/certificates.ts';
import { type Finding, judge } from './findings.ts';

const PROGRAM = join(import.meta.dirname, '../../cmd/windback.ts');
/** As the project, and as Debian, call it. */
const TOOLS = ['testssl.sh', 'testssl'];
/** Protocols, suites, forward secrecy, preferences, the certificate, headers, and every vulnerability that it knows. */
const LOOKED_AT = ['-p', '-s', '-f', '-P', '-S', '-h', '-U'];

/** The kind of certificate that each listener shows. */
const LISTENERS = { grpc: 'server', http: 'rsa', metrics: 'server' } as const;
type Listener = keyof typeof LISTENERS;

process.exitCode = (await check()) ? 0 : 1;

async function check(): Promise<boolean> {
  const tool = TOOLS.find((name) => spawnSync(name, ['--version']).error === undefined);
  if (tool === undefined) {
    process.stderr.write('check:tls wants testssl.sh (Debian: apt-get install testssl.sh)\n');
    return false;
  }
  const files = makeCertificates();
  files.issue('rsa', 'ca', 'rsa');
  try {
    const ports = { grpc: await freePort(), http: await freePort(), metrics: await freePort() };
    const windback = await started(files, ports);
    try {
      let isClean = true;
      for (const [name, port] of Object.entries(ports)) isClean = (await scanned(tool, files, name, port)) && isClean;
      return isClean;
    } finally {
      windback.kill();
    }
  } finally {
    files.remove();
  }
}

/** Whether nothing was found on this port that should not be. */
async function scanned(tool: string, files: Certificates, name: string, port: number): Promise<boolean> {
  const report = files.file(`${name}.json`);
  const options = ['--quiet', '--color', '0', '--warnings', 'off', '--add-ca', files.file('ca.pem')];
  const scan = spawn(tool, [...options, ...LOOKED_AT, '--jsonfile', report, `localhost:${port}`], { stdio: 'ignore' });
  await new Promise((resolve) => scan.once('close', resolve));
  const findings = JSON.parse(readFileSync(report, 'utf8')) as Finding[];
  const { problems, passed } = judge(findings);
  process.stdout.write(`${name}: ${findings.length} findings, ${problems.length} of them problems\n`);
  for (const line of passed) process.stdout.write(`  passed   ${line}\n`);
  for (const line of problems) process.stdout.write(`  PROBLEM  ${line}\n`);
  return problems.length === 0;
}

/** The program, listening. Rejects where it ends before that. */
async function started(files: Certificates, ports: Readonly<Record<Listener, number>>) {
  const listener = (name: Listener) => {
    const kind = LISTENERS[name];
    const tls = { cert_file: files.file(`${kind}.pem`), key_file: files.file(`${kind}.key`) };
    return { endpoint: `127.0.0.1:${ports[name]}`, tls };
  };
  const config = {
    receivers: { otlp: { protocols: { grpc: listener('grpc'), http: listener('http') } } },
    exporters: { debug: {} },
    extensions: { health_check: { enabled: false } },
    service: {
      telemetry: { metrics: listener('metrics') },
      pipelines: { traces: { receivers: ['otlp'], exporters: ['debug'] } },
    },
  };
  const path = files.file('windback.yaml');
  writeFileSync(path, JSON.stringify(config));
  const windback = spawn(process.execPath, [PROGRAM, 'run', '--config', path], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  await new Promise<void>((resolve, reject) => {
    windback.stderr.on('data', (piece: Buffer) => {
      said += piece.toString();
      if (said.includes(' is ready: ')) resolve();
    });
    windback.once('close', () => reject(new Error(`windback ended: ${said}`)));
  });
  return windback;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
