import React from 'react';
import { formatOf } from '../defaults';
import { InsightState, Suppressed, insightFormats } from '../types';
import { Field, Note, Row, Toggle } from './layout';
import {
  ConfidenceField,
  FilterField,
  HighRiskField,
  InsightIdField,
  LimitField,
  PartProps,
  SeveritiesField,
  TypesField,
} from './parts';
import { One } from './selects';

const states = [
  { value: 'active', label: 'Active', description: 'Still going on' },
  { value: 'ended', label: 'Ended' },
  { value: 'withdrawn', label: 'Withdrawn', description: 'Told at first, and taken back' },
];

const suppressions = [
  { value: 'hide', label: 'Hide', description: 'Only what was notified' },
  { value: 'show', label: 'Show', description: 'Muted ones, and those over the budget, too' },
  { value: 'only', label: 'Only' },
];

const sorts = [
  { value: '-start', label: 'Newest first' },
  { value: 'start', label: 'Oldest first' },
  { value: '-confidence', label: 'Most certain first' },
  { value: '-severity', label: 'Most severe first' },
  {
    value: '-score',
    label: 'Most unusual first',
    description: 'By the number of false insights to expect of this size',
  },
];

/** InsightFilters are the controls that narrow insights; maps of insights have them too. */
export function InsightFilters(props: PartProps) {
  return (
    <>
      <Row>
        <TypesField {...props} />
        <SeveritiesField {...props} />
        <ConfidenceField {...props} />
        <HighRiskField {...props} />
      </Row>
      <Row>
        <FilterField {...props} of="insights" />
      </Row>
    </>
  );
}

/** StateFields choose by what became of insights. */
export function StateFields({ id, query, onRun }: PartProps) {
  return (
    <>
      <Field label="State" htmlFor={`${id}-state`} width={23}>
        <One
          id={`${id}-state`}
          label="State"
          placeholder="Active and ended"
          options={states}
          value={query.state}
          clearable
          onChange={(state) => onRun({ state: state as InsightState | undefined })}
        />
      </Field>
      <Field
        label="Suppressed"
        htmlFor={`${id}-suppressed`}
        width={14}
        tooltip="What a mute, a budget or a trial stage kept from being notified."
      >
        <One
          id={`${id}-suppressed`}
          label="Suppressed"
          options={suppressions}
          value={query.suppressed ?? 'hide'}
          onChange={(s) => onRun({ suppressed: s === 'hide' ? undefined : (s as Suppressed) })}
        />
      </Field>
    </>
  );
}

/** InsightsEditor asks for insights, or for one of them in detail. */
export function InsightsEditor(props: PartProps) {
  const { id, query, onRun } = props;
  const format = formatOf(query);
  if (insightFormats.includes(format)) {
    return (
      <Row>
        <InsightIdField {...props} />
        {!query.insightId && <Note>Enter the id of an insight to see its {format}.</Note>}
      </Row>
    );
  }
  const listed = format === 'table' || format === 'logs';
  return (
    <>
      <InsightFilters {...props} />
      <Row>
        <StateFields {...props} />
        {listed && (
          <Field label="Sort" htmlFor={`${id}-sort`} width={23}>
            <One
              id={`${id}-sort`}
              label="Sort"
              options={sorts}
              value={query.sort ?? '-start'}
              onChange={(sort) => onRun({ sort: sort === '-start' ? undefined : sort })}
            />
          </Field>
        )}
        <LimitField {...props} />
        {listed && (
          <Toggle
            id={`${id}-live`}
            label="Follow live"
            tooltip="New insights, and changes of known ones, appear as they are found, without a refresh."
            value={query.live ?? false}
            onChange={(on) => onRun({ live: on || undefined })}
          />
        )}
        <InsightIdField {...props} optional />
      </Row>
    </>
  );
}
