import { AnnotationQuery, CoreApp, DataSourceSettings } from '@grafana/data';
import { Options, Query, SecureOptions, VariableQuery } from '../src/types';

type Settings = DataSourceSettings<Options, SecureOptions>;

const settings = (change: Partial<Settings>): Settings =>
  ({
    id: 1,
    uid: 'insightd',
    orgId: 1,
    name: 'insightd',
    type: 'insightd-insightd-datasource',
    access: 'proxy',
    url: '',
    basicAuth: false,
    basicAuthUser: '',
    jsonData: {},
    secureJsonFields: {},
    secureJsonData: {},
    ...change,
  }) as Settings;

/** Settings that the page shows. */
export const options: Record<string, Settings> = {
  config: settings({ url: 'http://localhost:9470', secureJsonFields: { token: true } }),
  'config-empty': settings({}),
  'config-all': settings({
    url: 'localhost:9470',
    basicAuth: true,
    basicAuthUser: 'grafana',
    secureJsonFields: { basicAuthPassword: true, tlsCACert: true },
    jsonData: { tlsAuth: true, tlsAuthWithCACert: true, tlsSkipVerify: false, timeout: 20 },
  }),
};

const q = (query: Partial<Query> & { app?: CoreApp }) => ({ refId: 'A', version: 1, ...query });

/** Queries that the page shows: each type, and what an editor says where something is missing. */
export const queries: Record<string, Query & { app?: CoreApp }> = {
  insights: q({
    queryType: 'insights',
    format: 'table',
    types: ['ApiCallRateInsight', 'TrailConcealmentInsight'],
    minConfidence: 0.5,
    live: true,
  }),
  'insights-empty': q({ queryType: 'insights', format: 'table' }),
  'insights-reasons': q({ queryType: 'insights', format: 'reasons' }),
  confidence: q({ queryType: 'confidence', measure: 'max', groupBy: ['insight_type', 'account'] }),
  'confidence-alerting': q({
    queryType: 'confidence',
    measure: 'count',
    minConfidence: 0.8,
    groupBy: ['account'],
    app: CoreApp.UnifiedAlerting,
  }),
  'alerting-refused': q({ queryType: 'events', format: 'logs', app: CoreApp.UnifiedAlerting }),
  events: q({
    queryType: 'events',
    format: 'logs',
    filter: 'outcome="error" operation=~"Delete.*|Stop.*"',
    app: CoreApp.Explore,
  }),
  'events-empty': q({ queryType: 'events', format: 'logs', app: CoreApp.Explore }),
  'events-values': q({ queryType: 'events', format: 'values' }),
  'events-volume': q({ queryType: 'events', format: 'volume', by: 'provider', top: 5, filter: 'access="write"' }),
  map: q({ queryType: 'map', format: 'country', of: 'events', filter: 'outcome="error"' }),
  'map-insights': q({ queryType: 'map', format: 'country', of: 'insights', highRisk: true }),
  identities: q({ queryType: 'identities', format: 'table', kinds: ['human', 'root'] }),
  'identities-hours': q({ queryType: 'identities', format: 'hours' }),
  promql: q({
    queryType: 'promql',
    expr: 'sum by (service) (\n  sum_over_time(activity_events{outcome="error"}[$__interval])\n)',
    legend: '{{service}}',
  }),
  'promql-rate': q({ queryType: 'promql', expr: 'sum by (service) (rate(activity_events{access="write"}[5m]))' }),
  bands: q({ queryType: 'bands', expr: 'activity_events{service="ec2.amazonaws.com", operation="RunInstances"}' }),
  'bands-empty': q({ queryType: 'bands' }),
  coverage: q({ queryType: 'coverage', format: 'detectors' }),
};

export const variables: Record<string, VariableQuery> = {
  variable: { refId: 'variable', list: 'identities', filter: 'account="$account"' },
  'variable-field': { refId: 'variable', list: 'eventField', field: 'error_code', limit: 50 },
  'variable-labels': { refId: 'variable', list: 'labelValues' },
};

export const annotation: AnnotationQuery<Query> = {
  name: 'Insights',
  enable: true,
  iconColor: 'red',
  target: q({ queryType: 'insights', format: 'annotations', minConfidence: 0.5 }),
};
