import { ScopedVars } from '@grafana/data';
import { escapeRegex, quote, unquote } from './quote';

/** The part of Grafana's template service that is used. */
export type Replace = (
  text: string,
  scopedVars?: ScopedVars,
  format?: (value: unknown, variable?: VariableInfo) => string
) => string;

/** What a format function is told of the variable. */
interface VariableInfo {
  type?: string;
  multi?: boolean;
  includeAll?: boolean;
}

const variable = /\$(?:[A-Za-z_]\w*|\{[^}]+\})|\[\[[^\]]+\]\]/g;

/** What a variable stands for in one place. */
interface Expansion {
  /** The values, or none where the variable gave a text of its own, such as a custom value for All. */
  values?: string[];
  text: string;
  /** Whether a single value is one of a list, and not a pattern that somebody typed. */
  literal: boolean;
  /** Whether there is such a variable at all. */
  known: boolean;
  /** Whether it is one of Grafana's own, or asks for a format by name; then its text is taken as it is. */
  plain: boolean;
}

function expand(reference: string, replace: Replace, scopedVars?: ScopedVars): Expansion {
  const out: Expansion = { text: reference, literal: false, known: true, plain: false };
  out.text = replace(reference, scopedVars, (value, info) => {
    out.values = (Array.isArray(value) ? value : [value]).map(String);
    out.literal = info?.type === 'query' || Boolean(info?.multi || info?.includeAll);
    return out.values.join(',');
  });
  out.known = out.values !== undefined || out.text !== reference;
  const inner = reference.replace(/^\$\{?|^\[\[|\}$|\]\]$/g, '');
  out.plain = inner.includes(':') || inner.startsWith('__');
  return out;
}

/**
 * interpolate fills variables into PromQL or a filter. In a quoted value every value is escaped, and
 * where a variable has several values, or All, = becomes =~. Outside of quotes several values are
 * joined with commas.
 */
export function interpolate(text: string, replace: Replace, scopedVars?: ScopedVars): string {
  if (!text.includes('$') && !text.includes('[[')) {
    return text;
  }
  let out = '';
  for (let at = 0; at < text.length;) {
    const c = text[at];
    if (c !== '"' && c !== "'" && c !== '`') {
      let end = at;
      while (end < text.length && !'"\'`'.includes(text[end])) {
        end++;
      }
      out += text.slice(at, end).replace(variable, (reference) => expand(reference, replace, scopedVars).text);
      at = end;
      continue;
    }
    let end = at + 1;
    while (end < text.length && text[end] !== c) {
      end += text[end] === '\\' && c !== '`' ? 2 : 1;
    }
    if (end >= text.length) {
      // A string that does not end is for the daemon to complain about.
      return out + text.slice(at);
    }
    out = replaceValue(out, text.slice(at, end + 1), replace, scopedVars);
    at = end + 1;
  }
  return out;
}

/** replaceValue adds a quoted value to what stands before it, whose operator it may change. */
function replaceValue(before: string, quoted: string, replace: Replace, scopedVars?: ScopedVars): string {
  const q = quoted[0];
  const inside = quoted.slice(1, -1);
  const parts: Array<string | Expansion> = [];
  let last = 0;
  for (const m of inside.matchAll(variable)) {
    const e = expand(m[0], replace, scopedVars);
    if (!e.known) {
      continue;
    }
    parts.push(unquote(q, inside.slice(last, m.index)), e);
    last = m.index! + m[0].length;
  }
  if (parts.length === 0) {
    return before + quoted;
  }
  parts.push(unquote(q, inside.slice(last)));

  const operator = /(=~|!~|!=|==?)\s*$/.exec(before)?.[1];
  const single = (e: Expansion) => e.plain || e.values?.length === 1;
  if (operator === undefined || (!operator.includes('~') && parts.every((p) => typeof p === 'string' || single(p)))) {
    return before + quote(parts.map((p) => (typeof p === 'string' ? p : p.text)).join(''));
  }
  const typed = operator.includes('~');
  const pattern = parts
    .map((p) => {
      if (typeof p === 'string') {
        return typed ? p : escapeRegex(p);
      }
      if (p.plain || p.values === undefined) {
        return p.text;
      }
      if (p.values.length === 1) {
        return typed && !p.literal ? p.values[0] : escapeRegex(p.values[0]);
      }
      return `(${p.values.map(escapeRegex).join('|')})`;
    })
    .join('');
  const head = typed ? before : before.replace(/(!=|==?)(\s*)$/, (_, op, space) => (op === '!=' ? '!~' : '=~') + space);
  return head + quote(pattern);
}

/** interpolateText fills variables into a text that is no language, such as a legend. */
export function interpolateText(text: string, replace: Replace, scopedVars?: ScopedVars): string {
  return replace(text, scopedVars, (value) => (Array.isArray(value) ? value.join(',') : String(value)));
}

/** interpolateList fills variables into a list; All, which chooses everything, makes it empty. */
export function interpolateList(list: string[], replace: Replace, scopedVars?: ScopedVars): string[] {
  const out: string[] = [];
  for (const item of list) {
    if (!/\$|\[\[/.test(item)) {
      out.push(item);
      continue;
    }
    const e = expand(item, replace, scopedVars);
    if (e.values === undefined && e.known) {
      return [];
    }
    out.push(...(e.values ?? [e.text]).filter((v) => v !== ''));
  }
  return [...new Set(out)];
}
