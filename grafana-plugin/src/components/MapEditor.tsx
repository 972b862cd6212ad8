import { RadioButtonGroup } from '@grafana/ui';
import React from 'react';
import { Field, Row } from './layout';
import { FilterField, PartProps } from './parts';
import { InsightFilters, StateFields } from './InsightsEditor';

/** MapEditor asks where events, or insights, come from. */
export function MapEditor(props: PartProps) {
  const { query, onRun } = props;
  const of = query.of ?? 'events';
  return (
    <>
      <Row>
        <Field label="Of">
          <RadioButtonGroup
            aria-label="Of"
            options={[
              { value: 'events', label: 'Events', description: 'Counts and the share of errors' },
              { value: 'insights', label: 'Insights', description: 'Counts and the highest confidence' },
            ]}
            value={of}
            onChange={(o) => onRun({ of: o as 'events' | 'insights' })}
          />
        </Field>
        {of === 'events' ? <FilterField {...props} of="events" /> : <StateFields {...props} />}
      </Row>
      {of === 'insights' && <InsightFilters {...props} />}
    </>
  );
}
