import {
  CoreApp,
  DataFrame,
  DataQueryRequest,
  DataQueryResponse,
  LoadingState,
  LogRowContextQueryDirection,
  LogRowModel,
  SupplementaryQueryType,
  createDataFrame,
  dateTime,
} from '@grafana/data';
import { setGrafanaLiveSrv } from '@grafana/runtime';
import fs from 'fs';
import path from 'path';
import { Observable, Subject, firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { migrateQuery } from './migrate';
import { Asked, makeDatasource, range, rowsOf, serve } from './test/setup';
import { formats, queryTypes, Query } from './types';

const query = (q: Partial<Query>): Query => ({ refId: 'A', version: 1, queryType: 'events', ...q });

const request = (targets: Query[], more: Partial<DataQueryRequest<Query>> = {}): DataQueryRequest<Query> => ({
  requestId: 'Q1',
  interval: '1m',
  intervalMs: 60_000,
  range,
  scopedVars: {},
  targets,
  timezone: 'utc',
  app: CoreApp.Explore,
  startTime: 0,
  ...more,
});

/** A frame as Grafana's server sends it, with text columns. */
const frame = (
  refId: string,
  fields: Record<string, unknown[]>,
  labels: Record<string, Record<string, string>> = {}
) => ({
  schema: {
    refId,
    fields: Object.entries(fields).map(([name, values]) => ({
      name,
      labels: labels[name],
      type: name === 'time' ? 'time' : typeof values[0] === 'number' ? 'number' : 'string',
    })),
  },
  data: { values: Object.values(fields) },
});

const answer = (frames: Record<string, unknown[]>) => ({
  results: Object.fromEntries(Object.entries(frames).map(([refId, f]) => [refId, { status: 200, frames: f }])),
});

const asksQuery = (asked: Asked[]) => asked.filter((a) => a.data.queries).map((a) => a.data.queries!);

describe('queries', () => {
  it('go to the backend with variables and ad-hoc filters filled in', async () => {
    const asked = serve(() => answer({ A: [frame('A', { x: ['1'] })] }));
    const ds = makeDatasource([
      { name: 'account', value: ['1', '2'], type: 'query', multi: true },
      { name: 'least', value: '0.8', type: 'custom' },
      { name: 'types', value: ['IpInsight', 'AkInsight'], multi: true },
    ]);
    const filters = [{ key: 'region', operator: '=|', value: 'eu', values: ['eu', 'us'] }];
    await lastValueFrom(
      ds.query(
        request(
          [query({ queryType: 'insights', filter: 'account="$account"', minConfidence: '$least', types: ['$types'] })],
          { filters }
        )
      )
    );
    expect(asksQuery(asked)[0][0]).toMatchObject({
      refId: 'A',
      queryType: 'insights',
      version: 1,
      filter: 'account=~"(1|2)"',
      filters,
      minConfidence: 0.8,
      types: ['IpInsight', 'AkInsight'],
    });
    expect(asksQuery(asked)[0][0]).not.toHaveProperty('expr');
  });

  it('take ad-hoc filters from the dashboard where the request has none', () => {
    const ds = makeDatasource([], [{ key: 'a', operator: '=', value: 'b' }]);
    expect(ds.applyTemplateVariables(query({}), {}).filters).toEqual([{ key: 'a', operator: '=', value: 'b' }]);
    expect(ds.applyTemplateVariables(query({}), {}, [])).not.toHaveProperty('filters');
  });

  it('are not asked while something is missing', () => {
    const ds = makeDatasource();
    expect(ds.filterQuery(query({}))).toBe(true);
    expect(ds.filterQuery(query({ hide: true }))).toBe(false);
    expect(ds.filterQuery(query({ queryType: 'promql', expr: ' ' }))).toBe(false);
    expect(ds.filterQuery(query({ queryType: 'insights', format: 'reasons' }))).toBe(false);
    expect(ds.filterQuery(query({ queryType: 'insights', format: 'reasons', insightId: 'x' }))).toBe(true);
    expect(ds.filterQuery(query({ queryType: 'identities', format: 'hours' }))).toBe(false);
    expect(ds.filterQuery(query({ format: 'values' }))).toBe(false);
    expect(ds.filterQuery(query({ queryType: 'bands' }))).toBe(false);
  });

  it('are migrated before they are asked', async () => {
    const asked = serve(() => answer({ A: [] }));
    await lastValueFrom(
      makeDatasource().query(request([{ refId: 'A', expr: 'up', legendFormat: 'x' } as unknown as Query]))
    );
    expect(asksQuery(asked)[0][0]).toMatchObject({ queryType: 'promql', expr: 'up', legend: 'x', version: 1 });
  });

  it('begin with what the app is for', () => {
    const ds = makeDatasource();
    expect(ds.getDefaultQuery(CoreApp.Explore)).toMatchObject({ queryType: 'events', format: 'logs' });
    expect(ds.getDefaultQuery(CoreApp.UnifiedAlerting)).toMatchObject({ queryType: 'confidence' });
    expect(ds.getDefaultQuery(CoreApp.PanelEditor)).toMatchObject({ queryType: 'insights', format: 'table' });
    for (const app of [CoreApp.Explore, CoreApp.UnifiedAlerting, CoreApp.Dashboard]) {
      expect(ds.filterQuery({ refId: 'A', ...ds.getDefaultQuery(app) })).toBe(true);
    }
  });

  it('are told in a line', () => {
    const ds = makeDatasource();
    const text = (q: Partial<Query>) => ds.getQueryDisplayText(query(q));
    expect(text({ filter: ' a="b" ' })).toBe('events a="b"');
    expect(text({ format: 'volume', by: 'provider' })).toBe('events as volume by provider');
    expect(text({ queryType: 'promql', expr: 'sum(x)' })).toBe('sum(x)');
    expect(text({ queryType: 'confidence', measure: 'count', groupBy: ['account'] })).toBe(
      'confidence count at 0.5 or above by account'
    );
    expect(text({ queryType: 'insights', types: ['IpInsight'], minConfidence: 0.8, highRisk: true })).toBe(
      'insights IpInsight confidence ≥ 0.8 high risk'
    );
    expect(text({ queryType: 'map', of: 'insights' })).toBe('map of insights');
    expect(text({ queryType: 'coverage' })).toBe('coverage');
  });

  it('are handed to Explore with ad-hoc filters that can be read', () => {
    const ds = makeDatasource([{ name: 'a', value: 'x', type: 'query' }]);
    const [got, prom] = ds.interpolateVariablesInQueries(
      [query({ filter: 'f="$a"' }), query({ refId: 'B', queryType: 'promql', expr: 'm' })],
      {},
      [{ key: 'region', operator: '=', value: 'eu' }]
    );
    expect(got).toMatchObject({ filter: 'f="x" region="eu"', datasource: { uid: 'P1' } });
    expect(got).not.toHaveProperty('filters');
    expect(prom.filters).toHaveLength(1);
  });

  it('are taken over from Prometheus', async () => {
    const ds = makeDatasource();
    const got = await ds.importQueries([query({ expr: 'up' }), { refId: 'B' }], { type: 'prometheus' } as never);
    expect(got).toEqual([expect.objectContaining({ queryType: 'promql', expr: 'up' })]);
  });
});

describe('samples of the contract', () => {
  const file = path.join(__dirname, '..', 'testdata', 'queries.json');
  const samples = JSON.parse(fs.readFileSync(file, 'utf8')) as Array<{ name: string; query: Query }>;
  const ds = makeDatasource();

  it.each(samples.map((s) => [s.name, s.query] as const))('%s', (_, q) => {
    expect(queryTypes).toContain(q.queryType);
    const known: readonly string[] = formats[q.queryType!];
    if (q.format) {
      expect(known).toContain(q.format);
    }
    expect(migrateQuery(q)).toBe(q);
    expect(ds.filterQuery(q)).toBe(true);
    expect(ds.applyTemplateVariables(q, {}, [])).toEqual(q);
  });

  it('are of every type', () => {
    expect(new Set(samples.map((s) => s.query.queryType))).toEqual(new Set(queryTypes));
  });
});

describe('supplementary queries', () => {
  const ds = makeDatasource();
  const volume = { type: SupplementaryQueryType.LogsVolume } as const;

  it('are a volume of what is shown as logs', () => {
    expect(ds.getSupportedSupplementaryQueryTypes()).toEqual([
      SupplementaryQueryType.LogsVolume,
      SupplementaryQueryType.LogsSample,
    ]);
    expect(ds.getSupplementaryQuery(volume, query({ filter: 'a="b"', limit: 5 }))).toEqual({
      ...query({ refId: 'log-volume-A', filter: 'a="b"', format: 'volume', by: 'outcome' }),
      limit: undefined,
    });
    for (const q of [{ format: 'table' }, { queryType: 'promql' as const, expr: 'x' }, { hide: true }]) {
      expect(ds.getSupplementaryQuery(volume, query(q))).toBeUndefined();
    }
  });

  it('are a sample of the events that a metric counts', () => {
    const sample = { type: SupplementaryQueryType.LogsSample, limit: 7 } as const;
    const of = (expr: string) => ds.getSupplementaryQuery(sample, query({ queryType: 'promql', expr }));
    expect(of('sum by (x) (sum_over_time(activity_events{service="s", x!~"y"}[5m]))')).toEqual({
      refId: 'log-sample-A',
      version: 1,
      queryType: 'events',
      format: 'logs',
      filter: 'service="s" x!~"y"',
      limit: 7,
    });
    expect(of('insight_confidence')).toBeUndefined();
    expect(of('activity_events{a="b"} / activity_events{a="c"}')).toBeUndefined();
    expect(ds.getSupplementaryQuery(sample, query({}))).toBeUndefined();
  });

  it('make a request of their own, in the current form', () => {
    const got = ds.getSupplementaryRequest(
      SupplementaryQueryType.LogsVolume,
      request([query({}), query({ refId: 'B', queryType: 'coverage' })])
    );
    expect(got?.targets.map((t) => t.refId)).toEqual(['log-volume-A']);
    expect(got).toMatchObject({ intervalMs: 216_000, interval: '216s', maxDataPoints: 100 });
    expect(
      ds.getSupplementaryRequest(SupplementaryQueryType.LogsVolume, request([query({ queryType: 'coverage' })]))
    ).toBeUndefined();
  });

  it('are asked by the datasource itself, in the older form', async () => {
    serve(() =>
      answer({
        'log-volume-A': [
          frame('log-volume-A', { time: [1, 2], Value: [3, 4] }, { Value: { outcome: 'error', level: 'error' } }),
          frame('log-volume-A', { time: [1, 2], Value: [5, 6] }, { Value: { outcome: 'success', level: 'info' } }),
        ],
      })
    );
    const got = await lastValueFrom(
      ds.getDataProvider(SupplementaryQueryType.LogsVolume, request([query({})]))!.pipe(toArray())
    );
    expect(got.map((r) => r.state)).toEqual([LoadingState.Loading, LoadingState.Done]);
    const frames = got[1].data as DataFrame[];
    expect(frames.map((f) => f.fields[1].config.displayNameFromDS)).toEqual(['error', 'info']);
    expect(frames[0].meta?.custom).toEqual({
      absoluteRange: { from: range.from.valueOf(), to: range.to.valueOf() },
      logsVolumeType: 'FullRange',
      datasourceName: 'insightd',
      sourceQuery: expect.objectContaining({ refId: 'log-volume-A' }),
    });
    expect(
      ds.getDataProvider(SupplementaryQueryType.LogsVolume, request([query({ queryType: 'coverage' })]))
    ).toBeUndefined();
  });

  it('say what failed', async () => {
    serve(() => new Error('the daemon is away'));
    const got = await lastValueFrom(ds.getDataProvider(SupplementaryQueryType.LogsVolume, request([query({})]))!);
    expect(got.state).toBe(LoadingState.Error);
    expect(JSON.stringify(got.errors)).toContain('the daemon is away');
  });
});

describe('context of a log line', () => {
  const row = {
    rowId: 'b',
    uid: 'A_b',
    timeEpochMs: 1000_000,
    labels: { account: '1', identity: 'anna "x"', operation: 'Run' },
  } as unknown as LogRowModel;

  it('is what the same identity did before and after', async () => {
    const asked = serve((a) =>
      answer({
        [a.data.queries![0].refId as string]: [
          frame('x', {
            time: [999_000, 1000_000, 1000_000, 1001_000],
            id: ['a', 'b', 'c', 'd'],
            body: ['', '', '', ''],
          }),
        ],
      })
    );
    const ds = makeDatasource();
    const back = await ds.getLogRowContext(row, { direction: LogRowContextQueryDirection.Backward, limit: 10 });
    const forth = await ds.getLogRowContext(row, { direction: LogRowContextQueryDirection.Forward, limit: 10 });
    expect(rowsOf(back.data[0]).map((r) => r.id)).toEqual(['a', 'c']);
    expect(rowsOf(forth.data[0]).map((r) => r.id)).toEqual(['d']);
    const [b, f] = asksQuery(asked).map((q) => q[0]);
    expect(b).toMatchObject({
      queryType: 'events',
      format: 'logs',
      direction: 'backward',
      filter: 'account="1" identity="anna \\"x\\""',
      to: new Date(1001_000).toISOString(),
      limit: 11,
    });
    expect(f).toMatchObject({ direction: 'forward', from: new Date(1000_000).toISOString() });
    expect(await ds.getLogRowContextQuery(row)).toMatchObject({ queryType: 'events', direction: 'backward' });
  });

  it('fails with what the daemon said', async () => {
    serve(() => ({ results: { 'log-context-backward': { status: 500, error: 'the disk is full' } } }));
    await expect(makeDatasource().getLogRowContext(row)).rejects.toThrow('the disk is full');
  });
});

describe('live answers', () => {
  const table = (ids: string[]) => answer({ A: [frame('A', { id: ids, state: ids.map(() => 'Start') })] });
  const change = (...ids: string[]) =>
    createDataFrame({
      fields: [
        { name: 'change', values: ids.map(() => 'start') },
        { name: 'id', values: ids },
        { name: 'state', values: ids.map(() => 'Start') },
      ],
    });
  let stream: Subject<DataQueryResponse>;
  let addresses: unknown[];

  beforeEach(() => {
    stream = new Subject();
    addresses = [];
    setGrafanaLiveSrv({
      getDataStream: (o: { addr: unknown }) => {
        addresses.push(o.addr);
        return stream.asObservable() as Observable<DataQueryResponse>;
      },
    } as never);
  });

  it('join the rows of the stream to the table', async () => {
    serve(() => table(['1']));
    const got: DataQueryResponse[] = [];
    const live = query({ queryType: 'insights', format: 'table', live: true, minConfidence: 0.5 });
    const sub = makeDatasource()
      .query(request([live]))
      .subscribe((r) => got.push(r));
    stream.next({ data: [change('2')] });
    stream.next({ data: [change('2', '3')] });
    stream.next({ data: [], errors: [{ message: 'gone' }] });
    expect(got.map((r) => rowsOf(r.data[0]).map((x) => x.id))).toEqual([['1'], ['2', '1'], ['3', '2', '1']]);
    expect(got.every((r) => r.state === LoadingState.Streaming && r.key === 'live-A')).toBe(true);
    expect(addresses).toEqual([
      {
        scope: 'ds',
        stream: 'P1',
        namespace: 'P1',
        path: `insights/${Buffer.from('min_confidence=0.5').toString('base64url')}`,
      },
    ]);
    sub.unsubscribe();
    expect(stream.observed).toBe(false);
  });

  it('keep the first answer where there is no stream', async () => {
    serve(() => table(['1']));
    const live = query({ queryType: 'insights', format: 'table', live: true });
    const got = lastValueFrom(
      makeDatasource()
        .query(request([live]))
        .pipe(toArray())
    );
    stream.error(new Error('Live is turned off'));
    expect((await got).map((r) => rowsOf(r.data[0]).map((x) => x.id))).toEqual([['1']]);
  });

  it('ask logs again as something comes, with the range moved on', async () => {
    const asked = serve(() => table(['1']));
    const live = query({ queryType: 'insights', format: 'logs' });
    const moving = { from: dateTime(range.from), to: dateTime(range.to), raw: { from: 'now-6h', to: 'now' } };
    const sub = makeDatasource()
      .query(request([live], { liveStreaming: true, range: moving }))
      .subscribe();
    expect(asked).toHaveLength(1);
    stream.next({ data: [change()] });
    expect(asked).toHaveLength(1);
    stream.next({ data: [change('2')] });
    expect(asked).toHaveLength(2);
    expect(Number(asked[1].data.to)).toBeGreaterThan(range.to.valueOf());
    sub.unsubscribe();
  });

  it('tail events', async () => {
    const asked = serve(() => answer({ A: [frame('A', { x: ['1'] })] }));
    const got = await firstValueFrom(makeDatasource().query(request([query({})], { liveStreaming: true })));
    expect(got).toMatchObject({ state: LoadingState.Streaming, key: 'tail-A' });
    expect(asked).toHaveLength(1);
  });

  it('leave the other queries of a panel alone', async () => {
    const asked = serve(() => answer({ A: [], B: [] }));
    const live = query({ queryType: 'insights', format: 'table', live: true });
    const sub = makeDatasource()
      .query(request([live, query({ refId: 'B' })]))
      .subscribe();
    expect(asksQuery(asked).map((q) => q.map((x) => x.refId))).toEqual([['A'], ['B']]);
    sub.unsubscribe();
  });
});

describe('tags', () => {
  const fields: Record<string, string[]> = {
    events: ['account', 'operation', 'outcome'],
    insights: ['account', 'severity'],
  };
  const serveTags = () =>
    serve(({ url, params }) => {
      const [of, what, name] = url.split('/');
      if (what === 'fields') {
        return { status: 'success', data: { fields: fields[of].map((n) => ({ name: n, help: '' })) } };
      }
      if (what === 'field') {
        return {
          status: 'success',
          data: { values: [{ value: `${of} ${name} ${params.filter ?? ''}`, count: 1 }, { value: '' }] },
        };
      }
      return { status: 'success', data: url === 'labels' ? ['__name__', 'service'] : ['ec2'] };
    });
  const texts = async (p: Promise<Array<{ text: string }>>) => (await p).map((v) => v.text);

  it('are the fields of what a dashboard asks', async () => {
    serveTags();
    const ds = makeDatasource();
    expect(await texts(ds.getTagKeys({ filters: [] }))).toEqual(['account', 'operation', 'outcome', 'severity']);
    expect(await texts(ds.getTagKeys({ filters: [], queries: [query({})] }))).toEqual(fields.events);
    expect(await texts(ds.getTagKeys({ filters: [], queries: [query({ queryType: 'insights' })] }))).toEqual(
      fields.insights
    );
    expect(await texts(ds.getTagKeys({ filters: [], queries: [query({ queryType: 'promql', expr: 'x' })] }))).toEqual([
      'service',
    ]);
  });

  it('have the values that the other filters leave', async () => {
    const asked = serveTags();
    const ds = makeDatasource();
    const filters = [
      { key: 'account', operator: '=', value: '1' },
      { key: 'operation', operator: '=', value: 'Run' },
    ];
    expect(await texts(ds.getTagValues({ key: 'account', filters, timeRange: range }))).toEqual([
      'events account operation="Run"',
      'insights account ',
    ]);
    expect(asked.find((a) => a.url.startsWith('events/field/'))?.params).toMatchObject({
      start: '2026-03-09T06:00:00.000Z',
      end: '2026-03-09T12:00:00.000Z',
    });
    expect(await texts(ds.getTagValues({ key: 'severity', filters }))).toEqual(['insights severity account="1"']);
    const series = { key: 'service', filters, queries: [query({ queryType: 'promql', expr: 'x' })] };
    expect(await texts(ds.getTagValues(series))).toEqual(['ec2']);
    expect(asked.at(-1)?.params).toEqual({ 'match[]': '{account="1", operation="Run"}' });
  });
});

describe('annotations', () => {
  it('show what is worth a look until somebody says otherwise', () => {
    const { annotations } = makeDatasource();
    expect(annotations.getDefaultQuery?.()).toEqual({
      queryType: 'insights',
      version: 1,
      format: 'annotations',
      minConfidence: 0.5,
    });
    const anno = annotations.prepareAnnotation!({ name: 'x', enable: true, iconColor: 'red' });
    expect(anno.target).toMatchObject({ refId: 'Anno', queryType: 'insights', minConfidence: 0.5 });
  });

  it('keep what was chosen, in their own form', () => {
    const { annotations } = makeDatasource();
    const target = query({ queryType: 'insights', format: 'table', types: ['IpInsight'] });
    const anno = annotations.prepareAnnotation!({ name: 'x', enable: true, iconColor: 'red', target });
    expect(annotations.prepareQuery!(anno)).toMatchObject({ format: 'annotations', types: ['IpInsight'] });
    expect(anno.target?.minConfidence).toBeUndefined();
  });
});

describe('filters in a query', () => {
  it('are toggled on whatever shape was saved', () => {
    const ds = makeDatasource();
    const old = { refId: 'A', query: 'a="b"' } as unknown as Query;
    expect(ds.queryHasFilter(old, { key: 'a', value: 'b' })).toBe(true);
    expect(ds.toggleQueryFilter(old, { type: 'FILTER_FOR', options: { key: 'a', value: 'b' } })).toMatchObject({
      filter: '',
    });
    expect(ds.getSupportedQueryModifications()).toContain('ADD_FILTER');
    expect(ds.modifyQuery(old, { type: 'ADD_FILTER', options: { key: 'c', value: 'd' } }).filter).toBe('a="b" c="d"');
  });
});
