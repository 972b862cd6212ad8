import { RadioButtonGroup } from '@grafana/ui';
import React from 'react';
import { confidenceLabels } from '../types';
import { Field, Row } from './layout';
import { ConfidenceField, FilterField, PartProps, SeveritiesField, TypesField } from './parts';
import { Many } from './selects';

const labelNames: Record<string, string> = {
  insight_type: 'Insight type',
  provider: 'Provider',
  account: 'Account',
  region: 'Region',
  identity: 'Identity',
  object: 'Object',
  id: 'Insight',
};

/** ConfidenceEditor asks how sure the daemon is, over time and by labels. */
export function ConfidenceEditor(props: PartProps) {
  const { id, query, onRun } = props;
  const measure = query.measure ?? 'max';
  return (
    <>
      <Row>
        <Field
          label="Measure"
          tooltip="The highest confidence of the insights that are active, from 0 to 1, or how many are at a confidence or above."
        >
          <RadioButtonGroup
            aria-label="Measure"
            options={[
              { value: 'max', label: 'Highest confidence' },
              { value: 'count', label: 'Count' },
            ]}
            value={measure}
            onChange={(m) => onRun({ measure: m as 'max' | 'count' })}
          />
        </Field>
        {measure === 'count' && <ConfidenceField {...props} />}
        <Field
          label="Group by"
          htmlFor={`${id}-group`}
          grow
          tooltip="One series, and in an alert rule one instance, for each combination of these. Without any there is one series."
        >
          <Many
            id={`${id}-group`}
            label="Group by"
            placeholder="One series"
            options={confidenceLabels.map((value) => ({ value, label: labelNames[value] }))}
            value={query.groupBy}
            onChange={(groupBy) => onRun({ groupBy: groupBy ?? [] })}
          />
        </Field>
      </Row>
      <Row>
        <TypesField {...props} />
        <SeveritiesField {...props} />
      </Row>
      <Row>
        <FilterField {...props} of="insights" />
      </Row>
    </>
  );
}
