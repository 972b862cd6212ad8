import { DataFrame, DataQueryRequest, LiveChannelAddress, LiveChannelScope } from '@grafana/data';
import { formatOf } from './defaults';
import { joinFilters, parseFilter, removeCondition } from './language/filter';
import { filterText } from './resources';
import { Query } from './types';

/** The longest path that Grafana Live takes safely: 255 characters less organisation, scope and uid. */
const maxPath = 200;

/** Rows that a live table keeps. */
export const maxRows = 1000;

/** isLive says whether a query's answer is to follow. */
export function isLive(q: Query, request: Pick<DataQueryRequest, 'liveStreaming'>): boolean {
  const followed = q.queryType === 'insights' && ['table', 'logs'].includes(formatOf(q)) && !q.insightId;
  return !q.hide && followed && Boolean(q.live || request.liveStreaming);
}

/**
 * streamPath is the path of the stream of a query whose variables are filled in. The same question
 * has the same path, in whatever order it was put; undefined where it is too long for a channel.
 */
export function streamPath(q: Query): string | undefined {
  const params = new URLSearchParams();
  const add = (name: string, values: Array<string | number | undefined>) =>
    values.filter((v) => v !== undefined && v !== '').forEach((v) => params.append(name, String(v)));
  add('filter', [narrowing(joinFilters(q.filter, filterText(q.filters ?? [])))]);
  add('high_risk', [q.highRisk ? 'true' : undefined]);
  add('min_confidence', [q.minConfidence || undefined]);
  add('severity', [...(q.severities ?? [])].sort());
  add('suppressed', [q.suppressed === 'show' || q.suppressed === 'only' ? q.suppressed : undefined]);
  add('type', [...(q.types ?? [])].sort());
  const path = `insights/${base64url(params.toString())}`;
  return path.length <= maxPath ? path : undefined;
}

/** narrowing leaves out what takes everything, as variables do whose choice is All. */
function narrowing(filter: string): string {
  return parseFilter(filter)
    .conditions.filter((c) => c.operator === '=~' && /^\(?\.\*\)?$/.test(c.value))
    .reduce((rest, c) => removeCondition(rest, c.name, c.operator, c.value), filter);
}

function base64url(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=+$/, '');
}

/** streamAddress names a channel as every Grafana from 10.4 on reads it: React 19's calls stream what was namespace. */
export function streamAddress(uid: string, path: string): LiveChannelAddress {
  const address = { scope: LiveChannelScope.DataSource, namespace: uid, stream: uid, path };
  return address as unknown as LiveChannelAddress;
}

/** Changes after which an insight is no longer shown. */
const gone = new Set(['withdrawn', 'superseded']);

/**
 * mergeRows joins rows of the stream into a table: a row takes the place of the one with its id, new
 * ones come first, and what was withdrawn goes. Fields that the table has not got are left out.
 */
export function mergeRows(table: DataFrame, update: DataFrame): DataFrame {
  const rows = readRows(update);
  const idField = table.fields.find((f) => f.name === 'id');
  if (rows.length === 0 || !idField) {
    return table;
  }
  const columns = table.fields.map((f) => [...f.values]);
  const ids: unknown[] = columns[table.fields.indexOf(idField)];
  for (const row of rows) {
    const known = ids.indexOf(row.id);
    if (gone.has(String(row.change))) {
      if (known >= 0) {
        columns.forEach((c) => c.splice(known, 1));
      }
      continue;
    }
    table.fields.forEach((f, i) => {
      const value = row[f.name] ?? null;
      if (known >= 0) {
        columns[i][known] = value;
      } else {
        columns[i].unshift(value);
      }
    });
  }
  columns.forEach((c) => (c.length = Math.min(c.length, maxRows)));
  return {
    ...table,
    length: columns[0].length,
    // State holds what was displayed of the old values.
    fields: table.fields.map((f, i) => ({ ...f, values: columns[i], state: undefined })),
  };
}

type Row = Record<string, unknown>;

function readRows({ fields }: DataFrame): Row[] {
  const rows: Row[] = [];
  for (let i = 0; i < (fields[0]?.values.length ?? 0); i++) {
    rows.push(Object.fromEntries(fields.map((f) => [f.name, f.values[i]])));
  }
  return rows;
}
