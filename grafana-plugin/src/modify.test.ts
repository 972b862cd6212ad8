import { hasFilter, modify, toggleFilter } from './modify';
import { Query } from './types';

const events: Query = { refId: 'A', version: 1, queryType: 'events', filter: 'a="b"' };
const metrics: Query = { refId: 'A', version: 1, queryType: 'promql', expr: 'sum(x{a="b"})' };

describe('filters from Explore', () => {
  const toggle = (q: Query, type: 'FILTER_FOR' | 'FILTER_OUT', key: string, value: string) =>
    toggleFilter(q, { type, options: { key, value } });

  it('are added, turned round, and taken away again', () => {
    const one = toggle(events, 'FILTER_FOR', 'identity', 'x "y"');
    expect(one.filter).toBe('a="b" identity="x \\"y\\""');
    expect(hasFilter(one, { key: 'identity', value: 'x "y"' })).toBe(true);
    const two = toggle(one, 'FILTER_OUT', 'identity', 'x "y"');
    expect(two.filter).toBe('a="b" identity!="x \\"y\\""');
    expect(hasFilter(two, { key: 'identity', value: 'x "y"' })).toBe(false);
    expect(toggle(two, 'FILTER_OUT', 'identity', 'x "y"').filter).toBe('a="b"');
    expect(toggle(events, 'FILTER_FOR', 'a', 'b').filter).toBe('');
  });

  it('become matchers in PromQL', () => {
    const one = toggle(metrics, 'FILTER_FOR', 'region', 'eu');
    expect(one.expr).toBe('sum(x{a="b", region="eu"})');
    expect(hasFilter(one, { key: 'region', value: 'eu' })).toBe(true);
    expect(toggle(one, 'FILTER_OUT', 'region', 'eu').expr).toBe('sum(x{a="b", region!="eu"})');
    expect(toggle(one, 'FILTER_FOR', 'region', 'eu').expr).toBe(metrics.expr);
  });

  it('come from buttons beside a line too', () => {
    const act = (type: string, options: Record<string, string>) => modify(events, { type, options });
    expect(act('ADD_FILTER', { key: 'c', value: 'd' }).filter).toBe('a="b" c="d"');
    expect(act('ADD_FILTER_OUT', { key: 'a', value: 'b' }).filter).toBe('a!="b"');
    expect(act('ADD_STRING_FILTER', { value: 'text' }).filter).toBe('a="b" "text"');
    expect(act('ADD_STRING_FILTER_OUT', { value: 'text' }).filter).toBe('a="b" !"text"');
    expect(act('SOMETHING', { key: 'c', value: 'd' })).toBe(events);
    expect(modify(metrics, { type: 'ADD_STRING_FILTER', options: { value: 'text' } })).toBe(metrics);
    expect(modify(metrics, { type: 'FIX_RATE', query: 'y' }).expr).toBe('y');
  });
});
