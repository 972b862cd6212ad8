import { quote, unquote } from './quote';

/** A matcher of a selector and where it stands in the text. */
export interface Matcher {
  name: string;
  operator: '=' | '!=' | '=~' | '!~';
  value: string;
  start: number;
  end: number;
}

/** A selector of series and where it stands in the text. */
export interface Selector {
  metric: string;
  matchers: Matcher[];
  /** From the name, or from the brace where there is no name. */
  start: number;
  end: number;
  /** Where the braces stand, with them. */
  braces?: { start: number; end: number };
  /** The functions that it stands in, the innermost first. */
  functions: string[];
}

interface Token {
  kind: 'name' | 'string' | 'number' | 'operator';
  text: string;
  start: number;
  end: number;
}

/** tokenize cuts PromQL into tokens; an unfinished string goes to the end. */
export function tokenize(expr: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const push = (kind: Token['kind'], end: number) => {
    tokens.push({ kind, text: expr.slice(at, end), start: at, end });
    at = end;
  };
  while (at < expr.length) {
    const rest = expr.slice(at);
    const c = expr[at];
    let m: RegExpExecArray | null;
    if ((m = /^(\s+|#[^\n]*)/.exec(rest))) {
      at += m[0].length;
    } else if (c === '"' || c === "'" || c === '`') {
      let end = at + 1;
      while (end < expr.length && expr[end] !== c) {
        end += expr[end] === '\\' && c !== '`' ? 2 : 1;
      }
      push('string', Math.min(end + 1, expr.length));
    } else if ((m = /^\$(\{[^}]*\}|[A-Za-z_]\w*)|^\[\[[^\]]*\]\]/.exec(rest))) {
      // A variable of a dashboard stands for a name.
      push('name', at + m[0].length);
    } else if ((m = /^[A-Za-z_:][A-Za-z0-9_:]*/.exec(rest))) {
      push('name', at + m[0].length);
    } else if ((m = /^(0x[0-9a-fA-F]+|\d[\d.]*([eE][+-]?\d+)?[A-Za-z0-9]*|\.\d+)/.exec(rest))) {
      push('number', at + m[0].length);
    } else if ((m = /^(=~|!~|!=|==|>=|<=)/.exec(rest))) {
      push('operator', at + 2);
    } else {
      push('operator', at + 1);
    }
  }
  return tokens;
}

const labelLists = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right']);
const words = new Set([...labelLists, 'and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan', 'start', 'end', 'atan2']);

/** selectors finds the selectors of an expression, and where they stand. */
export function selectors(expr: string): Selector[] {
  const tokens = tokenize(expr);
  const found: Selector[] = [];
  const functions: string[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const t = tokens[i];
    const next = tokens[i + 1];
    if (t.text === '(') {
      const before = tokens[i - 1];
      functions.unshift(before?.kind === 'name' ? before.text.toLowerCase() : '');
    } else if (t.text === ')') {
      functions.shift();
    } else if (t.text === '[') {
      while (i < tokens.length - 1 && tokens[i].text !== ']') {
        i++;
      }
    } else if (t.kind === 'name' && labelLists.has(t.text.toLowerCase())) {
      if (next?.text === '(') {
        while (i < tokens.length - 1 && tokens[i].text !== ')') {
          i++;
        }
      }
    } else if (t.kind === 'name' && next?.text !== '(' && !words.has(t.text.toLowerCase())) {
      // An aggregation that names its labels first, as in sum by (x) (y).
      if (next && labelLists.has(next.text.toLowerCase()) && tokens[i + 2]?.text === '(') {
        continue;
      }
      const s: Selector = { metric: t.text, matchers: [], start: t.start, end: t.end, functions: [...functions] };
      if (next?.text === '{') {
        i = readBraces(tokens, i + 1, s);
      }
      found.push(s);
    } else if (t.text === '{') {
      const s: Selector = { metric: '', matchers: [], start: t.start, end: t.end, functions: [...functions] };
      i = readBraces(tokens, i, s);
      found.push(s);
    }
  }
  return found;
}

function readBraces(tokens: Token[], open: number, s: Selector): number {
  let i = open + 1;
  while (i < tokens.length && tokens[i].text !== '}') {
    const [name, op, value] = tokens.slice(i, i + 3);
    const operator = op?.text;
    if (
      (name.kind === 'name' || name.kind === 'string') &&
      (operator === '=' || operator === '!=' || operator === '=~' || operator === '!~') &&
      value?.kind === 'string'
    ) {
      const label = name.kind === 'string' ? unquote(name.text[0], name.text.slice(1, -1)) : name.text;
      const text = unquote(value.text[0], value.text.slice(1, -1));
      if (label === '__name__' && operator === '=') {
        s.metric = text;
      }
      s.matchers.push({ name: label, operator, value: text, start: name.start, end: value.end });
      i += 3;
    } else {
      if (name.kind === 'string' && s.metric === '') {
        // The name of a metric in quotes, as Prometheus 3 allows.
        s.metric = unquote(name.text[0], name.text.slice(1, -1));
      }
      i++;
    }
  }
  const close = tokens[Math.min(i, tokens.length - 1)];
  s.braces = { start: tokens[open].start, end: close.end };
  s.end = close.end;
  return i;
}

/** addMatcher adds a matcher to every selector that has not got it. */
export function addMatcher(expr: string, name: string, operator: Matcher['operator'], value: string): string {
  const matcher = `${/^[A-Za-z_]\w*$/.test(name) ? name : quote(name)}${operator}${quote(value)}`;
  let out = expr;
  // From the end, so that places before stay right.
  for (const s of selectors(expr).reverse()) {
    if (s.matchers.some((m) => m.name === name && m.operator === operator && m.value === value)) {
      continue;
    }
    if (s.braces) {
      const inside = out.slice(s.braces.start + 1, s.braces.end - 1).trimEnd();
      const joint = inside.trim() === '' || inside.endsWith(',') ? '' : ', ';
      out = out.slice(0, s.braces.start + 1) + inside + joint + matcher + out.slice(s.braces.end - 1);
    } else {
      out = `${out.slice(0, s.end)}{${matcher}}${out.slice(s.end)}`;
    }
  }
  return out;
}

/** hasMatcher says whether every selector of an expression has a matcher. */
export function hasMatcher(expr: string, name: string, operator: Matcher['operator'], value: string): boolean {
  const all = selectors(expr);
  return (
    all.length > 0 &&
    all.every((s) => s.matchers.some((m) => m.name === name && m.operator === operator && m.value === value))
  );
}

/** removeMatcher takes a matcher out of every selector. */
export function removeMatcher(expr: string, name: string, operator: Matcher['operator'], value: string): string {
  let out = expr;
  for (const s of selectors(expr).reverse()) {
    for (const m of [...s.matchers].reverse()) {
      if (m.name !== name || m.operator !== operator || m.value !== value) {
        continue;
      }
      let before = out.slice(0, m.start);
      let after = out.slice(m.end);
      const joint = /^\s*,\s*/.exec(after)?.[0];
      if (joint !== undefined) {
        after = after.slice(joint.length);
      } else {
        before = before.replace(/\s*,\s*$/, '');
      }
      out = before + after;
    }
  }
  // A name before braces that are empty now needs none.
  return out.replace(/([A-Za-z0-9_:])\{\s*\}/g, '$1');
}

/** What rate and its like are asked of counts, and what to ask in their place. */
export interface RateHint {
  function: string;
  metric: string;
  instead: string;
  /** The expression with the function replaced. */
  fixed: string;
}

const counterFunctions: Record<string, string> = {
  rate: 'sum_over_time',
  irate: 'sum_over_time',
  increase: 'sum_over_time',
  resets: 'count_over_time',
};

/**
 * rateHint finds a function for counters over a series of counts. A sample of an activity_ series
 * is the number of events in its minute, so rate, which takes differences of samples, is wrong on it.
 */
export function rateHint(expr: string): RateHint | undefined {
  for (const s of selectors(expr)) {
    const fn = s.functions[0];
    if (fn && Object.hasOwn(counterFunctions, fn) && /^activity_/.test(s.metric)) {
      const instead = counterFunctions[fn];
      return { function: fn, metric: s.metric, instead, fixed: replaceFunction(expr, fn, instead) };
    }
  }
  return undefined;
}

function replaceFunction(expr: string, name: string, by: string): string {
  let out = expr;
  const tokens = tokenize(expr);
  for (let i = tokens.length - 2; i >= 0; i--) {
    const t = tokens[i];
    if (t.kind !== 'name' || t.text.toLowerCase() !== name || tokens[i + 1].text !== '(') {
      continue;
    }
    const inside = selectors(expr).find((s) => s.start > t.start && s.functions[0] === name);
    if (inside && /^activity_/.test(inside.metric)) {
      out = out.slice(0, t.start) + by + out.slice(t.end);
    }
  }
  return out;
}
