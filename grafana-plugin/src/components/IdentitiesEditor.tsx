import { RadioButtonGroup } from '@grafana/ui';
import React, { useCallback } from 'react';
import { formatOf } from '../defaults';
import { identityKinds } from '../types';
import { shortIdentity } from '../identity';
import { Field, Note, Row } from './layout';
import { FilterField, LimitField, PartProps } from './parts';
import { Many, One } from './selects';

const sorts = [
  { value: '-events', label: 'Most active first' },
  { value: '-lastSeen', label: 'Last seen first' },
  { value: '-firstSeen', label: 'Newest first' },
  { value: '-risk', label: 'Riskiest first' },
  { value: '-activeInsights', label: 'Most insights first' },
  { value: '-errors', label: 'Most errors first' },
];

/** IdentitiesEditor asks who acts, or for the habits of one identity. */
export function IdentitiesEditor(props: PartProps) {
  const { id, datasource, query, range, onRun } = props;
  const format = formatOf(query);
  const identities = useCallback(
    async () =>
      (await datasource.resources.values('events', 'identity', { range, limit: 1000 }))
        .filter((v) => v.value !== '')
        .map((v) => ({ value: v.value, label: shortIdentity(v.value), description: v.value })),
    [datasource, range]
  );
  if (format !== 'table') {
    return (
      <Row>
        <Field
          label="Identity"
          htmlFor={`${id}-identity`}
          grow
          tooltip="The key of an identity, its id, or a variable such as $identity."
        >
          <One
            id={`${id}-identity`}
            label="Identity"
            placeholder="Choose or type an identity"
            load={identities}
            value={query.identityId}
            clearable
            custom
            onChange={(identityId) => onRun({ identityId })}
          />
        </Field>
        {!query.identityId && <Note>Choose the identity to see its {format}.</Note>}
      </Row>
    );
  }
  return (
    <>
      <Row>
        <Field label="Kind" htmlFor={`${id}-kinds`} grow>
          <Many
            id={`${id}-kinds`}
            label="Kind"
            options={identityKinds.map((k) => ({ value: k as string, label: k }))}
            value={query.kinds}
            onChange={(kinds) => onRun({ kinds })}
          />
        </Field>
        <Field
          label="Class"
          tooltip="Automation acts every day, at fixed times, or far more than others, whatever its kind. It is learned, not declared."
        >
          <RadioButtonGroup
            aria-label="Class"
            options={[
              { value: '', label: 'All' },
              { value: 'Automation', label: 'Automation' },
            ]}
            value={query.identityClass ?? ''}
            onChange={(c) => onRun({ identityClass: c || undefined })}
          />
        </Field>
        <Field label="Sort" htmlFor={`${id}-sort`} width={22}>
          <One
            id={`${id}-sort`}
            label="Sort"
            placeholder="Default"
            options={sorts}
            value={query.sort}
            clearable
            onChange={(sort) => onRun({ sort })}
          />
        </Field>
        <LimitField {...props} />
      </Row>
      <Row>
        <FilterField {...props} of="identities" />
      </Row>
    </>
  );
}
