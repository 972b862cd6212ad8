import { Alert, Button, RadioButtonGroup } from '@grafana/ui';
import React, { useMemo } from 'react';
import { rateHint } from '../language/promql';
import { CodeField } from './CodeField';
import { Field, Note, Row } from './layout';
import { InsightIdField, PartProps, TextField } from './parts';
import { completionSource } from './source';

function ExprField({
  id,
  datasource,
  query,
  range,
  onChange,
  onRun,
  label,
  placeholder,
  tooltip,
}: PartProps & { label: string; placeholder: string; tooltip: string }) {
  const source = useMemo(() => completionSource(datasource.resources, 'events', range), [datasource, range]);
  return (
    <Field label={label} htmlFor={`${id}-expr`} grow tooltip={tooltip}>
      <CodeField
        id={`${id}-expr`}
        label={label}
        language="promql"
        value={query.expr ?? ''}
        placeholder={placeholder}
        source={source}
        onChange={(expr) => onChange({ expr })}
        onRunQuery={() => onRun()}
      />
    </Field>
  );
}

/** RateHint says what to ask in place of rate, and does it. */
function RateHint({ query, onRun }: Pick<PartProps, 'query' | 'onRun'>) {
  const hint = query.expr ? rateHint(query.expr) : undefined;
  if (!hint) {
    return null;
  }
  return (
    <Alert severity="warning" title={`${hint.function}() is wrong on ${hint.metric}`} bottomSpacing={0} topSpacing={0}>
      Its samples are the number of events in each minute, not a counter that grows, so {hint.function}() takes
      differences between them. {hint.instead}() adds them up.{' '}
      <Button size="sm" fill="text" onClick={() => onRun({ expr: hint.fixed })}>
        Use {hint.instead}()
      </Button>
    </Alert>
  );
}

/** MetricsEditor asks PromQL. */
export function MetricsEditor(props: PartProps) {
  const { id, query, onChange, onRun } = props;
  return (
    <>
      <Row>
        <ExprField
          {...props}
          label="PromQL"
          placeholder="sum by (service) (sum_over_time(activity_events[$__interval]))"
          tooltip="Samples are counts a minute, so sum_over_time is exact over any window. Shift+Enter runs the query."
        />
      </Row>
      <RateHint query={query} onRun={onRun} />
      <Row>
        <Field label="Type">
          <RadioButtonGroup
            aria-label="Type"
            options={[
              { value: false, label: 'Range' },
              { value: true, label: 'Instant', description: 'Only the value at the end of the range' },
            ]}
            value={query.instant ?? false}
            onChange={(instant) => onRun({ instant: instant || undefined })}
          />
        </Field>
        <TextField
          id={`${id}-legend`}
          label="Legend"
          optional
          grow
          placeholder="{{service}}"
          tooltip="The name of each series, with its labels between double braces."
          value={query.legend}
          onChange={(legend) => onChange({ legend })}
          onBlur={() => onRun()}
        />
        <StepField {...props} />
      </Row>
    </>
  );
}

function StepField({ id, query, onChange, onRun }: PartProps) {
  return (
    <TextField
      id={`${id}-step`}
      label="Step"
      optional
      width={14}
      placeholder="auto"
      tooltip="The least time between two points, such as 5m. Counts have a sample a minute."
      value={query.step}
      onChange={(step) => onChange({ step: step?.trim() })}
      onBlur={() => onRun()}
    />
  );
}

/** BandsEditor asks for a series with what was expected of it. */
export function BandsEditor(props: PartProps) {
  const { query } = props;
  return (
    <>
      <Row>
        <ExprField
          {...props}
          label="Selector"
          placeholder='activity_identity_api_events{identity="…", operation="RunInstances"}'
          tooltip="A selector of one activity_ metric. Each series that it matches is shown with what was expected, and the bounds."
        />
      </Row>
      <Row>
        <InsightIdField {...props} optional />
        <StepField {...props} />
        {!query.expr && !query.insightId && (
          <Note>Enter a selector, or the id of an insight to see the series behind it.</Note>
        )}
      </Row>
    </>
  );
}
