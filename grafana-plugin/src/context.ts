import { DataFrame, FieldCache, FieldType, LogRowContextQueryDirection, LogRowModel } from '@grafana/data';
import { formatCondition } from './language/filter';
import { Query, queryVersion } from './types';

/** How far context looks for events around a row. */
const reachMs = 24 * 3600 * 1000;

/** The labels that context keeps: what the same identity did in the same account. */
const kept = ['provider', 'account', 'identity'];

/** contextQuery asks for what came before, or after, a row. */
export function contextQuery(
  row: Pick<LogRowModel, 'timeEpochMs' | 'labels' | 'uid'>,
  direction: LogRowContextQueryDirection,
  limit: number
): Query {
  const backward = direction !== LogRowContextQueryDirection.Forward;
  const at = row.timeEpochMs;
  // One second more on the row's side, since many events may share its second.
  const from = backward ? at - reachMs : at;
  const to = backward ? at + 1000 : at + reachMs;
  return {
    refId: `log-context-${backward ? 'backward' : 'forward'}`,
    queryType: 'events',
    version: queryVersion,
    format: 'logs',
    direction: backward ? 'backward' : 'forward',
    filter: kept
      .filter((name) => row.labels[name])
      .map((name) => formatCondition({ name, operator: '=', value: row.labels[name] }))
      .join(' '),
    from: new Date(from).toISOString(),
    to: new Date(to).toISOString(),
    // The row itself comes back with its neighbours, and is taken out.
    limit: limit + 1,
  };
}

/**
 * withoutRow leaves of a frame of log lines what stands on one side of a row. Events of the same
 * instant count as before it, so that none is shown on both sides.
 */
export function withoutRow(
  frame: DataFrame,
  row: Pick<LogRowModel, 'timeEpochMs' | 'rowId' | 'uid'>,
  direction: LogRowContextQueryDirection,
  limit: number
): DataFrame {
  const cache = new FieldCache(frame);
  const time = cache.getFirstFieldOfType(FieldType.time);
  const id = cache.getFieldByName('id');
  if (!time) {
    return frame;
  }
  const keep: number[] = [];
  for (let i = 0; i < frame.length && keep.length < limit; i++) {
    const t: number = time.values[i];
    const itself = id !== undefined && (id.values[i] === row.rowId || row.uid.endsWith(`_${id.values[i]}`));
    const side = direction === LogRowContextQueryDirection.Forward ? t > row.timeEpochMs : t <= row.timeEpochMs;
    if (!itself && side) {
      keep.push(i);
    }
  }
  return {
    ...frame,
    length: keep.length,
    fields: frame.fields.map((f) => ({
      ...f,
      values: keep.map((i) => f.values[i]),
      ...(f.nanos ? { nanos: keep.map((i) => f.nanos![i]) } : {}),
    })),
  };
}
