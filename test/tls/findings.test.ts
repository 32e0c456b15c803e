import { expect, test } from 'vitest';
import { type Finding, judge } from './findings.ts';

const clean: Finding[] = [
  ...['TLS1', 'TLS1_1', 'TLS1_2', 'TLS1_3', 'secure_client_renego', 'cipherlist_NULL', 'heartbleed'].map((id) => ({
    id,
    severity: 'OK',
    finding: 'fine',
  })),
  { id: 'DNS_CAArecord', severity: 'LOW', finding: '--' },
  { id: 'cert_revocation', severity: 'HIGH', finding: 'Neither CRL nor OCSP URI provided' },
];

test('what is expected, or little, passes, and is told', () => {
  const { problems, passed } = judge(clean);
  expect(problems).toEqual([]);
  expect(passed).toEqual([
    'HIGH cert_revocation: Neither CRL nor OCSP URI provided (the authority of this check publishes no list)',
    'LOW DNS_CAArecord: --',
  ]);
});

test.each(['MEDIUM', 'HIGH', 'CRITICAL', 'FATAL'])('%s is a problem', (severity) => {
  const found = { id: 'secure_client_renego', severity, finding: 'VULNERABLE' };
  const findings = [...clean.filter(({ id }) => id !== found.id), found];
  expect(judge(findings).problems).toEqual([`${severity} secure_client_renego: VULNERABLE`]);
});

test('a scan that did not look is one, too', () => {
  expect(judge([]).problems).toHaveLength(7);
  expect(judge(clean.filter(({ id }) => id !== 'heartbleed')).problems).toEqual(['heartbleed was not looked at']);
});
