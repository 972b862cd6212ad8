import { QueryEditorProps } from '@grafana/data';
import { RadioButtonGroup } from '@grafana/ui';
import React, { useCallback, useId, useMemo, useState } from 'react';
import type { DataSource } from '../datasource';
import { migrateVariable } from '../migrate';
import {
  Options,
  Query,
  VariableList,
  VariableQuery,
  defaultVariableLimit,
  eitherLists,
  variableLists,
} from '../types';
import { CodeField } from './CodeField';
import { Field, Note, Row, Rows } from './layout';
import { NumberField } from './parts';
import { One } from './selects';
import { completionSource } from './source';

type Props = QueryEditorProps<DataSource, Query, Options, VariableQuery>;

const names: Record<VariableList, { label: string; description: string }> = {
  insightTypes: { label: 'Insight types', description: 'Types that there are insights of' },
  severities: { label: 'Severities', description: 'Critical first' },
  providers: { label: 'Providers', description: 'aws, azure, …' },
  accounts: { label: 'Accounts', description: 'Accounts, subscriptions or projects' },
  regions: { label: 'Regions', description: 'Regions of the providers' },
  identities: { label: 'Identities', description: 'People and workloads, by their short names' },
  services: { label: 'Services', description: 'Services that were called' },
  operations: { label: 'Operations', description: 'APIs that were called' },
  countries: { label: 'Countries', description: 'ISO codes of source addresses' },
  eventField: { label: 'Field of events', description: 'Values of any field' },
  insightField: { label: 'Field of insights', description: 'Values of any field' },
  labelValues: { label: 'Label values', description: 'Of the series of a selector' },
  labelNames: { label: 'Label names', description: 'Of the series of a selector' },
  metrics: { label: 'Metrics', description: 'Names of series' },
};

const wide: VariableList[] = ['metrics', 'labelNames', 'labelValues'];

/** VariableEditor says what a dashboard's variable is a list of. */
export function VariableEditor({ datasource, query: saved, range, onChange }: Props) {
  const id = `insightd-${useId().replace(/\W/g, '')}`;
  const query = migrateVariable(saved);
  // The text is kept here until the field is left, since every change asks the daemon anew.
  const [filter, setFilter] = useState(query.filter ?? '');
  const [limit, setLimit] = useState(query.limit);
  const of =
    query.list === 'insightTypes' || query.list === 'severities' || query.list === 'insightField'
      ? 'insights'
      : query.of;
  const series = wide.includes(query.list);
  const change = (c: Partial<VariableQuery>) => {
    const next = { ...query, ...c };
    onChange(Object.fromEntries(Object.entries(next).filter(([, v]) => v !== undefined)) as unknown as VariableQuery);
  };
  const source = useMemo(() => completionSource(datasource.resources, of ?? 'events', range), [datasource, of, range]);
  const fields = useCallback(async () => {
    if (query.list === 'labelValues') {
      return (await datasource.resources.labels(query.filter, range))
        .filter((l) => l !== '__name__')
        .map((l) => ({ value: l, label: l }));
    }
    const found = await datasource.resources.fields(query.list === 'insightField' ? 'insights' : 'events');
    return found.map((f) => ({ value: f.name, label: f.name, description: f.help }));
  }, [datasource, query.list, query.filter, range]);
  const named = query.list === 'eventField' || query.list === 'insightField' || query.list === 'labelValues';
  const label = series ? 'Selector' : 'Filter';
  return (
    <Rows>
      <Row>
        <Field label="List" htmlFor={`${id}-list`} width={26}>
          <One
            id={`${id}-list`}
            label="List"
            options={variableLists.map((value) => ({ value, ...names[value] }))}
            value={query.list}
            onChange={(l) => change({ list: (l ?? 'insightTypes') as VariableList, field: undefined })}
          />
        </Field>
        {named && (
          <Field label={series ? 'Label' : 'Field'} htmlFor={`${id}-field`} width={26}>
            <One
              id={`${id}-field`}
              label={series ? 'Label' : 'Field'}
              placeholder={series ? 'Choose a label' : 'Choose a field'}
              load={fields}
              value={query.field}
              custom
              onChange={(field) => change({ field })}
            />
          </Field>
        )}
        {eitherLists.includes(query.list) && (
          <Field label="Of">
            <RadioButtonGroup
              aria-label="Of"
              options={[
                { value: 'events', label: 'Events' },
                { value: 'insights', label: 'Insights', description: 'Only those that an insight names' },
              ]}
              value={query.of ?? 'events'}
              onChange={(o) => change({ of: o === 'insights' ? 'insights' : undefined })}
            />
          </Field>
        )}
        {query.list !== 'labelNames' && (
          <NumberField
            id={`${id}-limit`}
            label="Limit"
            placeholder={String(defaultVariableLimit)}
            tooltip="How many values at most, the most frequent first."
            value={limit}
            onChange={setLimit}
            onBlur={() => limit !== query.limit && change({ limit })}
          />
        )}
        {named && !query.field && <Note>Choose the {series ? 'label' : 'field'} whose values are listed.</Note>}
      </Row>
      <Row>
        <Field
          label={label}
          htmlFor={`${id}-filter`}
          grow
          optional
          tooltip={
            series
              ? 'Only values of series that it matches.'
              : 'Only values among what it selects. Other variables may stand in it: account="$account".'
          }
        >
          <CodeField
            id={`${id}-filter`}
            label={label}
            language={series ? 'promql' : 'filter'}
            value={filter}
            placeholder={series ? 'activity_events{account="$account"}' : 'account="$account"'}
            source={source}
            onChange={setFilter}
            onRunQuery={() => filter !== (query.filter ?? '') && change({ filter: filter || undefined })}
          />
        </Field>
      </Row>
    </Rows>
  );
}
