import { CoreApp, QueryEditorProps } from '@grafana/data';
import { Alert } from '@grafana/ui';
import React, { useId } from 'react';
import type { DataSource } from '../datasource';
import { alertable, defaultQuery, queryTypeNames } from '../defaults';
import { migrateQuery } from '../migrate';
import { Options, Query, QueryType, formats, queryTypes, queryVersion } from '../types';
import { ConfidenceEditor } from './ConfidenceEditor';
import { EventsEditor } from './EventsEditor';
import { IdentitiesEditor } from './IdentitiesEditor';
import { InsightsEditor } from './InsightsEditor';
import { MapEditor } from './MapEditor';
import { BandsEditor, MetricsEditor } from './MetricsEditor';
import { Field, Note, Row, Rows } from './layout';
import { FormatField, PartProps } from './parts';
import { One } from './selects';

type Props = QueryEditorProps<DataSource, Query, Options>;

const editors: Record<QueryType, React.ComponentType<PartProps>> = {
  insights: InsightsEditor,
  confidence: ConfidenceEditor,
  events: EventsEditor,
  map: MapEditor,
  identities: IdentitiesEditor,
  promql: MetricsEditor,
  bands: BandsEditor,
  coverage: () => null,
};

/** QueryEditor is a form for each query type, with a code field where there is a language. */
export function QueryEditor({ app, datasource, query: saved, range, onChange, onRunQuery }: Props) {
  const id = `insightd-${useId().replace(/\W/g, '')}`;
  const query: Query = saved.queryType || saved.expr ? migrateQuery(saved) : { ...saved, ...defaultQuery(app) };
  const type = query.queryType ?? 'insights';
  const change = (c: Partial<Query>) => onChange(clean({ ...query, ...c, version: queryVersion }));
  const part: PartProps = {
    id,
    datasource,
    query,
    range,
    onChange: change,
    onRun: (c) => {
      if (c) {
        change(c);
      }
      onRunQuery();
    },
  };
  const alerting = app === CoreApp.UnifiedAlerting || app === CoreApp.CloudAlerting;
  const types = alerting ? queryTypes.filter((t) => alertable.includes(t) || t === type) : queryTypes;
  const Editor = editors[type];
  return (
    <Rows>
      <Row>
        <Field label="Query type" htmlFor={`${id}-type`} width={22}>
          <One
            id={`${id}-type`}
            label="Query type"
            options={types.map((value) => ({ value, ...queryTypeNames[value] }))}
            value={type}
            onChange={(t) => {
              const next = (t ?? 'insights') as QueryType;
              // A form of one type may be none of another.
              const known: readonly string[] = formats[next];
              part.onRun({
                queryType: next,
                format: query.format && known.includes(query.format) ? query.format : known[0],
              });
            }}
          />
        </Field>
        <FormatField {...part} />
        <Note>{queryTypeNames[type].description}.</Note>
      </Row>
      {alerting && !alertable.includes(type) && (
        <Alert severity="warning" title="This query type cannot be alerted on" bottomSpacing={0} topSpacing={0}>
          Alert rules evaluate numbers: choose Confidence, or Metrics.
        </Alert>
      )}
      <Editor {...part} />
    </Rows>
  );
}

/** clean leaves out what is not set, so that saved queries say only what somebody chose. */
function clean(q: Query): Query {
  return Object.fromEntries(Object.entries(q).filter(([, v]) => v !== undefined)) as unknown as Query;
}
