import { createDataFrame } from '@grafana/data';
import { isLive, maxRows, mergeRows, streamAddress, streamPath } from './live';
import { rowsOf } from './test/setup';
import { Query } from './types';

const q = (change: Partial<Query>): Query => ({ refId: 'A', queryType: 'insights', format: 'table', ...change });
const read = (path?: string) => Buffer.from(path!.replace(/^insights\//, ''), 'base64url').toString('utf8');

describe('streams of insights', () => {
  it('follow tables and logs of insights, where asked to', () => {
    expect(isLive(q({ live: true }), {})).toBe(true);
    expect(isLive(q({}), {})).toBe(false);
    expect(isLive(q({}), { liveStreaming: true })).toBe(true);
    expect(isLive(q({ live: true, format: 'timeline' }), {})).toBe(false);
    expect(isLive(q({ live: true, insightId: 'x' }), {})).toBe(false);
    expect(isLive(q({ live: true, queryType: 'events' }), { liveStreaming: true })).toBe(false);
    expect(isLive(q({ live: true, hide: true }), {})).toBe(false);
  });

  it('have the path of what is asked, in whatever order', () => {
    expect(streamPath(q({}))).toBe('insights/');
    const path = streamPath(
      q({
        types: ['Ip', 'Ak'],
        severities: ['High'],
        minConfidence: 0.5,
        highRisk: true,
        suppressed: 'only',
        filter: 'x=~".*" "ü" y=~".*"',
        filters: [{ key: 'region', operator: '=|', value: 'a', values: ['a', 'b.c'] }],
      })
    );
    expect(path).toMatch(/^insights\/[A-Za-z0-9_-]+$/);
    expect([...new URLSearchParams(read(path))]).toEqual([
      ['filter', '"ü" region=~"(a|b\\\\.c)"'],
      ['high_risk', 'true'],
      ['min_confidence', '0.5'],
      ['severity', 'High'],
      ['suppressed', 'only'],
      ['type', 'Ak'],
      ['type', 'Ip'],
    ]);
    expect(streamPath(q({ types: ['a', 'b'] }))).toBe(streamPath(q({ types: ['b', 'a'], suppressed: 'hide' })));
  });

  it('have no path where it would be too long', () => {
    expect(streamPath(q({ filter: 'identity="' + 'x'.repeat(160) + '"' }))).toBeUndefined();
  });

  it('have an address that old and new Grafana read', () => {
    expect(streamAddress('P1', 'insights/')).toEqual({ scope: 'ds', stream: 'P1', namespace: 'P1', path: 'insights/' });
  });
});

describe('mergeRows', () => {
  const table = createDataFrame({
    refId: 'A',
    fields: [
      { name: 'id', values: ['1', '2'] },
      { name: 'state', values: ['Start', 'Start'] },
    ],
  });
  const change = (...rows: string[][]) =>
    createDataFrame({
      fields: ['change', 'id', 'state', 'other'].map((name, i) => ({ name, values: rows.map((r) => r[i]) })),
    });

  it('puts new rows first, and changed ones where they were', () => {
    const got = mergeRows(table, change(['start', '3', 'Start'], ['end', '1', 'End'], ['start', '4', 'Start']));
    expect(rowsOf(got)).toEqual([
      { id: '4', state: 'Start' },
      { id: '3', state: 'Start' },
      { id: '1', state: 'End' },
      { id: '2', state: 'Start' },
    ]);
    expect(got.refId).toBe('A');
    expect(table.length).toBe(2);
  });

  it('takes out what was withdrawn or replaced', () => {
    expect(rowsOf(mergeRows(table, change(['withdrawn', '1', ''], ['superseded', '9', ''])))).toEqual([
      { id: '2', state: 'Start' },
    ]);
  });

  it('does nothing without rows, or without ids', () => {
    expect(mergeRows(table, change())).toBe(table);
    const other = createDataFrame({ fields: [{ name: 'x', values: [1] }] });
    expect(mergeRows(other, change(['start', '3', 'Start']))).toBe(other);
  });

  it('keeps so many rows', () => {
    const many = Array.from({ length: maxRows + 5 }, (_, i) => ['start', `n${i}`, 'Start']);
    const got = mergeRows(table, change(...many));
    expect(got.length).toBe(maxRows);
    expect(got.fields[0].values[0]).toBe(`n${maxRows + 4}`);
  });
});
