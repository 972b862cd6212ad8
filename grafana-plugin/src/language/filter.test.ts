import { addCondition, formatCondition, hasCondition, joinFilters, parseFilter, removeCondition } from './filter';
import { escapeRegex, quote, unquote } from './quote';

describe('the filter language', () => {
  const read = (text: string) =>
    parseFilter(text).conditions.map((c) => [c.name, c.operator, c.value].filter((p) => p !== '').join(' '));

  it.each([
    ['', []],
    [' {} ', []],
    ['provider="aws"', ['provider = aws']],
    ['provider="aws" operation=~"Run.*"', ['provider = aws', 'operation =~ Run.*']],
    ['{provider="aws", operation!="Stop" }', ['provider = aws', 'operation != Stop']],
    ['provider="aws",operation=="Run",', ['provider = aws', 'operation = Run']],
    ["provider = 'aws' operation!~`Run\\d`", ['provider = aws', 'operation !~ Run\\d']],
    ['provider="aws"operation="Stop"', ['provider = aws', 'operation = Stop']],
    ['identity="a \\"b\\" \\\\ c"', ['identity = a "b" \\ c']],
    ['"AccessDenied" !"kms"', ['contains AccessDenied', '!contains kms']],
  ])('reads %j', (text, want) => {
    expect(parseFilter(text).error).toBeUndefined();
    expect(read(text)).toEqual(want);
  });

  it.each([
    ['provider', 8, '=, !=, =~ or !~ after provider'],
    ['provider=', 9, 'a quoted value for provider'],
    ['provider=aws', 9, 'a quoted value for provider'],
    ['provider="aws', 9, 'a quoted value for provider'],
    ['{provider="aws"', 15, 'a closing brace'],
    ['{} x', 3, 'the end of the filter'],
    ['(a="b")', 0, 'the name of a field or a quoted text'],
  ])('says what is wrong with %j', (text, at, expected) => {
    expect(parseFilter(text).error).toEqual({ at, expected });
  });

  it('keeps what it read before an error', () => {
    expect(read('a="b" c=')).toEqual(['a = b']);
  });

  it.each(['plain', 'a "b"', 'a\\b', "it's", 'a\nb\tc', 'ünïcode', '$x'])(
    'quotes %j so that it is read back',
    (value) => {
      expect(read(formatCondition({ name: 'f', operator: '=', value }))).toEqual([`f = ${value}`]);
      expect(unquote('"', quote(value).slice(1, -1))).toBe(value);
    }
  );

  it('adds a condition where the filter ends', () => {
    expect(addCondition('', 'a', '=', 'b')).toBe('a="b"');
    expect(addCondition('x="y" ', 'a', '=', 'b')).toBe('x="y" a="b"');
    expect(addCondition('{x="y"}', 'a', '=', 'b')).toBe('{x="y", a="b"}');
    expect(addCondition('{}', 'a', '=', 'b')).toBe('{a="b"}');
    expect(addCondition('a="b"', 'a', '=', 'b')).toBe('a="b"');
    expect(addCondition('', '', 'contains', 'x "y"')).toBe('"x \\"y\\""');
  });

  it('puts a condition in place of its opposite', () => {
    expect(addCondition('a!="b" c="d"', 'a', '=', 'b')).toBe('c="d" a="b"');
    expect(addCondition('a="b"', 'a', '!=', 'b')).toBe('a!="b"');
  });

  it('takes a condition out and leaves the rest as it was written', () => {
    expect(removeCondition('a="b" c=~`d`', 'a', '=', 'b')).toBe('c=~`d`');
    expect(removeCondition('{c="d", a="b"}', 'a', '=', 'b')).toBe('{c="d"}');
    expect(removeCondition('{a="b", c="d"}', 'a', '=', 'b')).toBe('{c="d"}');
    expect(removeCondition('c="d" a="b"', 'a', '=', 'b')).toBe('c="d"');
    expect(removeCondition('a="b"', 'a', '=', 'x')).toBe('a="b"');
    expect(hasCondition("a = 'b'", 'a', '=', 'b')).toBe(true);
    expect(hasCondition('a!="b"', 'a', '=', 'b')).toBe(false);
  });

  it('joins filters whatever their braces', () => {
    expect(joinFilters(' a="b" ', undefined, '', '{c="d", e="f",}')).toBe('a="b" c="d", e="f"');
    expect(parseFilter(joinFilters('a="b"', '{c="d", e="f"}')).conditions).toHaveLength(3);
  });

  it('escapes for regular expressions', () => {
    const value = 'arn:aws:iam::1:user/a.b+c (x)|[y]{2}^$*?\\';
    expect(new RegExp(`^(?:${escapeRegex(value)})$`).test(value)).toBe(true);
    expect(new RegExp(`^(?:${escapeRegex('a.b')})$`).test('axb')).toBe(false);
  });
});
