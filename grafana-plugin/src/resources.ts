import { TimeRange } from '@grafana/data';
import { joinFilters } from './language/filter';
import { escapeRegex, quote } from './language/quote';
import { AdHocFilter, Filter, FilterOperator } from './types';

/** What of a datasource is asked here: a path of the backend's resources, with parameters. */
export type GetResource = (path: string, params?: Record<string, string | string[] | number>) => Promise<unknown>;

/** A field of events or of insights, as the daemon describes it. */
export interface Field {
  name: string;
  help: string;
  list?: boolean;
}

export interface FieldValue {
  value: string;
  count: number;
}

export interface MetricInfo {
  name: string;
  help: string;
}

export interface ValuesOptions {
  filter?: string;
  range?: TimeRange;
  contains?: string;
  limit?: number;
}

/** The two kinds of things that have fields. */
export type Of = 'events' | 'insights';

/** How long an answer is used again. Completion asks the same at every key. */
const keepMs = 60_000;
const keepEntries = 200;

/** Resources asks the daemon for names and values. Answers are shared, and kept for a minute; failures are not. */
export class Resources {
  private readonly kept = new Map<string, { at: number; answer: Promise<unknown> }>();

  constructor(
    private readonly get: GetResource,
    private readonly now: () => number = Date.now
  ) {}

  async fields(of: Of): Promise<Field[]> {
    const data = await this.ask<{ fields?: Field[] }>(`${of}/fields`);
    return data.fields ?? [];
  }

  async values(of: Of, field: string, o: ValuesOptions = {}): Promise<FieldValue[]> {
    const data = await this.ask<{ values?: FieldValue[] }>(`${of}/field/${encodeURIComponent(field)}/values`, {
      ...rangeParams(o.range),
      ...(o.filter ? { filter: o.filter } : {}),
      ...(o.contains ? { contains: o.contains } : {}),
      ...(o.limit ? { limit: o.limit } : {}),
    });
    return data.values ?? [];
  }

  async labels(selector?: string, range?: TimeRange): Promise<string[]> {
    const names = await this.ask<string[]>('labels', { ...rangeParams(range), ...matchParam(selector) });
    return Array.isArray(names) ? names : [];
  }

  async labelValues(label: string, selector?: string, range?: TimeRange, limit?: number): Promise<string[]> {
    const values = await this.ask<string[]>(`label/${encodeURIComponent(label)}/values`, {
      ...rangeParams(range),
      ...matchParam(selector),
      ...(limit ? { limit } : {}),
    });
    return Array.isArray(values) ? values : [];
  }

  async metrics(): Promise<MetricInfo[]> {
    const data = await this.ask<Record<string, Array<{ help?: string }>>>('metadata');
    return Object.entries(data ?? {}).map(([name, [first]]) => ({ name, help: first?.help ?? '' }));
  }

  /** ask answers the inside of the daemon's envelope. */
  private ask<T>(path: string, params: Record<string, string | string[] | number> = {}): Promise<T> {
    const key = path + '?' + JSON.stringify(params);
    const now = this.now();
    const known = this.kept.get(key);
    if (known && now - known.at < keepMs) {
      return known.answer as Promise<T>;
    }
    const answer = this.get(path, params).then((body) => {
      const b = body as { status?: string; data?: unknown; error?: string } | undefined;
      if (b?.status === 'error') {
        throw new Error(b.error ?? 'the daemon answered with an error');
      }
      return b && typeof b === 'object' && 'data' in b ? b.data : body;
    });
    this.kept.set(key, { at: now, answer });
    answer.catch(() => this.kept.delete(key));
    if (this.kept.size > keepEntries) {
      this.kept.delete(this.kept.keys().next().value!);
    }
    return answer as Promise<T>;
  }
}

/** rangeParams rounds to minutes outwards, so that a range that moves with the clock asks the same for a while. */
function rangeParams(range?: TimeRange): { start?: string; end?: string } {
  if (!range) {
    return {};
  }
  const minute = 60_000;
  return {
    start: new Date(Math.floor(range.from.valueOf() / minute) * minute).toISOString(),
    end: new Date(Math.ceil(range.to.valueOf() / minute) * minute).toISOString(),
  };
}

const matchParam = (selector?: string): Record<string, string> =>
  selector?.trim() ? { 'match[]': selector.trim() } : {};

const operators: FilterOperator[] = ['=', '!=', '=~', '!~', '=|', '!=|'];

/** toFilters makes of Grafana's ad-hoc filters those of the query. What has no key yet, or an operator that no field has, is left out. */
export function toFilters(filters: AdHocFilter[] | undefined): Filter[] {
  return (filters ?? [])
    .filter((f) => f.key && operators.includes(f.operator as FilterOperator))
    .map((f) => ({
      key: f.key,
      operator: f.operator as FilterOperator,
      value: f.value ?? '',
      ...(f.values?.length ? { values: f.values } : {}),
    }));
}

/** filterConditions writes each ad-hoc filter as a condition of the filter language, which PromQL reads as a matcher too. */
export function filterConditions(filters: Filter[]): string[] {
  return filters.map((f) => {
    if (f.operator !== '=|' && f.operator !== '!=|') {
      return f.key + f.operator + quote(f.value);
    }
    const values = f.values?.length ? f.values : [f.value];
    if (values.length === 1) {
      return f.key + (f.operator === '=|' ? '=' : '!=') + quote(values[0]);
    }
    return f.key + (f.operator === '=|' ? '=~' : '!~') + quote(`(${values.map(escapeRegex).join('|')})`);
  });
}

/** filterText writes ad-hoc filters in the filter language. */
export function filterText(filters: Filter[]): string {
  return joinFilters(...filterConditions(filters));
}
