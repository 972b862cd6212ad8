import { joinFilters, parseFilter } from './filter';
import { quote, unquote } from './quote';
import { selectors, tokenize } from './promql';

export type Language = 'filter' | 'promql';

/** Where the names and values that are proposed come from. */
export interface CompletionSource {
  fields(): Promise<Array<{ name: string; help: string }>>;
  /** Values of a field, among what a filter selects. */
  values(field: string, filter: string, contains: string): Promise<Array<{ value: string; count?: number }>>;
  metrics(): Promise<Array<{ name: string; help: string }>>;
  labels(selector: string): Promise<string[]>;
  labelValues(label: string, selector: string): Promise<string[]>;
  /** Names of the dashboard's variables, without the dollar. */
  variables(): string[];
}

/** One proposal, and the part of the text that it takes the place of. */
export interface Completion {
  label: string;
  insert: string;
  kind: 'field' | 'value' | 'operator' | 'metric' | 'function' | 'variable' | 'duration';
  detail?: string;
  help?: string;
  start: number;
  end: number;
  /** Whether what comes next should be proposed at once. */
  more?: boolean;
}

/** What stands at a place of the text. */
export type Situation =
  | {
      at: 'name';
      prefix: string;
      start: number;
      end: number;
      scope: 'filter' | 'labels' | 'grouping' | 'expression';
      selector: string;
    }
  | { at: 'operator'; name: string; start: number }
  | {
      at: 'value';
      name: string;
      operator: string;
      prefix: string;
      start: number;
      end: number;
      open: boolean;
      others: string;
    }
  | { at: 'duration'; prefix: string; start: number; end: number }
  | { at: 'nothing' };

/** openString finds the string that a place is in. */
function openString(text: string, offset: number): { quote: string; start: number; end: number } | undefined {
  for (let i = 0; i < offset; i++) {
    const q = text[i];
    if (q === '#') {
      // A comment may hold an apostrophe.
      const newline = text.indexOf('\n', i);
      i = newline < 0 ? text.length : newline;
      continue;
    }
    if (q !== '"' && q !== "'" && q !== '`') {
      continue;
    }
    let end = i + 1;
    while (end < text.length && text[end] !== q) {
      end += text[end] === '\\' && q !== '`' ? 2 : 1;
    }
    if (offset <= end || end >= text.length) {
      return { quote: q, start: i, end: Math.min(end, text.length) };
    }
    i = end;
  }
  return undefined;
}

const wordBefore = (text: string) => /[A-Za-z0-9_:]*$/.exec(text)![0];
const wordAfter = (text: string) => /^[A-Za-z0-9_:]*/.exec(text)![0];
const operatorBefore = /([A-Za-z_]\w*)\s*(=~|!~|!=|==?)\s*$/;

/** situation says what could stand at a place of a text. */
export function situation(language: Language, text: string, offset: number): Situation {
  const s = openString(text, offset);
  if (s) {
    const m = operatorBefore.exec(text.slice(0, s.start));
    if (!m) {
      return { at: 'nothing' };
    }
    const closed = text[s.end] === s.quote;
    // A string that does not end must not swallow what follows it on the line.
    const end = closed ? s.end + 1 : offset;
    const others =
      language === 'filter'
        ? othersOf(text.slice(0, s.start - m[0].length), text.slice(end))
        : selectorAt(text, s.start - m[0].length, end);
    return {
      at: 'value',
      name: m[1],
      operator: m[2],
      prefix: unquote(s.quote, text.slice(s.start + 1, offset)),
      start: s.start,
      end,
      open: true,
      others,
    };
  }
  const before = text.slice(0, offset);
  const prefix = wordBefore(before);
  const start = offset - prefix.length;
  const end = offset + wordAfter(text.slice(offset)).length;
  const head = before.slice(0, start);
  if (/[$@]$/.test(head)) {
    return { at: 'nothing' };
  }
  const inLabels = language === 'promql' && inBraces(head);
  const m = prefix === '' ? operatorBefore.exec(head) : null;
  if (m && (language === 'filter' || inLabels)) {
    const others =
      language === 'filter' ? othersOf(head.slice(0, m.index), text.slice(offset)) : selectorAt(text, m.index, offset);
    return { at: 'value', name: m[1], operator: m[2], prefix: '', start: offset, end: offset, open: false, others };
  }
  if (language === 'filter') {
    const name = /([A-Za-z_]\w*)\s+$/.exec(head);
    if (prefix === '' && name) {
      return { at: 'operator', name: name[1], start: offset };
    }
    return /[=~]\s*$/.test(head)
      ? { at: 'nothing' }
      : { at: 'name', prefix, start, end, scope: 'filter', selector: '' };
  }
  if (inLabels) {
    return /[{,]\s*$/.test(head)
      ? { at: 'name', prefix, start, end, scope: 'labels', selector: metricOf(head) }
      : { at: 'nothing' };
  }
  if (/\[[^\]]*$/.test(head)) {
    return { at: 'duration', prefix, start, end };
  }
  if (/\b(by|without|on|ignoring|group_left|group_right)\s*\([^()]*$/i.test(head)) {
    const found = selectors(text).filter((s) => s.metric);
    return { at: 'name', prefix, start, end, scope: 'grouping', selector: found[0]?.metric ?? '' };
  }
  return /^\d/.test(prefix) || /[)\]}]\s*$/.test(head)
    ? { at: 'nothing' }
    : { at: 'name', prefix, start, end, scope: 'expression', selector: '' };
}

/** othersOf is the filter without the condition that is being written, as far as it can be read. */
function othersOf(before: string, after: string): string {
  const read = (part: string) => {
    const { conditions } = parseFilter(
      part
        .trim()
        .replace(/^\{/, '')
        .replace(/[,}]\s*$/, '')
    );
    return conditions.map((c) => part.trim().replace(/^\{/, '').slice(c.start, c.end));
  };
  return joinFilters(...read(before), ...read(after.replace(/^\s*,/, '')));
}

const inBraces = (text: string) => {
  const tokens = tokenize(text);
  return tokens.filter((t) => t.text === '{').length > tokens.filter((t) => t.text === '}').length;
};

const metricOf = (head: string) => /([A-Za-z_:][\w:]*)\s*\{[^{}]*$/.exec(head)?.[1] ?? '';

/** selectorAt is the selector around a place, without the matcher that is being written there. */
function selectorAt(text: string, start: number, end: number): string {
  const whole = text.slice(0, start).replace(/,\s*$/, '');
  const metric = metricOf(whole);
  const matchers = [
    ...(selectors(whole.slice(Math.max(0, whole.lastIndexOf('{'))) + '}')[0]?.matchers ?? []),
    ...(selectors('{' + text.slice(end).replace(/^\s*,/, ''))[0]?.matchers ?? []),
  ].map((m) => `${m.name}${m.operator}${quote(m.value)}`);
  return matchers.length > 0 ? `${metric}{${matchers.join(', ')}}` : metric;
}

const functions: Array<[string, string]> = [
  ['sum_over_time', 'events in a window: the counts of its minutes added up'],
  ['avg_over_time', 'the mean of the samples in a window'],
  ['max_over_time', 'the highest sample in a window'],
  ['min_over_time', 'the lowest sample in a window'],
  ['count_over_time', 'how many minutes of a window have events'],
  ['last_over_time', 'the newest sample in a window'],
  ['sum', 'adds up series'],
  ['avg', 'the mean of series'],
  ['max', 'the highest of series'],
  ['min', 'the lowest of series'],
  ['count', 'how many series there are'],
  ['topk', 'the k highest series'],
  ['bottomk', 'the k lowest series'],
  ['quantile', 'a quantile of series'],
  ['abs', 'the absolute value'],
  ['clamp_min', 'no value lower than this'],
  ['histogram_quantile', 'a quantile of a histogram'],
  ['label_replace', 'a label made of another'],
  ['rate', 'for counters, such as insightd_…_total; not for activity_ series'],
  ['increase', 'for counters, such as insightd_…_total; not for activity_ series'],
  ['absent', 'one where there is no series'],
  ['timestamp', 'the time of a sample'],
  ['vector', 'a number as a series'],
  ['by', 'keep these labels'],
  ['without', 'leave out these labels'],
];

const durations = ['$__interval', '$__range', '1m', '5m', '15m', '1h', '6h', '1d'];

const operators: Array<[string, string]> = [
  ['=', 'is'],
  ['!=', 'is not'],
  ['=~', 'matches a regular expression'],
  ['!~', 'does not match'],
];

/** complete proposes what could stand at a place of a text, the likeliest first. */
export async function complete(
  language: Language,
  text: string,
  offset: number,
  source: CompletionSource
): Promise<Completion[]> {
  const s = situation(language, text, offset);
  switch (s.at) {
    case 'nothing':
      return [];
    case 'operator':
      return operators.map(([label, detail]) => ({
        label,
        detail,
        insert: label,
        kind: 'operator',
        start: s.start,
        end: s.start,
        more: true,
      }));
    case 'duration':
      return durations.map((label) => ({ label, insert: label, kind: 'duration', start: s.start, end: s.end }));
    case 'value':
      return valuesAt(language, s, source);
    case 'name':
      return namesAt(s, source);
  }
}

async function valuesAt(
  language: Language,
  s: Extract<Situation, { at: 'value' }>,
  source: CompletionSource
): Promise<Completion[]> {
  const values =
    language === 'filter'
      ? await source.values(s.name, s.others, s.operator.includes('~') ? '' : s.prefix)
      : (await source.labelValues(s.name, s.others)).map((value): { value: string; count?: number } => ({ value }));
  const proposed: Completion[] = values
    .filter((v) => v.value !== '')
    .map((v) => ({
      label: v.value,
      insert: quote(v.value),
      kind: 'value',
      ...(v.count !== undefined ? { detail: v.count.toLocaleString('en-US') } : {}),
      start: s.start,
      end: s.end,
    }));
  const variables: Completion[] = source.variables().map((name) => ({
    label: '$' + name,
    insert: `"$${name}"`,
    kind: 'variable',
    detail: 'variable',
    start: s.start,
    end: s.end,
  }));
  return [...proposed, ...variables];
}

async function namesAt(s: Extract<Situation, { at: 'name' }>, source: CompletionSource): Promise<Completion[]> {
  const place = { start: s.start, end: s.end };
  switch (s.scope) {
    case 'filter':
      return (await source.fields()).map((f) => ({
        label: f.name,
        insert: `${f.name}=`,
        kind: 'field',
        help: f.help,
        more: true,
        ...place,
      }));
    case 'labels':
    case 'grouping':
      return (await source.labels(s.selector))
        .filter((l) => l !== '__name__')
        .map((l) => ({
          label: l,
          insert: s.scope === 'labels' ? `${l}=` : l,
          kind: 'field',
          more: s.scope === 'labels',
          ...place,
        }));
    case 'expression': {
      const metrics = await source.metrics();
      return [
        ...metrics.map((m): Completion => ({ label: m.name, insert: m.name, kind: 'metric', help: m.help, ...place })),
        ...functions.map(([name, help]): Completion => ({
          label: name,
          insert: name,
          kind: 'function',
          help,
          ...place,
        })),
      ];
    }
  }
}
