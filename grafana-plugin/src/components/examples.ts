import { Query, queryVersion } from '../types';

interface Example {
  title: string;
  /** The part that is typed, where there is one. */
  code?: string;
  text: string;
  query: Omit<Query, 'refId'>;
}

interface Group {
  title: string;
  text: string;
  examples: Example[];
}

const example = (title: string, text: string, query: Omit<Query, 'refId' | 'version'>): Example => ({
  title,
  text,
  ...(query.expr || query.filter ? { code: query.expr || query.filter } : {}),
  query: { ...query, version: queryVersion },
});

/** Examples of the cheat sheet. A test holds them against the languages and the contract. */
export const groups: Group[] = [
  {
    title: 'Events',
    text: 'Search what happened. In Explore, labels of a line have buttons that add them to the filter.',
    examples: [
      example('What failed', 'Calls that were refused or went wrong.', {
        queryType: 'events',
        format: 'logs',
        filter: 'outcome="error"',
      }),
      example('Writes by the root user', 'Hardly ever needed.', {
        queryType: 'events',
        format: 'logs',
        filter: 'identity_kind="root" access="write"',
      }),
      example('Deleting and stopping', 'By everybody who is no workload.', {
        queryType: 'events',
        format: 'logs',
        filter: 'operation=~"(Delete|Stop|Terminate).*" identity_kind="human"',
      }),
      example('From hosting, VPN or Tor', 'Who comes from networks that hide where one is.', {
        queryType: 'events',
        format: 'values',
        by: 'identity',
        filter: 'network=~"hosting|vpn|tor"',
      }),
      example('Volume by service', 'How much happens where.', {
        queryType: 'events',
        format: 'volume',
        by: 'service',
        top: 10,
      }),
    ],
  },
  {
    title: 'Insights',
    text: 'What was unusual, with a start, an end, a confidence and reasons.',
    examples: [
      example('What matters now', 'Active insights of high confidence, live.', {
        queryType: 'insights',
        format: 'table',
        state: 'active',
        minConfidence: 0.8,
        live: true,
      }),
      example('First time and high risk', 'What an identity had not done before, and is dangerous.', {
        queryType: 'insights',
        format: 'table',
        types: ['FirstActionInsight'],
        highRisk: true,
      }),
      example('Trails that were tampered with', 'Logging stopped, changed or deleted.', {
        queryType: 'insights',
        format: 'logs',
        types: ['TrailConcealmentInsight'],
      }),
      example('When it was unusual', 'For the state timeline panel.', { queryType: 'insights', format: 'timeline' }),
    ],
  },
  {
    title: 'Confidence',
    text: 'Numbers for alert rules. No data means that nothing is unusual.',
    examples: [
      example('Highest by type and account', 'Alert above 0.8 for insights of high confidence.', {
        queryType: 'confidence',
        measure: 'max',
        groupBy: ['insight_type', 'account'],
      }),
      example('How many at Medium or above', 'One number for all.', {
        queryType: 'confidence',
        measure: 'count',
        minConfidence: 0.5,
        groupBy: [],
      }),
    ],
  },
  {
    title: 'Metrics',
    text: 'Samples are counts a minute: sum_over_time is exact on them, rate is not.',
    examples: [
      example('Events by service', 'Exact at any zoom.', {
        queryType: 'promql',
        expr: 'sum by (service) (sum_over_time(activity_events[$__interval]))',
        legend: '{{service}}',
      }),
      example('Share of errors', 'From 0 to 1, by account.', {
        queryType: 'promql',
        expr: 'sum by (account) (sum_over_time(activity_events{outcome="error"}[1h])) / sum by (account) (sum_over_time(activity_events[1h]))',
        legend: '{{account}}',
      }),
      example('Busiest identities', 'The ten with the most writes and errors of the last hour.', {
        queryType: 'promql',
        expr: 'topk(10, sum by (identity) (sum_over_time(activity_identity_events{access="write"}[1h])))',
        instant: true,
        legend: '{{identity}}',
      }),
      example('Expected and observed', 'A series with its band.', {
        queryType: 'bands',
        expr: 'activity_events{access="write"}',
      }),
    ],
  },
  {
    title: 'Who, and where',
    text: 'Identities with what was learned of them; maps for the geomap panel.',
    examples: [
      example('Automation', 'Identities that act like machines, whatever they are called.', {
        queryType: 'identities',
        format: 'table',
        identityClass: 'Automation',
      }),
      example('Errors by country', 'For the geomap panel.', {
        queryType: 'map',
        format: 'country',
        of: 'events',
        filter: 'outcome="error"',
      }),
      example('What is covered', 'Detectors that are ready, learning or blind, and why.', {
        queryType: 'coverage',
        format: 'detectors',
      }),
    ],
  },
];
