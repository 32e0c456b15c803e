/** What testssl.sh finds, and what of it counts. */

export interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly finding: string;
}

/** What is worse than LOW. WARN is of the tool itself: something that it could not look at. */
const SEVERE = new Set(['MEDIUM', 'HIGH', 'CRITICAL', 'FATAL']);

/** Severe findings that say nothing of Windback, each with its reason. */
const EXPECTED: ReadonlyMap<string, string> = new Map([
  ['cert_expirationStatus', 'the certificate of this check is made for two days'],
  ['cert_notAfter', 'the certificate of this check is made for two days'],
  ['cert_revocation', 'the authority of this check publishes no list'],
  ['security_headers', 'what is answered is no page for a browser'],
]);

/** What has to be among the findings, so that a scan that saw nothing is no success. */
const SEEN: readonly string[] = [
  'TLS1',
  'TLS1_1',
  'TLS1_2',
  'TLS1_3',
  'secure_client_renego',
  'cipherlist_NULL',
  'heartbleed',
];

export interface Judgement {
  /** Why the scan is no success; empty where it is one. */
  readonly problems: readonly string[];
  /** What was let pass, for people. */
  readonly passed: readonly string[];
}

export function judge(findings: readonly Finding[]): Judgement {
  const severe = findings.filter(({ severity }) => SEVERE.has(severity));
  const seen = new Set(findings.filter(({ severity }) => severity === 'OK' || severity === 'INFO').map(({ id }) => id));
  const said = ({ id, severity, finding }: Finding) => `${severity} ${id}: ${finding}`;
  const unseen = SEEN.filter((id) => !seen.has(id) && !severe.some((found) => found.id === id));
  return {
    problems: [
      ...severe.filter(({ id }) => !EXPECTED.has(id)).map(said),
      ...unseen.map((id) => `${id} was not looked at`),
    ],
    passed: [
      ...severe.filter(({ id }) => EXPECTED.has(id)).map((found) => `${said(found)} (${EXPECTED.get(found.id)})`),
      ...findings.filter(({ severity }) => severity === 'LOW' || severity === 'WARN').map(said),
    ],
  };
}
