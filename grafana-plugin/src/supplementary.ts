import {
  DataFrame,
  DataQueryRequest,
  DataQueryResponse,
  FieldColorModeId,
  FieldType,
  LogLevel,
  LogsVolumeType,
  SupplementaryQueryOptions,
  SupplementaryQueryType,
} from '@grafana/data';
import { formatOf } from './defaults';
import { formatCondition } from './language/filter';
import { selectors } from './language/promql';
import { Query } from './types';

/** Prefixes of the refIds of queries that Explore asks beside a person's own. */
export const volumePrefix = 'log-volume-';
export const samplePrefix = 'log-sample-';

/** How many bars a volume has at most. */
const bars = 100;

export const supplementaryTypes = [SupplementaryQueryType.LogsVolume, SupplementaryQueryType.LogsSample];

/** supplementaryQuery is the volume of a query of logs, or the events behind a query of counts. */
export function supplementaryQuery(o: SupplementaryQueryOptions, q: Query): Query | undefined {
  if (q.hide) {
    return undefined;
  }
  switch (o.type) {
    case SupplementaryQueryType.LogsVolume:
      if (q.queryType !== 'events' || formatOf(q) !== 'logs') {
        return undefined;
      }
      return { ...q, refId: volumePrefix + q.refId, format: 'volume', by: 'outcome', limit: undefined };
    case SupplementaryQueryType.LogsSample: {
      const filter = q.queryType === 'promql' || q.queryType === 'bands' ? eventsOf(q.expr ?? '') : undefined;
      if (filter === undefined) {
        return undefined;
      }
      return {
        refId: samplePrefix + q.refId,
        datasource: q.datasource,
        queryType: 'events',
        version: q.version,
        format: 'logs',
        filter,
        ...(q.filters ? { filters: q.filters } : {}),
        ...(o.limit ? { limit: o.limit } : {}),
      };
    }
    default:
      return undefined;
  }
}

/** supplementaryRequest asks the supplementary queries of a request, in place of its own. */
export function supplementaryRequest(
  type: SupplementaryQueryType,
  request: DataQueryRequest<Query>
): DataQueryRequest<Query> | undefined {
  const targets = request.targets.flatMap((q) => supplementaryQuery({ type }, q) ?? []);
  if (targets.length === 0) {
    return undefined;
  }
  const out: DataQueryRequest<Query> = { ...request, targets, liveStreaming: false };
  if (type === SupplementaryQueryType.LogsVolume) {
    const span = request.range.to.valueOf() - request.range.from.valueOf();
    const step = Math.max(1000, Math.ceil(span / bars / 1000) * 1000);
    out.intervalMs = step;
    out.interval = `${step / 1000}s`;
    out.maxDataPoints = bars;
  }
  return out;
}

/** eventsOf is the filter of the events that an expression counts; undefined where they are not all of one kind. */
function eventsOf(expr: string): string | undefined {
  const found = selectors(expr);
  const filters = new Set(
    found.map((s) =>
      s.matchers
        .filter((m) => m.name !== '__name__' && m.value !== '__overflow__')
        .map((m) => formatCondition(m))
        .join(' ')
    )
  );
  return found.length > 0 && found.every((s) => s.metric.startsWith('activity_')) && filters.size === 1
    ? [...filters][0]
    : undefined;
}

/** Colours of Grafana's own log levels, for those that a volume has. */
const levels: Record<string, { level: LogLevel; color: string }> = {
  error: { level: LogLevel.error, color: '#E24D42' },
  success: { level: LogLevel.info, color: '#7EB26D' },
};

/** markVolumes gives frames of volumes what Explore's histogram of log levels reads. */
export function markVolumes(
  response: DataQueryResponse,
  request: DataQueryRequest<Query>,
  datasourceName: string
): DataQueryResponse {
  const asked = new Map(request.targets.filter((q) => q.refId.startsWith(volumePrefix)).map((q) => [q.refId, q]));
  if (asked.size === 0) {
    return response;
  }
  const absoluteRange = { from: request.range.from.valueOf(), to: request.range.to.valueOf() };
  const data = response.data.map((frame: DataFrame) => {
    const sourceQuery = asked.get(frame.refId ?? '');
    if (!sourceQuery) {
      return frame;
    }
    return {
      ...frame,
      meta: {
        ...frame.meta,
        custom: { absoluteRange, logsVolumeType: LogsVolumeType.FullRange, datasourceName, sourceQuery },
      },
      fields: frame.fields.map((f) => {
        if (f.type !== FieldType.number) {
          return f;
        }
        const of = f.labels?.outcome ?? f.name;
        const { level, color } = levels[of] ?? { level: LogLevel.unknown, color: '#8e8e8e' };
        return {
          ...f,
          config: {
            ...f.config,
            displayNameFromDS: level,
            color: { mode: FieldColorModeId.Fixed, fixedColor: color },
            custom: {
              drawStyle: 'bars',
              barAlignment: 0,
              lineColor: color,
              pointColor: color,
              fillColor: color,
              lineWidth: 1,
              fillOpacity: 100,
              stacking: { mode: 'normal', group: 'A' },
            },
          },
        };
      }),
    };
  });
  return { ...response, data };
}
