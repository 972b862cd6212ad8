import { CompletionSource, Language, complete, situation } from './completion';

/** Cuts a text at the bar, which is where the cursor stands. */
const at = (text: string): [string, number] => [text.replace('|', ''), text.indexOf('|')];

const asked: string[] = [];
const source: CompletionSource = {
  fields: async () => [
    { name: 'identity', help: 'who' },
    { name: 'operation', help: 'what' },
  ],
  values: async (field, filter, contains) => {
    asked.push(`values ${field} of ${filter} with ${contains}`);
    return [{ value: 'arn:"x"', count: 1234 }, { value: '' }];
  },
  metrics: async () => [{ name: 'activity_events', help: 'counts' }],
  labels: async (selector) => {
    asked.push(`labels of ${selector}`);
    return ['__name__', 'service'];
  },
  labelValues: async (label, selector) => {
    asked.push(`values of ${label} in ${selector}`);
    return ['ec2'];
  },
  variables: () => ['account'],
};

const apply = async (language: Language, text: string, pick = 0) => {
  const [t, offset] = at(text);
  const c = (await complete(language, t, offset, source))[pick];
  return c && t.slice(0, c.start) + c.insert + t.slice(c.end);
};

beforeEach(() => {
  asked.length = 0;
});

describe('completion of filters', () => {
  it('proposes fields where one begins', async () => {
    expect(await apply('filter', '|')).toBe('identity=');
    expect(await apply('filter', 'id|')).toBe('identity=');
    expect(await apply('filter', 'a="b" |', 1)).toBe('a="b" operation=');
    expect(await apply('filter', 'a="b", ope|xx c="d"', 1)).toBe('a="b", operation= c="d"');
  });

  it('proposes operators after a name', async () => {
    const [t, offset] = at('identity |');
    expect((await complete('filter', t, offset, source)).map((c) => c.label)).toEqual(['=', '!=', '=~', '!~']);
  });

  it('proposes values, quoted, among what the rest of the filter selects', async () => {
    expect(await apply('filter', 'a="b" identity=|')).toBe('a="b" identity="arn:\\"x\\""');
    expect(await apply('filter', 'identity="ar|" c!="d"')).toBe('identity="arn:\\"x\\"" c!="d"');
    expect(await apply('filter', 'identity="ar|')).toBe('identity="arn:\\"x\\""');
    expect(await apply('filter', '{a="b", identity=~"ar|"}')).toBe('{a="b", identity=~"arn:\\"x\\""}');
    expect(asked).toEqual([
      'values identity of a="b" with ',
      'values identity of c!="d" with ar',
      'values identity of  with ar',
      'values identity of a="b" with ',
    ]);
  });

  it('proposes variables as values, and nothing in a text alone', async () => {
    expect(await apply('filter', 'account="|"', 1)).toBe('account="$account"');
    expect(await apply('filter', '"Acc|"')).toBeUndefined();
  });

  it('says how frequent a value is', async () => {
    const [t, offset] = at('identity=|');
    expect((await complete('filter', t, offset, source))[0]).toMatchObject({ label: 'arn:"x"', detail: '1,234' });
  });
});

describe('completion of PromQL', () => {
  it('proposes metrics and functions', async () => {
    expect(await apply('promql', 'sum(act|')).toBe('sum(activity_events');
    const [t, offset] = at('|');
    const all = await complete('promql', t, offset, source);
    expect(all.map((c) => c.label)).toEqual(expect.arrayContaining(['activity_events', 'sum_over_time']));
  });

  it('proposes labels in braces and in lists', async () => {
    expect(await apply('promql', 'activity_events{|}')).toBe('activity_events{service=}');
    expect(await apply('promql', 'activity_events{a="b", se|}')).toBe('activity_events{a="b", service=}');
    expect(await apply('promql', 'sum by (|) (activity_events)')).toBe('sum by (service) (activity_events)');
    expect(asked).toEqual(['labels of activity_events', 'labels of activity_events', 'labels of activity_events']);
  });

  it('proposes values of the series that the other matchers leave', async () => {
    expect(await apply('promql', 'sum(activity_events{a="b", service="|", c="d"})')).toBe(
      'sum(activity_events{a="b", service="ec2", c="d"})'
    );
    expect(await apply('promql', 'activity_events{service=|}')).toBe('activity_events{service="ec2"}');
    expect(asked).toEqual([
      'values of service in activity_events{a="b", c="d"}',
      'values of service in activity_events',
    ]);
  });

  it('proposes durations in a window, and nothing after a selector', async () => {
    expect(await apply('promql', 'x[|]')).toBe('x[$__interval]');
    expect(situation('promql', ...at('activity_events{} |'))).toEqual({ at: 'nothing' });
    expect(situation('promql', ...at('$|'))).toEqual({ at: 'nothing' });
    expect(situation('promql', ...at('x > 12|'))).toEqual({ at: 'nothing' });
  });
});
