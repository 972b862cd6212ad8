import { TestVariable, templates } from '../test/setup';
import { interpolate, interpolateList } from './interpolate';

const variables: TestVariable[] = [
  { name: 'one', value: 'a.b', type: 'query' },
  { name: 'many', value: ['a.b', 'c"d'], type: 'query', multi: true },
  { name: 'single', value: ['a.b'], type: 'query', multi: true },
  { name: 'typed', value: 'a.*', type: 'textbox' },
  { name: 'all', value: ['x', 'y'], type: 'query', multi: true, includeAll: true, allValue: '.*' },
  { name: 'none', value: '', type: 'query' },
  { name: 'metric', value: 'activity_events', type: 'custom' },
  { name: 'labels', value: ['service', 'region'], multi: true },
];
const replace = templates(variables).replace;

describe('interpolation', () => {
  it.each([
    // Equal: one value as it is, several as a regular expression.
    ['f="$one"', 'f="a.b"'],
    ['f!="${one}"', 'f!="a.b"'],
    ['f="[[one]]-x"', 'f="a.b-x"'],
    ['f="$many"', 'f=~"(a\\\\.b|c\\"d)"'],
    ['f!="$many"', 'f!~"(a\\\\.b|c\\"d)"'],
    ['f = "x.y-$many"', 'f =~ "x\\\\.y-(a\\\\.b|c\\"d)"'],
    ['f=="$many"', 'f=~"(a\\\\.b|c\\"d)"'],
    ['f="$single"', 'f="a.b"'],
    ['f="$none"', 'f=""'],
    // All, where somebody said what it stands for.
    ['f="$all"', 'f=~".*"'],
    ['f!="$all"', 'f!~".*"'],
    ['f=~"$all"', 'f=~".*"'],
    // Regular expressions: values of lists are escaped, what was typed is a pattern.
    ['f=~"$one"', 'f=~"a\\\\.b"'],
    ['f=~"$many"', 'f=~"(a\\\\.b|c\\"d)"'],
    ['f=~"$typed"', 'f=~"a.*"'],
    ['f=~"${one:regex}"', 'f=~"a\\\\.b"'],
    ["f=~'.*$many.*'", 'f=~".*(a\\\\.b|c\\"d).*"'],
    ['f=~`\\d+$single`', 'f=~"\\\\d+a\\\\.b"'],
    // A text alone.
    ['"$one"', '"a.b"'],
    // Outside of quotes.
    ['$metric{f="x"}', 'activity_events{f="x"}'],
    ['sum by ($labels) (x)', 'sum by (service,region) (x)'],
    // What is no variable stays.
    ['label_replace(a, "x", "$1", "y", "(.*)")', 'label_replace(a, "x", "$1", "y", "(.*)")'],
    ['f="$unknown"', 'f="$unknown"'],
    ['f="it\'s"', 'f="it\'s"'],
    ['f="no end $one', 'f="no end $one'],
  ])('%s', (text, want) => {
    expect(interpolate(text, replace)).toBe(want);
  });

  it('takes variables of a row or of the range from the scope', () => {
    const scoped = { one: { value: 'z', text: 'z' }, __interval: { value: '5m', text: '5m' } };
    expect(interpolate('sum_over_time(m{f="$one"}[$__interval])', replace, scoped)).toBe('sum_over_time(m{f="z"}[5m])');
  });

  it('cannot be escaped from by a value', () => {
    const evil = templates([{ name: 'v', value: '" or x="\\', type: 'query' }]).replace;
    expect(interpolate('f="$v"', evil)).toBe('f="\\" or x=\\"\\\\"');
  });

  it('fills lists, and empties them for All', () => {
    expect(interpolateList(['x', '$many'], replace)).toEqual(['x', 'a.b', 'c"d']);
    expect(interpolateList(['$one', 'a.b'], replace)).toEqual(['a.b']);
    expect(interpolateList(['$all'], replace)).toEqual([]);
    expect(interpolateList(['$none'], replace)).toEqual([]);
  });
});
