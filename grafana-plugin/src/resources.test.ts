import { GetResource, Resources, filterConditions, filterText, toFilters } from './resources';
import { parseFilter } from './language/filter';
import { range } from './test/setup';

describe('Resources', () => {
  const fake = (answers: unknown[]) => {
    const asked: unknown[][] = [];
    const get: GetResource = async (path, params) => {
      asked.push([path, params]);
      const a = answers.length > 1 ? answers.shift() : answers[0];
      if (a instanceof Error) {
        throw a;
      }
      return a;
    };
    return { asked, get };
  };

  it('asks the same once in a minute', async () => {
    const { asked, get } = fake([{ status: 'success', data: { values: [{ value: 'a', count: 1 }] } }]);
    let now = 0;
    const r = new Resources(get, () => now);
    const ask = () => r.values('events', 'a/b', { filter: 'x="y"', range, limit: 5 });
    expect(await ask()).toEqual([{ value: 'a', count: 1 }]);
    await ask();
    expect(asked).toEqual([
      [
        'events/field/a%2Fb/values',
        { filter: 'x="y"', limit: 5, start: '2026-03-09T06:00:00.000Z', end: '2026-03-09T12:00:00.000Z' },
      ],
    ]);
    now = 60_000;
    await ask();
    expect(asked).toHaveLength(2);
  });

  it('asks again after a failure', async () => {
    const { asked, get } = fake([
      new Error('away'),
      { status: 'error', error: 'wrong' },
      { status: 'success', data: ['x'] },
    ]);
    const r = new Resources(get, () => 0);
    await expect(r.labels()).rejects.toThrow('away');
    await expect(r.labels()).rejects.toThrow('wrong');
    expect(await r.labels()).toEqual(['x']);
    expect(asked).toHaveLength(3);
  });

  it('reads names of metrics with what they say', async () => {
    const { get } = fake([
      { status: 'success', data: { activity_events: [{ type: 'gauge', help: 'counts' }], x: [] } },
    ]);
    expect(await new Resources(get).metrics()).toEqual([
      { name: 'activity_events', help: 'counts' },
      { name: 'x', help: '' },
    ]);
  });

  it('gives selectors as Prometheus has them', async () => {
    const { asked, get } = fake([{ status: 'success', data: ['eu'] }]);
    const r = new Resources(get);
    expect(await r.labelValues('region', ' activity_events{a="b"} ', undefined, 10)).toEqual(['eu']);
    expect(asked).toEqual([['label/region/values', { 'match[]': 'activity_events{a="b"}', limit: 10 }]]);
  });
});

describe('ad-hoc filters', () => {
  it('are taken with every operator that there is, and without what is not finished', () => {
    const filters = [
      { key: 'a', operator: '=', value: 'x' },
      { key: 'b', operator: '=|', value: 'x', values: ['x', 'y.z'] },
      { key: 'c', operator: '!=|', value: 'x' },
      { key: 'd', operator: '<', value: '1' },
      { key: '', operator: '=', value: '1' },
    ];
    const got = toFilters(filters);
    expect(got.map((f) => f.key)).toEqual(['a', 'b', 'c']);
    expect(filterConditions(got)).toEqual(['a="x"', 'b=~"(x|y\\\\.z)"', 'c!="x"']);
    expect(parseFilter(filterText(got)).error).toBeUndefined();
    expect(toFilters(undefined)).toEqual([]);
  });
});
