import {
  AdHocVariableFilter,
  CoreApp,
  DataFrame,
  DataQueryRequest,
  DataQueryResponse,
  DataSourceApi,
  DataSourceGetTagKeysOptions,
  DataSourceGetTagValuesOptions,
  DataSourceInstanceSettings,
  DataSourceWithLogsContextSupport,
  DataSourceWithQueryModificationSupport,
  DataSourceWithSupplementaryQueriesSupport,
  DataSourceWithToggleableQueryFiltersSupport,
  LegacyMetricFindQueryOptions,
  LoadingState,
  LogRowContextOptions,
  LogRowContextQueryDirection,
  LogRowModel,
  MetricFindValue,
  QueryFilterOptions,
  QueryFixAction,
  ScopedVars,
  StreamingFrameAction,
  SupplementaryQueryOptions,
  SupplementaryQueryType,
  ToggleFilterAction,
  dateTime,
} from '@grafana/data';
import { DataSourceWithBackend, TemplateSrv, getGrafanaLiveSrv, getTemplateSrv } from '@grafana/runtime';
import {
  EMPTY,
  Observable,
  catchError,
  concat,
  filter,
  firstValueFrom,
  last,
  map,
  merge,
  of,
  startWith,
  switchMap,
  throttleTime,
  timer,
} from 'rxjs';
import { annotationSupport } from './annotations';
import { contextQuery, withoutRow } from './context';
import { defaultQuery, displayText, formatOf, isComplete } from './defaults';
import { interpolate, interpolateList, interpolateText, Replace } from './language/interpolate';
import { migrateQuery, importQuery, migrateVariable } from './migrate';
import { hasFilter, modify, modifications, toggleFilter } from './modify';
import { isLive, maxRows, mergeRows, streamAddress, streamPath } from './live';
import { Resources, filterConditions, filterText, toFilters } from './resources';
import { markVolumes, supplementaryQuery, supplementaryRequest, supplementaryTypes } from './supplementary';
import { AdHocFilter, Filter, Options, Query, VariableQuery } from './types';
import { InsightdVariables, variableValues } from './variables';

/** How often a live answer is asked again where rows cannot simply be joined to it. */
const livePauseMs = 2000;

/** How many lines of context are asked where Grafana does not say. */
const contextLimit = 50;

/** DataSource is one configured daemon, as the browser sees it. It asks the backend and computes nothing of its own. */
export class DataSource
  extends DataSourceWithBackend<Query, Options>
  implements
    DataSourceWithSupplementaryQueriesSupport<Query>,
    DataSourceWithLogsContextSupport<Query>,
    DataSourceWithToggleableQueryFiltersSupport<Query>,
    DataSourceWithQueryModificationSupport<Query>
{
  readonly resources: Resources;
  annotations = annotationSupport;

  constructor(
    settings: DataSourceInstanceSettings<Options>,
    private readonly templateSrv: TemplateSrv = getTemplateSrv()
  ) {
    super(settings);
    this.resources = new Resources((path, params) => this.getResource(path, params));
    this.variables = new InsightdVariables(this);
  }

  getDefaultQuery(app: CoreApp): Partial<Query> {
    return defaultQuery(app);
  }

  getQueryDisplayText(query: Query): string {
    return displayText(migrateQuery(query));
  }

  filterQuery(query: Query): boolean {
    return !query.hide && isComplete(migrateQuery(query));
  }

  query(request: DataQueryRequest<Query>): Observable<DataQueryResponse> {
    const targets = request.targets.map(migrateQuery);
    const migrated = { ...request, targets };
    const live = targets.filter((q) => isLive(q, request) && this.filterQuery(q));
    const tailed = request.liveStreaming
      ? targets.filter((q) => !live.includes(q) && this.filterQuery(q) && q.queryType === 'events' && !q.insightId)
      : [];
    const rest = targets.filter((q) => !live.includes(q) && !tailed.includes(q));
    const answers: Array<Observable<DataQueryResponse>> = [
      ...live.map((q) => this.follow(q, migrated)),
      ...(tailed.length > 0 ? [this.tail({ ...migrated, targets: tailed })] : []),
    ];
    if (rest.length > 0 || answers.length === 0) {
      answers.push(this.ask({ ...migrated, targets: rest }));
    }
    return merge(...answers);
  }

  /** ask asks the backend once. */
  private ask(request: DataQueryRequest<Query>): Observable<DataQueryResponse> {
    return super.query(request).pipe(map((response) => markVolumes(response, request, this.name)));
  }

  /** tail asks the newest events again and again, as long as somebody looks. */
  private tail(request: DataQueryRequest<Query>): Observable<DataQueryResponse> {
    const key = `tail-${request.targets.map((q) => q.refId).join('-')}`;
    return timer(0, livePauseMs).pipe(
      switchMap(() => this.ask({ ...request, range: movedRange(request) })),
      map((response) => ({ ...response, key, state: LoadingState.Streaming }))
    );
  }

  /** follow asks once and then follows the stream of insights. */
  private follow(query: Query, request: DataQueryRequest<Query>): Observable<DataQueryResponse> {
    const key = `live-${query.refId}`;
    const once = () => this.ask({ ...request, targets: [query], range: movedRange(request) });
    const filled = this.applyTemplateVariables(query, request.scopedVars, request.filters);
    const path = streamPath(filled);
    const streaming = (response: DataQueryResponse) => ({ ...response, key, state: LoadingState.Streaming });
    if (path === undefined) {
      // Too long a question for the name of a channel.
      return timer(0, 5 * livePauseMs).pipe(switchMap(once), map(streaming));
    }
    // Grafana keeps the rows that came since somebody began to look, the newest last.
    const changes = getGrafanaLiveSrv()
      .getDataStream({
        addr: streamAddress(this.uid, path),
        key,
        buffer: { maxLength: maxRows, maxDelta: Infinity, action: StreamingFrameAction.Append },
      })
      .pipe(
        filter((response) => !problemOf(response) && response.data.length > 0),
        map((response): DataFrame => response.data[0]),
        // The first answer stays where the stream cannot be had.
        catchError(() => EMPTY)
      );
    if (formatOf(query) !== 'table') {
      const pause = { leading: true, trailing: true };
      const again = changes.pipe(
        filter((frame) => frame.length > 0),
        throttleTime(livePauseMs, undefined, pause),
        switchMap(once)
      );
      return concat(once(), again).pipe(map(streaming));
    }
    return once().pipe(
      last(),
      switchMap((first) =>
        changes.pipe(
          map((rows) => ({ ...first, data: first.data.map((frame: DataFrame) => mergeRows(frame, rows)) })),
          startWith(first)
        )
      ),
      map(streaming)
    );
  }

  applyTemplateVariables(query: Query, scopedVars: ScopedVars, filters?: AdHocVariableFilter[]): Query {
    const q = migrateQuery(query);
    const replace = this.replace;
    const text = (t?: string) => (t === undefined ? undefined : interpolateText(t, replace, scopedVars));
    const list = (l?: string[]) => (l === undefined ? undefined : interpolateList(l, replace, scopedVars));
    const adHoc = [...(q.filters ?? []), ...toFilters(filters ?? this.adHocFilters())];
    const out: Query = {
      ...q,
      expr: q.expr === undefined ? undefined : interpolate(q.expr, replace, scopedVars),
      filter: q.filter === undefined ? undefined : interpolate(q.filter, replace, scopedVars),
      filters: adHoc.length > 0 ? adHoc : undefined,
      legend: text(q.legend),
      step: text(q.step),
      insightId: text(q.insightId),
      identityId: text(q.identityId),
      identityClass: text(q.identityClass),
      by: text(q.by),
      from: text(q.from),
      to: text(q.to),
      minConfidence: asNumber(text(q.minConfidence?.toString())),
      types: list(q.types),
      severities: list(q.severities),
      kinds: list(q.kinds),
      groupBy: list(q.groupBy),
    };
    // What is not there is left out, so that saved queries and stream paths stay as short as they were.
    return Object.fromEntries(Object.entries(out).filter(([, v]) => v !== undefined)) as unknown as Query;
  }

  interpolateVariablesInQueries(queries: Query[], scopedVars: ScopedVars, filters?: AdHocVariableFilter[]): Query[] {
    return queries.map((query) => {
      const q = this.applyTemplateVariables(query, scopedVars, filters);
      const out = { ...q, datasource: this.getRef() };
      if (q.filters && q.queryType !== 'promql') {
        // Explore has no ad-hoc filters of the dashboard: they become a part that can be read and changed.
        out.filter = [q.filter, filterText(q.filters)].filter(Boolean).join(' ');
        delete out.filters;
      }
      return out;
    });
  }

  private readonly replace: Replace = (text, scopedVars, format) => this.templateSrv.replace(text, scopedVars, format);

  /** adHocFilters asks for the filters where Grafana does not hand them over, as some callers of 10.4 do not. */
  private adHocFilters(): AdHocFilter[] {
    const srv = this.templateSrv as TemplateSrv & { getAdhocFilters?: (name: string) => AdHocFilter[] };
    return srv.getAdhocFilters?.(this.name) ?? [];
  }

  async metricFindQuery(
    query: VariableQuery | string,
    options?: LegacyMetricFindQueryOptions & { scopedVars?: ScopedVars }
  ): Promise<MetricFindValue[]> {
    const q = migrateVariable(query);
    const filled: VariableQuery = {
      ...q,
      ...(q.filter ? { filter: interpolate(q.filter, this.replace, options?.scopedVars) } : {}),
      ...(q.field ? { field: interpolateText(q.field, this.replace, options?.scopedVars) } : {}),
    };
    return variableValues(this.resources, filled, options?.range);
  }

  async getTagKeys(options?: DataSourceGetTagKeysOptions<Query>): Promise<MetricFindValue[]> {
    const of = filteredOf(options?.queries);
    if (of === 'series') {
      const labels = await this.resources.labels(undefined, options?.timeRange);
      return labels.filter((l) => l !== '__name__').map((text) => ({ text, value: text }));
    }
    const [events, insights] = await Promise.all([
      of === 'insights' ? [] : this.resources.fields('events'),
      of === 'events' ? [] : this.resources.fields('insights').catch(() => []),
    ]);
    const names = new Set([...events, ...insights].map((f) => f.name));
    return [...names].map((text) => ({ text, value: text }));
  }

  async getTagValues(options: DataSourceGetTagValuesOptions & { queries?: Query[] }): Promise<MetricFindValue[]> {
    const range = options.timeRange;
    const of = filteredOf(options.queries);
    const others = toFilters(options.filters).filter((f) => f.key !== options.key);
    if (of === 'series') {
      const values = await this.resources.labelValues(options.key, selectorOf(others), range);
      return values.map((text) => ({ text, value: text }));
    }
    const known = async (kind: 'events' | 'insights') => (await this.resources.fields(kind)).map((f) => f.name);
    const values = async (kind: 'events' | 'insights') => {
      const names = await known(kind);
      if (!names.includes(options.key)) {
        return [];
      }
      // A filter on what only the other kind has would be refused.
      const filter = filterText(others.filter((f) => names.includes(f.key)));
      return this.resources.values(kind, options.key, { filter, range, limit: 1000 });
    };
    const lists = await Promise.all([
      of === 'insights' ? [] : values('events'),
      of === 'events' ? [] : values('insights').catch(() => []),
    ]);
    const all = new Set(lists.flat().map((v) => v.value));
    return [...all].filter((v) => v !== '').map((text) => ({ text, value: text }));
  }

  toggleQueryFilter(query: Query, action: ToggleFilterAction): Query {
    return toggleFilter(migrateQuery(query), action);
  }

  queryHasFilter(query: Query, filter: QueryFilterOptions): boolean {
    return hasFilter(migrateQuery(query), filter);
  }

  modifyQuery(query: Query, action: QueryFixAction): Query {
    return modify(migrateQuery(query), action);
  }

  getSupportedQueryModifications(): string[] {
    return modifications;
  }

  async importQueries(queries: Query[], origin: DataSourceApi): Promise<Query[]> {
    return queries.flatMap((q) => importQuery(q, origin.type) ?? []);
  }

  getSupportedSupplementaryQueryTypes(): SupplementaryQueryType[] {
    return supplementaryTypes;
  }

  getSupplementaryQuery(options: SupplementaryQueryOptions, query: Query): Query | undefined {
    return supplementaryQuery(options, migrateQuery(query));
  }

  /** The current form: Grafana runs the request itself. */
  getSupplementaryRequest(
    type: SupplementaryQueryType,
    request: DataQueryRequest<Query>
  ): DataQueryRequest<Query> | undefined {
    return supplementaryRequest(type, { ...request, targets: request.targets.map(migrateQuery) });
  }

  /** The older form, which Grafana asks for first where both are there. */
  getDataProvider(
    type: SupplementaryQueryType,
    request: DataQueryRequest<Query>
  ): Observable<DataQueryResponse> | undefined {
    const supplementary = this.getSupplementaryRequest(type, request);
    if (!supplementary) {
      return undefined;
    }
    const loading: DataQueryResponse = { state: LoadingState.Loading, data: [] };
    const failed = (error: { message?: string }): DataQueryResponse => ({
      // Grafana 10.4 reads the one, later ones the other.
      ...({ error } as object),
      errors: [error],
      state: LoadingState.Error,
      data: [],
    });
    const done = this.query(supplementary).pipe(
      map((response) => {
        const error = problemOf(response);
        return error ? failed(error) : { ...response, state: LoadingState.Done };
      }),
      catchError((error: Error) => of(failed(error)))
    );
    return concat(of(loading), done);
  }

  async getLogRowContext(row: LogRowModel, options?: LogRowContextOptions): Promise<DataQueryResponse> {
    const direction = options?.direction ?? LogRowContextQueryDirection.Backward;
    const limit = options?.limit ?? contextLimit;
    const target = contextQuery(row, direction, limit);
    const response = await firstValueFrom(
      this.ask({
        requestId: target.refId,
        interval: '1s',
        intervalMs: 1000,
        range: { from: dateTime(target.from), to: dateTime(target.to), raw: { from: target.from!, to: target.to! } },
        scopedVars: {},
        targets: [target],
        timezone: 'utc',
        app: CoreApp.Explore,
        startTime: Date.now(),
        hideFromInspector: true,
      })
    );
    const error = problemOf(response);
    if (error) {
      throw new Error(error.message ?? 'asking for the context of a log line failed');
    }
    return { ...response, data: response.data.map((f: DataFrame) => withoutRow(f, row, direction, limit)) };
  }

  async getLogRowContextQuery(row: LogRowModel, options?: LogRowContextOptions): Promise<Query | null> {
    return contextQuery(
      row,
      options?.direction ?? LogRowContextQueryDirection.Backward,
      options?.limit ?? contextLimit
    );
  }
}

/** problemOf is what went wrong. Grafana says it in one of two places. */
function problemOf(response: DataQueryResponse): { message?: string } | undefined {
  const { error } = response as { error?: { message?: string } };
  return response.errors?.[0] ?? error;
}

/** filteredOf says what ad-hoc filters are put to: one kind, or whatever the dashboard has. */
function filteredOf(queries?: Query[]): 'events' | 'insights' | 'series' | 'all' {
  const kinds = new Set(
    (queries ?? []).map((query) => {
      const q = migrateQuery(query);
      switch (q.queryType) {
        case 'promql':
        case 'bands':
          return 'series';
        case 'events':
          return 'events';
        case 'map':
          return q.of === 'insights' ? 'insights' : 'events';
        case 'insights':
        case 'confidence':
          return 'insights';
        default:
          return 'all';
      }
    })
  );
  return kinds.size === 1 ? [...kinds][0] : 'all';
}

const selectorOf = (filters: Filter[]) =>
  filters.length > 0 ? `{${filterConditions(filters).join(', ')}}` : undefined;

const asNumber = (text?: string) =>
  text === undefined || text === '' || isNaN(Number(text)) ? undefined : Number(text);

/** movedRange is the range of a request, moved on to now where it ends there. */
function movedRange(request: DataQueryRequest<Query>) {
  const { range } = request;
  if (typeof range.raw?.to !== 'string' || !range.raw.to.includes('now')) {
    return range;
  }
  const passed = Math.max(0, Date.now() - range.to.valueOf());
  return { ...range, from: dateTime(range.from.valueOf() + passed), to: dateTime(range.to.valueOf() + passed) };
}
