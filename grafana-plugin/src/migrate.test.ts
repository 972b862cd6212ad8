import { importQuery, migrateQuery, migrateVariable } from './migrate';
import { Query } from './types';

describe('migrateQuery', () => {
  it('returns a query of today as it is', () => {
    const q: Query = { refId: 'A', version: 1, queryType: 'events', format: 'logs', filter: 'a="b"' };
    expect(migrateQuery(q)).toBe(q);
  });

  it.each([
    [
      { expr: 'activity_events', legendFormat: '{{service}}', interval: '5m', format: 'time_series' },
      { queryType: 'promql', expr: 'activity_events', legend: '{{service}}', step: '5m' },
    ],
    [{ query: 'a="b"' }, { queryType: 'events', filter: 'a="b"' }],
    [
      { queryType: 'logs', filter: '' },
      { queryType: 'events', filter: '' },
    ],
    [{}, { queryType: 'insights' }],
    [
      { type: 'IpInsight', severity: ['High'], confidence: 0.5 },
      { queryType: 'insights', types: ['IpInsight'], severities: ['High'], minConfidence: 0.5 },
    ],
    [
      { queryType: 'insights', id: 'abc', format: 'reasons' },
      { queryType: 'insights', insightId: 'abc', format: 'reasons' },
    ],
    [{ queryType: 'events', format: 'histogram' }, { queryType: 'events' }],
    [
      { queryType: 'confidence', groupBy: 'account', types: '' },
      { queryType: 'confidence', groupBy: ['account'], types: [] },
    ],
  ])('brings %j to today', (saved, want) => {
    const got = migrateQuery({ refId: 'A', ...saved } as unknown as Query);
    expect(got).toEqual({ refId: 'A', version: 1, ...want });
    expect(migrateQuery(got)).toBe(got);
  });

  it('does not change what it is given', () => {
    const saved = Object.freeze({ refId: 'A', expr: 'x', legendFormat: 'y' }) as unknown as Query;
    migrateQuery(saved);
    expect(saved).toEqual({ refId: 'A', expr: 'x', legendFormat: 'y' });
  });
});

describe('importQuery', () => {
  it('takes PromQL over', () => {
    const saved = { refId: 'B', expr: 'up', legendFormat: '{{job}}', interval: '1m', instant: true, exemplar: true };
    expect(importQuery(saved as unknown as Query, 'prometheus')).toEqual({
      refId: 'B',
      queryType: 'promql',
      version: 1,
      expr: 'up',
      legend: '{{job}}',
      step: '1m',
      instant: true,
    });
  });

  it('takes of a Loki query what events have too', () => {
    const saved = { refId: 'B', expr: '{region="eu", app="x"} |= "y"' };
    expect(importQuery(saved as unknown as Query, 'loki')).toEqual({
      refId: 'B',
      queryType: 'events',
      version: 1,
      filter: 'region="eu"',
    });
  });

  it('leaves the others', () => {
    expect(importQuery({ refId: 'B', expr: 'x' } as Query, 'influxdb')).toBeUndefined();
  });
});

describe('migrateVariable', () => {
  it.each([
    ['accounts', { list: 'accounts' }],
    ['label_values(activity_events, region)', { list: 'labelValues', field: 'region', filter: 'activity_events' }],
    [
      'label_values(activity_events{a="b", c="d"}, region)',
      { list: 'labelValues', field: 'region', filter: 'activity_events{a="b", c="d"}' },
    ],
    ['label_values(region)', { list: 'labelValues', field: 'region' }],
    ['label_names()', { list: 'labelNames' }],
    ['metrics(.*)', { list: 'metrics' }],
    ['insight_values(type)', { list: 'insightField', field: 'type' }],
    [
      'event_values(identity, outcome="error", access="write")',
      { list: 'eventField', field: 'identity', filter: 'outcome="error", access="write"' },
    ],
    ['', { list: 'insightTypes' }],
    [undefined, { list: 'insightTypes' }],
    [
      { query: 'insight_values(type)', refId: 'x' },
      { list: 'insightField', field: 'type' },
    ],
    [{ list: 'nonsense' }, { list: 'insightTypes' }],
    [
      { list: 'regions', of: 'insights', limit: 5 },
      { list: 'regions', of: 'insights', limit: 5 },
    ],
  ])('reads %j', (saved, want) => {
    expect(migrateVariable(saved)).toEqual({ refId: 'variable', ...want });
  });
});
