import {
  Query,
  QueryType,
  VariableQuery,
  formats,
  queryTypes,
  queryVersion,
  variableLists,
  VariableList,
} from './types';
import { selectors } from './language/promql';

const isQueryType = (v: unknown): v is QueryType => queryTypes.includes(v as QueryType);

/** Names that other datasources, and drafts of this one, gave to what a query has. */
const renamed: Record<string, keyof Query> = {
  legendFormat: 'legend',
  interval: 'step',
  query: 'filter',
  confidence: 'minConfidence',
  type: 'types',
  severity: 'severities',
  id: 'insightId',
};

/**
 * migrateQuery brings a saved query to the shape of today. A query without a type is known by what
 * it has: PromQL is a query of a Prometheus datasource. A query of today is returned as it is.
 */
export function migrateQuery(saved: Query): Query {
  if (saved.version === queryVersion && isQueryType(saved.queryType)) {
    return saved;
  }
  const q: Record<string, unknown> = { ...saved };
  for (const [from, to] of Object.entries(renamed)) {
    if (from in q && saved.version !== queryVersion) {
      if (q[to] === undefined && q[from] !== '') {
        q[to] = to === 'types' || to === 'severities' ? [q[from]].flat() : q[from];
      }
      delete q[from];
    }
  }
  const out = q as unknown as Query;
  if (!isQueryType(out.queryType)) {
    out.queryType = typeOf(out, saved);
  }
  // Prometheus' own "format" says table, time_series or heatmap; none of them is a form of ours here.
  const known: readonly string[] = formats[out.queryType];
  if (out.format !== undefined && !known.includes(out.format)) {
    delete out.format;
  }
  for (const list of ['types', 'severities', 'groupBy', 'kinds'] as const) {
    const value: unknown = out[list];
    if (typeof value === 'string') {
      out[list] = value === '' ? [] : [value];
    }
  }
  out.version = queryVersion;
  return out;
}

function typeOf(q: Query, saved: Query): QueryType {
  if (q.expr) {
    return 'promql';
  }
  if ((saved as { queryType?: string }).queryType === 'logs' || (q.filter && !q.types)) {
    return 'events';
  }
  return 'insights';
}

/** importQuery makes a query of one of a Prometheus or Loki datasource, where it has something to say here. */
export function importQuery(saved: Query, from: string): Query | undefined {
  const { refId, hide } = saved;
  const expr = saved.expr;
  if (from === 'prometheus' && expr !== undefined) {
    const { legendFormat, interval, instant } = saved as Query & { legendFormat?: string; interval?: string };
    return {
      refId,
      hide,
      queryType: 'promql',
      version: queryVersion,
      expr,
      instant: Boolean(instant),
      ...(legendFormat && legendFormat !== '__auto' ? { legend: legendFormat } : {}),
      ...(interval ? { step: interval } : {}),
    };
  }
  if (from === 'loki' && expr !== undefined) {
    // Of a line's selector only what an event has too; the rest would be refused.
    const [s] = selectors(expr);
    const filter = (s?.matchers ?? [])
      .filter((m) => ['account', 'region', 'service', 'operation', 'identity'].includes(m.name))
      .map((m) => `${m.name}${m.operator}${JSON.stringify(m.value)}`)
      .join(' ');
    return { refId, hide, queryType: 'events', version: queryVersion, filter };
  }
  return undefined;
}

const functionForm = /^\s*(label_values|label_names|metrics|insight_values|event_values)\s*\((.*)\)\s*$/s;

/** migrateVariable reads a variable's query in any form that it was saved in. */
export function migrateVariable(saved: unknown): VariableQuery {
  const refId = 'variable';
  if (typeof saved === 'string') {
    return { refId, ...parseVariable(saved) };
  }
  const q = (saved ?? {}) as Partial<VariableQuery> & { query?: unknown };
  if (q.list === undefined && typeof q.query === 'string') {
    return { refId, ...parseVariable(q.query) };
  }
  return {
    ...q,
    refId: q.refId ?? refId,
    list: variableLists.includes(q.list as VariableList) ? q.list! : 'insightTypes',
  };
}

function parseVariable(text: string): Omit<VariableQuery, 'refId'> {
  const m = functionForm.exec(text);
  if (!m) {
    const list = text.trim() as VariableList;
    return { list: variableLists.includes(list) ? list : 'insightTypes' };
  }
  const [, name, inside] = m;
  switch (name) {
    case 'label_values': {
      // The label comes last, after a selector that may have commas of its own.
      const comma = inside.lastIndexOf(',');
      const label = inside.slice(comma + 1).trim();
      const filter = comma < 0 ? '' : inside.slice(0, comma).trim();
      return { list: 'labelValues', field: label, ...(filter ? { filter } : {}) };
    }
    case 'label_names':
      return { list: 'labelNames', ...(inside.trim() ? { filter: inside.trim() } : {}) };
    case 'metrics':
      return { list: 'metrics' };
    default: {
      // The field comes first, before a filter.
      const comma = inside.indexOf(',');
      const field = (comma < 0 ? inside : inside.slice(0, comma)).trim();
      const filter = comma < 0 ? '' : inside.slice(comma + 1).trim();
      return { list: name === 'insight_values' ? 'insightField' : 'eventField', field, ...(filter ? { filter } : {}) };
    }
  }
}
