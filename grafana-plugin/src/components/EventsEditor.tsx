import { RadioButtonGroup } from '@grafana/ui';
import React, { useCallback } from 'react';
import { formatOf } from '../defaults';
import { Field, Note, Row } from './layout';
import { FilterField, InsightIdField, LimitField, NumberField, PartProps } from './parts';
import { One } from './selects';

/** EventsEditor searches events. */
export function EventsEditor(props: PartProps) {
  const { id, datasource, query, onChange, onRun } = props;
  const format = formatOf(query);
  const counted = format === 'volume' || format === 'values';
  const fields = useCallback(
    async () =>
      (await datasource.resources.fields('events')).map((f) => ({ value: f.name, label: f.name, description: f.help })),
    [datasource]
  );
  return (
    <>
      <Row>
        <FilterField {...props} of="events" />
      </Row>
      <Row>
        {counted ? (
          <>
            <Field
              label={format === 'volume' ? 'Split by' : 'Field'}
              htmlFor={`${id}-by`}
              width={24}
              optional={format === 'volume'}
            >
              <One
                id={`${id}-by`}
                label={format === 'volume' ? 'Split by' : 'Field'}
                placeholder={format === 'volume' ? 'All events' : 'Choose a field'}
                load={fields}
                value={query.by}
                clearable
                custom
                onChange={(by) => onRun({ by })}
              />
            </Field>
            <NumberField
              id={`${id}-top`}
              label="Top"
              placeholder="10"
              tooltip="How many values are kept; the rest is added up as one."
              value={query.top}
              onChange={(top) => onChange({ top })}
              onBlur={() => onRun()}
            />
            {format === 'values' && !query.by && <Note>Choose the field whose values are counted.</Note>}
          </>
        ) : (
          <>
            <Field label="Order">
              <RadioButtonGroup
                aria-label="Order"
                options={[
                  { value: 'backward', label: 'Newest first' },
                  { value: 'forward', label: 'Oldest first' },
                ]}
                value={query.direction ?? 'backward'}
                onChange={(d) => onRun({ direction: d === 'forward' ? 'forward' : undefined })}
              />
            </Field>
            <LimitField {...props} />
          </>
        )}
        <InsightIdField {...props} optional />
      </Row>
    </>
  );
}
