import { AdHocVariableFilter, DataSourceJsonData } from '@grafana/data';
import { DataQuery } from '@grafana/schema';

/** What a query asks for. The order is the editor's. */
export const queryTypes = [
  'insights',
  'confidence',
  'events',
  'map',
  'identities',
  'promql',
  'bands',
  'coverage',
] as const;
export type QueryType = (typeof queryTypes)[number];

/** The forms of an answer by query type; the first is taken where a query names none. */
export const formats = {
  insights: ['table', 'logs', 'annotations', 'timeline', 'summary', 'reasons', 'attributions', 'rule', 'records'],
  events: ['logs', 'table', 'volume', 'values'],
  map: ['country', 'coordinates'],
  identities: ['table', 'summary', 'hours', 'operations', 'networks', 'countries', 'agents', 'regions'],
  coverage: ['detectors', 'sources', 'streams'],
  promql: [],
  bands: [],
  confidence: [],
} as const satisfies Record<QueryType, readonly string[]>;

/** Formats of insights that tell of one insight, and so need its id. */
export const insightFormats: readonly string[] = ['summary', 'reasons', 'attributions', 'rule', 'records'];

export type FilterOperator = '=' | '!=' | '=~' | '!~' | '=|' | '!=|';

/** An ad-hoc filter as the backend takes it. */
export interface Filter {
  key: string;
  operator: FilterOperator;
  value: string;
  values?: string[];
}

export type InsightState = 'active' | 'ended' | 'withdrawn';
export type Suppressed = 'hide' | 'show' | 'only';

/** The version of the query's shape that this plugin writes. */
export const queryVersion = 1;

/** A query, as DESIGN.md describes it. Fields that its type does not use are kept and ignored. */
export interface Query extends DataQuery {
  queryType?: QueryType;
  version?: number;
  format?: string;
  expr?: string;
  instant?: boolean;
  legend?: string;
  step?: string;
  filter?: string;
  filters?: Filter[];
  types?: string[];
  severities?: string[];
  state?: InsightState;
  /** A number; a variable until it is filled in. */
  minConfidence?: number | string;
  highRisk?: boolean;
  suppressed?: Suppressed;
  insightId?: string;
  measure?: 'max' | 'count';
  groupBy?: string[];
  by?: string;
  top?: number;
  direction?: 'backward' | 'forward';
  of?: 'events' | 'insights';
  kinds?: string[];
  identityClass?: string;
  identityId?: string;
  sort?: string;
  limit?: number;
  from?: string;
  to?: string;
  live?: boolean;
}

/** The lists that a dashboard variable can be made of. */
export const variableLists = [
  'insightTypes',
  'severities',
  'providers',
  'accounts',
  'regions',
  'identities',
  'services',
  'operations',
  'countries',
  'eventField',
  'insightField',
  'labelValues',
  'labelNames',
  'metrics',
] as const;
export type VariableList = (typeof variableLists)[number];

/** Lists of what events and insights both have, of which a variable chooses. */
export const eitherLists: readonly VariableList[] = [
  'providers',
  'accounts',
  'regions',
  'identities',
  'services',
  'operations',
  'countries',
];

/** How many values a variable has where it does not say. */
export const defaultVariableLimit = 1000;

/** The query of a dashboard variable. */
export interface VariableQuery extends DataQuery {
  list: VariableList;
  field?: string;
  of?: 'events' | 'insights';
  filter?: string;
  limit?: number;
}

/** Settings of a datasource that are no secret. */
export interface Options extends DataSourceJsonData {
  tlsAuth?: boolean;
  tlsAuthWithCACert?: boolean;
  tlsSkipVerify?: boolean;
  serverName?: string;
  /** Seconds until a request to the daemon is given up, as Grafana's HTTP client reads it. */
  timeout?: number;
}

/** Settings that only the backend sees. */
export interface SecureOptions {
  token?: string;
  basicAuthPassword?: string;
  tlsCACert?: string;
  tlsClientCert?: string;
  tlsClientKey?: string;
}

/** Grafana 11.3 added values to ad-hoc filters, for operators that take several. */
export type AdHocFilter = AdHocVariableFilter & { values?: string[] };

export const insightTypes = [
  'ApiCallRateInsight',
  'ApiErrorRateInsight',
  'IpInsight',
  'AkInsight',
  'PolicyChangeInsight',
  'PasswordChangeInsight',
  'TrailConcealmentInsight',
  'FirstActionInsight',
  'OutOfHoursInsight',
  'RiskInsight',
  'ImpossibleTravelInsight',
  'LoginFailureInsight',
  'MassDeletionInsight',
  'LogGapInsight',
  'RuleInsight',
] as const;

export const severities = ['Critical', 'High', 'Medium', 'Low'] as const;
export const identityKinds = ['human', 'service', 'role', 'root', 'cloud-service', 'anonymous'] as const;

/** Labels of insight_confidence that an alert rule can be split by. */
export const confidenceLabels = ['insight_type', 'provider', 'account', 'region', 'identity', 'object', 'id'] as const;
