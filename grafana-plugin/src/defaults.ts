import { CoreApp } from '@grafana/data';
import { Query, QueryType, confidenceLabels, formats, queryVersion } from './types';

/** What a person reads for each query type, and what it is for. */
export const queryTypeNames: Record<QueryType, { label: string; description: string }> = {
  insights: {
    label: 'Insights',
    description: 'What was unusual: a table, log lines, a timeline, one insight in detail',
  },
  confidence: { label: 'Confidence', description: 'How sure, over time and by labels: what alert rules evaluate' },
  events: { label: 'Events', description: 'Audit events that a filter selects, with their volume and facets' },
  map: { label: 'Map', description: 'Events or insights by country or by coordinates' },
  identities: { label: 'Identities', description: 'Who acts: kind, automation, activity, risk, habits' },
  promql: { label: 'Metrics', description: 'PromQL over counts of events and over insights' },
  bands: { label: 'Expected band', description: 'A series with what was expected of it, and the bounds' },
  coverage: { label: 'Coverage', description: 'What each detector knows, is learning, or cannot see' },
};

export const formatNames: Record<string, { label: string; description?: string }> = {
  table: { label: 'Table' },
  logs: { label: 'Logs' },
  annotations: { label: 'Annotations', description: 'Regions from start to end, with title, text and tags' },
  timeline: { label: 'State timeline', description: 'Confidence level by insight type while insights are active' },
  summary: { label: 'Summary', description: 'One row' },
  reasons: { label: 'Reasons', description: 'Why this insight was raised' },
  attributions: { label: 'Attributions', description: 'Who and what made the difference' },
  rule: { label: 'Rule', description: 'The rule that raised it, and what it says to do' },
  records: { label: 'Records', description: 'Start and End, revision by revision' },
  volume: { label: 'Volume', description: 'How many events over time, by a field' },
  values: { label: 'Values', description: 'The most frequent values of a field' },
  country: { label: 'Country', description: 'ISO codes, which the geomap panel looks up' },
  coordinates: { label: 'Coordinates', description: 'Latitude and longitude, where a city database is configured' },
  hours: { label: 'Hours', description: 'Usual hours of the day' },
  operations: { label: 'Operations' },
  networks: { label: 'Networks' },
  countries: { label: 'Countries' },
  agents: { label: 'User agents' },
  regions: { label: 'Regions' },
  detectors: { label: 'Detectors', description: 'By account and region: ready, learning or blind, and why' },
  sources: { label: 'Sources', description: 'Where events come from, lag and errors' },
  streams: { label: 'Streams', description: 'By account: events, watermark, what was capped or rebuilt' },
};

/** Query types that make what an alert rule can evaluate. */
export const alertable: QueryType[] = ['confidence', 'promql'];

/** formatOf is the form of a query's answer. */
export function formatOf(q: Query): string {
  const known: readonly string[] = formats[q.queryType ?? 'insights'];
  return q.format && known.includes(q.format) ? q.format : (known[0] ?? '');
}

/** defaultQuery is what an app starts with. */
export function defaultQuery(app?: CoreApp): Partial<Query> {
  switch (app) {
    case CoreApp.Explore:
      return { queryType: 'events', version: queryVersion, format: 'logs', filter: '' };
    case CoreApp.UnifiedAlerting:
    case CoreApp.CloudAlerting:
      return {
        queryType: 'confidence',
        version: queryVersion,
        measure: 'max',
        groupBy: confidenceLabels.filter((l) => ['insight_type', 'account', 'region'].includes(l)),
      };
    default:
      return { queryType: 'insights', version: queryVersion, format: 'table' };
  }
}

/** isComplete says whether a query can be asked; what it misses is shown in its editor. */
export function isComplete(q: Query): boolean {
  return missing(q) === undefined;
}

/** missing says what a query lacks to be asked. */
export function missing(q: Query): string | undefined {
  const format = formatOf(q);
  switch (q.queryType) {
    case 'promql':
      return q.expr?.trim() ? undefined : 'an expression';
    case 'bands':
      return q.expr?.trim() || q.insightId ? undefined : 'a selector, or the id of an insight';
    case 'insights':
      return ['summary', 'reasons', 'attributions', 'rule', 'records'].includes(format) && !q.insightId
        ? 'the id of an insight'
        : undefined;
    case 'events':
      return format === 'values' && !q.by ? 'a field' : undefined;
    case 'identities':
      return format !== 'table' && !q.identityId ? 'an identity' : undefined;
    default:
      return undefined;
  }
}

/** displayText says in a line what a query asks, for Explore's history and collapsed rows. */
export function displayText(q: Query): string {
  const type = q.queryType ?? 'insights';
  const parts = [queryTypeNames[type].label.toLowerCase()];
  const format = formatOf(q);
  if (format && format !== formats[type][0]) {
    parts.push(`as ${(formatNames[format]?.label ?? format).toLowerCase()}`);
  }
  if (type === 'map') {
    parts.push(`of ${q.of ?? 'events'}`);
  }
  if (type === 'promql' || (type === 'bands' && q.expr)) {
    return `${type === 'bands' ? 'band of ' : ''}${q.expr ?? ''}`;
  }
  if (type === 'confidence') {
    parts.push(q.measure === 'count' ? `count at ${q.minConfidence ?? 0.5} or above` : 'max');
    if (q.groupBy?.length) {
      parts.push(`by ${q.groupBy.join(', ')}`);
    }
  }
  if (q.insightId) {
    parts.push(`of insight ${q.insightId}`);
  }
  if (type === 'identities' && q.identityId) {
    parts.push(`of ${q.identityId}`);
  }
  for (const list of [q.types, q.severities, type === 'identities' ? q.kinds : undefined]) {
    if (list?.length) {
      parts.push(list.join(', '));
    }
  }
  if (type !== 'confidence' && q.minConfidence) {
    parts.push(`confidence ≥ ${q.minConfidence}`);
  }
  if (q.highRisk && (type === 'insights' || type === 'map')) {
    parts.push('high risk');
  }
  if (type === 'events' && q.by && (format === 'volume' || format === 'values')) {
    parts.push(`by ${q.by}`);
  }
  if (type !== 'coverage' && q.filter?.trim()) {
    parts.push(q.filter.trim());
  }
  return parts.join(' ');
}
