import { addMatcher, hasMatcher, rateHint, removeMatcher, selectors } from './promql';

describe('PromQL', () => {
  const found = (expr: string) =>
    selectors(expr).map((s) => `${s.metric}{${s.matchers.map((m) => `${m.name}${m.operator}${m.value}`).join(',')}}`);

  it.each([
    ['activity_events', ['activity_events{}']],
    ['sum by (service, by) (sum_over_time(activity_events{a="b",c!~"d"}[5m]))', ['activity_events{a=b,c!~d}']],
    ['sum(a) without (x) / on (y) group_left (z) b{q="r"} offset 5m', ['a{}', 'b{q=r}']],
    ['{__name__="up", job=\'x\'}', ['up{__name__=up,job=x}']],
    ['{"my.metric", a="b"}', ['my.metric{a=b}']],
    ['label_replace(a, "x", "$1", "y", "(.*)") # a comment with b{', ['a{}']],
    ['rate(a[5m:1m] @ start()) > bool 3e4 and inf', ['a{}']],
    ['sum(sum_over_time($metric{x="y"}[$__interval]))', ['$metric{x=y}']],
    ['1 + 2.5 * 0x1f', []],
    ['sum(activity_events{a="b"', ['activity_events{a=b}']],
  ])('finds the selectors of %s', (expr, want) => {
    expect(found(expr)).toEqual(want);
  });

  it('adds a matcher to every selector', () => {
    expect(addMatcher('a + b{x="y"} / c{}', 'k', '=', 'v"w')).toBe('a{k="v\\"w"} + b{x="y", k="v\\"w"} / c{k="v\\"w"}');
    expect(addMatcher('b{x="y",}', 'k', '!=', 'v')).toBe('b{x="y",k!="v"}');
    expect(addMatcher('a{k="v"}', 'k', '=', 'v')).toBe('a{k="v"}');
    expect(addMatcher('sum by (a) (rate(b[5m]))', 'k', '=', 'v')).toBe('sum by (a) (rate(b{k="v"}[5m]))');
    expect(addMatcher('a', 'dotted.name', '=', 'v')).toBe('a{"dotted.name"="v"}');
  });

  it('takes back what it added', () => {
    for (const expr of ['a', 'b{x="y"}', 'sum by (a) (sum_over_time(b{x=~"y.*"}[5m])) / c']) {
      const added = addMatcher(expr, 'k', '=', 'v');
      expect(hasMatcher(added, 'k', '=', 'v')).toBe(true);
      expect(hasMatcher(expr, 'k', '=', 'v')).toBe(false);
      expect(removeMatcher(added, 'k', '=', 'v')).toBe(expr);
    }
    expect(removeMatcher('a{k="v", x="y"}', 'k', '=', 'v')).toBe('a{x="y"}');
    expect(hasMatcher('1', 'k', '=', 'v')).toBe(false);
  });

  it('warns of rate over counts, and says what to write', () => {
    expect(rateHint('sum by (service) (rate(activity_events{a="b"}[5m]))')).toEqual({
      function: 'rate',
      metric: 'activity_events',
      instead: 'sum_over_time',
      fixed: 'sum by (service) (sum_over_time(activity_events{a="b"}[5m]))',
    });
    expect(rateHint('increase(activity_identity_events[1h]) + rate(insightd_events_total[5m])')?.fixed).toBe(
      'sum_over_time(activity_identity_events[1h]) + rate(insightd_events_total[5m])'
    );
    expect(rateHint('rate(insightd_events_total[5m])')).toBeUndefined();
    expect(rateHint('sum_over_time(activity_events[5m])')).toBeUndefined();
    expect(rateHint('rate(')).toBeUndefined();
  });
});
