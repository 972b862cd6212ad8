import { SelectableValue, TimeRange } from '@grafana/data';
import { Input, RadioButtonGroup } from '@grafana/ui';
import React, { useMemo } from 'react';
import type { DataSource } from '../datasource';
import { formatNames, formatOf } from '../defaults';
import { Query, formats, insightTypes, severities } from '../types';
import { CodeField } from './CodeField';
import { Field, Toggle } from './layout';
import { Many, One, asOption } from './selects';
import { FilterOf, completionSource } from './source';

/** What every part of the editor works with. */
export interface PartProps {
  /** Begins the ids of the controls, so that two queries on a page do not share any. */
  id: string;
  datasource: DataSource;
  query: Query;
  range?: TimeRange;
  /** Changes the query without asking it. */
  onChange: (change: Partial<Query>) => void;
  /** Changes the query and asks it. */
  onRun: (change?: Partial<Query>) => void;
}

const texts: Record<FilterOf, { text: string; placeholder: string }> = {
  events: {
    text: 'A "text" alone is looked for in the raw event.',
    placeholder: 'outcome="error" operation=~"Delete.*"',
  },
  insights: {
    text: 'A "text" alone is looked for in the insight.',
    placeholder: 'identity=~".*deploy.*" high_risk="true"',
  },
  identities: {
    text: 'A "text" alone is looked for in the identity.',
    placeholder: 'identity=~".*deploy.*" account="111122223333"',
  },
};

/** FilterField is the event filter, or that of insights. */
export function FilterField({ id, datasource, query, range, onChange, onRun, of }: PartProps & { of: FilterOf }) {
  const source = useMemo(() => completionSource(datasource.resources, of, range), [datasource, of, range]);
  return (
    <Field
      label="Filter"
      grow
      optional
      htmlFor={`${id}-filter`}
      tooltip={
        <>
          {'Conditions side by side, all of which have to hold: name="value" name!="value" name=~"re" name!~"re". '}
          {texts[of].text}
          {' Shift+Enter runs the query.'}
        </>
      }
    >
      <CodeField
        id={`${id}-filter`}
        label="Filter"
        language="filter"
        value={query.filter ?? ''}
        placeholder={texts[of].placeholder}
        source={source}
        onChange={(filter) => onChange({ filter })}
        onRunQuery={() => onRun()}
      />
    </Field>
  );
}

/** FormatField chooses the form of the answer. */
export function FormatField({ id, query, onRun }: PartProps) {
  const all = formats[query.queryType ?? 'insights'];
  if (all.length === 0) {
    return null;
  }
  const value = formatOf(query);
  if (all.length <= 4) {
    return (
      <Field label="Format">
        <RadioButtonGroup
          id={`${id}-format`}
          aria-label="Format"
          options={all.map((f) => ({
            value: f as string,
            label: formatNames[f].label,
            description: formatNames[f].description,
          }))}
          value={value}
          onChange={(format) => onRun({ format })}
        />
      </Field>
    );
  }
  return (
    <Field label="Format" htmlFor={`${id}-format`} width={22}>
      <One
        id={`${id}-format`}
        label="Format"
        options={all.map((f) => asOption(f, formatNames))}
        value={value}
        onChange={(format) => onRun({ format })}
      />
    </Field>
  );
}

/** TypesField chooses types of insights. */
export function TypesField({ id, query, onRun }: PartProps) {
  return (
    <Field label="Insight type" htmlFor={`${id}-types`} grow>
      <Many
        id={`${id}-types`}
        label="Insight type"
        options={insightTypes.map((t) => ({ value: t as string, label: t.replace(/Insight$/, '') }))}
        value={query.types}
        onChange={(types) => onRun({ types })}
      />
    </Field>
  );
}

/** SeveritiesField chooses severities. */
export function SeveritiesField({ id, query, onRun }: PartProps) {
  return (
    <Field label="Severity" htmlFor={`${id}-severities`} width={28}>
      <Many
        id={`${id}-severities`}
        label="Severity"
        options={severities.map((s) => asOption(s))}
        value={query.severities}
        onChange={(severities) => onRun({ severities })}
      />
    </Field>
  );
}

const confidences: Array<SelectableValue<string>> = [
  { value: '0.5', label: 'Medium', description: 'From 0.5' },
  { value: '0.8', label: 'High', description: 'From 0.8' },
];

/** ConfidenceField asks for insights of at least a confidence. */
export function ConfidenceField({ id, query, onRun }: PartProps) {
  return (
    <Field
      label="Confidence at least"
      htmlFor={`${id}-confidence`}
      width={18}
      tooltip="Medium begins at 0.5, High at 0.8. A number from 0 to 1, or a variable, can be typed."
    >
      <One
        id={`${id}-confidence`}
        label="Confidence at least"
        placeholder="Any"
        options={confidences}
        value={query.minConfidence?.toString()}
        clearable
        custom
        onChange={(v) => onRun({ minConfidence: parseConfidence(v) })}
      />
    </Field>
  );
}

/** parseConfidence reads a number from 0 to 1, a share in percent, or a variable; anything else is no bound. */
export function parseConfidence(text: string | undefined): number | string | undefined {
  const t = text?.trim() ?? '';
  if (t.includes('$') || t.includes('[[')) {
    return t;
  }
  const percent = t.endsWith('%');
  const n = Number(percent ? t.slice(0, -1) : t);
  if (t === '' || isNaN(n) || n < 0) {
    return undefined;
  }
  const share = percent || n > 1 ? n / 100 : n;
  return share > 0 && share <= 1 ? share : undefined;
}

/** HighRiskField keeps to insights with an operation of the highest risk. */
export function HighRiskField({ id, query, onRun }: PartProps) {
  return (
    <Toggle
      id={`${id}-high-risk`}
      label="High risk only"
      tooltip="Only insights with an operation of the highest risk."
      value={query.highRisk ?? false}
      onChange={(on) => onRun({ highRisk: on || undefined })}
    />
  );
}

interface NumberProps {
  id: string;
  label: string;
  value?: number;
  placeholder: string;
  tooltip?: string;
  onChange: (value: number | undefined) => void;
  onBlur: () => void;
}

/** NumberField is a whole number above zero, or nothing. */
export function NumberField({ id, label, value, placeholder, tooltip, onChange, onBlur }: NumberProps) {
  return (
    <Field label={label} htmlFor={id} tooltip={tooltip} width={12}>
      <Input
        id={id}
        type="number"
        min={1}
        step={1}
        value={value ?? ''}
        placeholder={placeholder}
        onChange={(e) => {
          const n = parseInt(e.currentTarget.value, 10);
          onChange(n > 0 ? n : undefined);
        }}
        onBlur={onBlur}
      />
    </Field>
  );
}

/** LimitField says how many rows there are at most. */
export function LimitField({ id, query, onChange, onRun }: PartProps) {
  return (
    <NumberField
      id={`${id}-limit`}
      label="Limit"
      placeholder="Auto"
      tooltip="The most rows. Where more match, a notice on the panel says how many."
      value={query.limit}
      onChange={(limit) => onChange({ limit })}
      onBlur={() => onRun()}
    />
  );
}

interface TextProps {
  id: string;
  label: string;
  value?: string;
  placeholder?: string;
  tooltip?: string;
  optional?: boolean;
  width?: number;
  grow?: boolean;
  onChange: (value: string | undefined) => void;
  onBlur: () => void;
}

/** TextField is a text that may be left out. */
export function TextField({
  id,
  label,
  value,
  placeholder,
  tooltip,
  optional,
  width,
  grow,
  onChange,
  onBlur,
}: TextProps) {
  return (
    <Field label={label} htmlFor={id} tooltip={tooltip} optional={optional} width={width} grow={grow}>
      <Input
        id={id}
        value={value ?? ''}
        placeholder={placeholder}
        spellCheck={false}
        onChange={(e) => onChange(e.currentTarget.value || undefined)}
        onBlur={onBlur}
        onKeyDown={(e) => e.key === 'Enter' && onBlur()}
      />
    </Field>
  );
}

/** InsightIdField names one insight. */
export function InsightIdField({ id, query, onChange, onRun, optional }: PartProps & { optional?: boolean }) {
  return (
    <TextField
      id={`${id}-insight`}
      label="Insight"
      optional={optional}
      width={36}
      tooltip="The id of an insight, or a variable such as $insight. Links from tables of insights fill it in."
      placeholder="Id of an insight"
      value={query.insightId}
      onChange={(insightId) => onChange({ insightId: insightId?.trim() || undefined })}
      onBlur={() => onRun()}
    />
  );
}
