import { quote, unquote } from './quote';

/** Operators between a field and a value; `contains` stands for a quoted text alone. */
export type Operator = '=' | '!=' | '=~' | '!~' | 'contains' | '!contains';

/** One condition of a filter and where it stands in the text. */
export interface Condition {
  /** Empty for a quoted text alone. */
  name: string;
  operator: Operator;
  value: string;
  start: number;
  end: number;
}

export interface ParsedFilter {
  conditions: Condition[];
  /** What could not be read, and from where on; what stands before it was. */
  error?: { at: number; expected: string };
}

const opposite: Record<Operator, Operator> = {
  '=': '!=',
  '!=': '=',
  '=~': '!~',
  '!~': '=~',
  contains: '!contains',
  '!contains': 'contains',
};

/** parseFilter reads the filter language as the daemon does, and as far as it can. */
export function parseFilter(text: string): ParsedFilter {
  const conditions: Condition[] = [];
  let at = 0;
  const space = () => {
    while (at < text.length && ' \t\r\n'.includes(text[at])) {
      at++;
    }
  };
  const quoted = (): string | undefined => {
    const q = text[at];
    if (q !== '"' && q !== "'" && q !== '`') {
      return undefined;
    }
    for (let i = at + 1; i < text.length; i++) {
      if (text[i] === '\\' && q !== '`') {
        i++;
      } else if (text[i] === q) {
        const inside = text.slice(at + 1, i);
        at = i + 1;
        return unquote(q, inside);
      }
    }
    return undefined;
  };

  space();
  const braces = text[at] === '{';
  if (braces) {
    at++;
  }
  for (;;) {
    space();
    if (at >= text.length) {
      return braces ? { conditions, error: { at, expected: 'a closing brace' } } : { conditions };
    }
    if (braces && text[at] === '}') {
      at++;
      space();
      return at < text.length ? { conditions, error: { at, expected: 'the end of the filter' } } : { conditions };
    }
    if (conditions.length > 0 && text[at] === ',') {
      at++;
      continue;
    }
    const start = at;
    const name = /^[A-Za-z0-9_]+/.exec(text.slice(at))?.[0] ?? '';
    let operator: Operator;
    if (name) {
      at += name.length;
      space();
      const op = /^(=~|!~|!=|==?)/.exec(text.slice(at))?.[0];
      if (!op) {
        return { conditions, error: { at, expected: `=, !=, =~ or !~ after ${name}` } };
      }
      at += op.length;
      operator = op === '==' ? '=' : (op as Operator);
    } else if (text[at] === '!') {
      at++;
      operator = '!contains';
    } else {
      operator = 'contains';
    }
    space();
    const valueAt = at;
    const value = quoted();
    if (value === undefined) {
      const expected = name ? `a quoted value for ${name}` : 'the name of a field or a quoted text';
      return { conditions, error: { at: valueAt, expected } };
    }
    conditions.push({ name, operator, value, start, end: at });
  }
}

/** formatCondition writes a condition as one would type it. */
export function formatCondition(c: Pick<Condition, 'name' | 'operator' | 'value'>): string {
  switch (c.operator) {
    case 'contains':
      return quote(c.value);
    case '!contains':
      return '!' + quote(c.value);
    default:
      return c.name + c.operator + quote(c.value);
  }
}

const same = (c: Condition, name: string, operator: Operator, value: string) =>
  c.name === name && c.operator === operator && c.value === value;

/** hasCondition says whether a filter has a condition. */
export function hasCondition(text: string, name: string, operator: Operator, value: string): boolean {
  return parseFilter(text).conditions.some((c) => same(c, name, operator, value));
}

/** addCondition adds a condition at the end, in place of its opposite where that is there. */
export function addCondition(text: string, name: string, operator: Operator, value: string): string {
  const without = removeCondition(text, name, opposite[operator], value);
  if (hasCondition(without, name, operator, value)) {
    return without;
  }
  const condition = formatCondition({ name, operator, value });
  const trimmed = without.trimEnd();
  if (trimmed === '') {
    return condition;
  }
  if (trimmed.trimStart().startsWith('{') && trimmed.endsWith('}')) {
    const inside = trimmed.slice(0, -1).trimEnd();
    const comma = inside.endsWith('{') || inside.endsWith(',') ? '' : ', ';
    return `${inside}${comma}${condition}}`;
  }
  return `${trimmed} ${condition}`;
}

/** removeCondition takes a condition out, with the space or comma that joined it. */
export function removeCondition(text: string, name: string, operator: Operator, value: string): string {
  let out = text;
  for (;;) {
    const c = parseFilter(out).conditions.find((c) => same(c, name, operator, value));
    if (!c) {
      return out;
    }
    let before = out.slice(0, c.start);
    let after = out.slice(c.end);
    const joint = /^\s*,\s*|^\s+/.exec(after)?.[0];
    if (joint !== undefined) {
      after = after.slice(joint.length);
    } else {
      before = before.replace(/[\s,]+$/, '');
    }
    out = before + after;
    if (after === '' && !out.includes('{')) {
      out = out.replace(/[\s,]+$/, '');
    }
  }
}

/** joinFilters puts filters side by side, which means that all of them have to hold. */
export function joinFilters(...filters: Array<string | undefined>): string {
  return filters
    .map((f) => f?.trim() ?? '')
    .map((f) => (f.startsWith('{') && f.endsWith('}') ? f.slice(1, -1).trim().replace(/,$/, '') : f))
    .filter((f) => f !== '')
    .join(' ');
}
