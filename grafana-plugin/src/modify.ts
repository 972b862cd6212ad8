import { QueryFilterOptions, QueryFixAction, ToggleFilterAction } from '@grafana/data';
import { addCondition, hasCondition, Operator, removeCondition } from './language/filter';
import { addMatcher, hasMatcher, removeMatcher } from './language/promql';
import { Query } from './types';

/** What modifyQuery can do. */
export const modifications = ['ADD_FILTER', 'ADD_FILTER_OUT', 'ADD_STRING_FILTER', 'ADD_STRING_FILTER_OUT', 'FIX_RATE'];

const inPromQL = (q: Query) => q.queryType === 'promql' || q.queryType === 'bands';

/** The text that a query is filtered by, and the functions of its language. */
function add(q: Query, name: string, operator: '=' | '!=', value: string): Query {
  const other = operator === '=' ? '!=' : '=';
  if (inPromQL(q)) {
    return { ...q, expr: addMatcher(removeMatcher(q.expr ?? '', name, other, value), name, operator, value) };
  }
  return { ...q, filter: addCondition(q.filter ?? '', name, operator, value) };
}

function has(q: Query, name: string, operator: '=' | '!=', value: string): boolean {
  return inPromQL(q)
    ? hasMatcher(q.expr ?? '', name, operator, value)
    : hasCondition(q.filter ?? '', name, operator, value);
}

function remove(q: Query, name: string, operator: '=' | '!=', value: string): Query {
  if (inPromQL(q)) {
    return { ...q, expr: removeMatcher(q.expr ?? '', name, operator, value) };
  }
  return { ...q, filter: removeCondition(q.filter ?? '', name, operator, value) };
}

function addText(q: Query, operator: Operator, value: string): Query {
  return inPromQL(q) || !value ? q : { ...q, filter: addCondition(q.filter ?? '', '', operator, value) };
}

/** toggleFilter adds a filter, takes it away where it is there, and turns its opposite round. */
export function toggleFilter(q: Query, action: ToggleFilterAction): Query {
  const { key, value } = action.options;
  if (!key) {
    return q;
  }
  const operator = action.type === 'FILTER_FOR' ? '=' : '!=';
  return has(q, key, operator, value) ? remove(q, key, operator, value) : add(q, key, operator, value);
}

/** hasFilter says whether a query keeps to a value. */
export function hasFilter(q: Query, filter: QueryFilterOptions): boolean {
  return Boolean(filter.key) && has(q, filter.key, '=', filter.value);
}

/** modify does what Explore, or a hint, asks for. */
export function modify(q: Query, action: QueryFixAction): Query {
  const key = action.options?.key ?? '';
  const value = action.options?.value ?? '';
  switch (action.type) {
    case 'ADD_FILTER':
      return key ? add(q, key, '=', value) : q;
    case 'ADD_FILTER_OUT':
      return key ? add(q, key, '!=', value) : q;
    case 'ADD_STRING_FILTER':
      return addText(q, 'contains', value);
    case 'ADD_STRING_FILTER_OUT':
      return addText(q, '!contains', value);
    case 'FIX_RATE':
      return action.query ? { ...q, expr: action.query } : q;
    default:
      return q;
  }
}
