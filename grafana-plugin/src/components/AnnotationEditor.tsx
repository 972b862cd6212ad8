import { AnnotationQuery, QueryEditorProps } from '@grafana/data';
import React, { useId } from 'react';
import type { DataSource } from '../datasource';
import { migrateQuery } from '../migrate';
import { Options, Query, queryVersion } from '../types';
import { InsightsEditor } from './InsightsEditor';
import { Note, Row, Rows } from './layout';
import { PartProps } from './parts';

type Props = QueryEditorProps<DataSource, Query, Options> & {
  annotation?: AnnotationQuery<Query>;
  onAnnotationChange?: (annotation: AnnotationQuery<Query>) => void;
};

/** AnnotationEditor narrows the insights that a dashboard shows as annotations. */
export function AnnotationEditor({
  annotation,
  datasource,
  query: given,
  range,
  onChange,
  onRunQuery,
  onAnnotationChange,
}: Props) {
  const id = `insightd-${useId().replace(/\W/g, '')}`;
  const query: Query = {
    ...migrateQuery(annotation?.target ?? given ?? { refId: 'Anno' }),
    queryType: 'insights',
    format: 'annotations',
  };
  const change = (c: Partial<Query>) => {
    const next = { ...query, ...c, version: queryVersion };
    // Grafana 10.4 keeps the query with the annotation, and does not always hand it on.
    if (annotation && onAnnotationChange) {
      onAnnotationChange({ ...annotation, target: next });
    } else {
      onChange(next);
    }
  };
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
  return (
    <Rows>
      <Row>
        <Note>Each insight is a region from its start to its end, tagged with type, severity, account and region.</Note>
      </Row>
      <InsightsEditor {...part} />
    </Rows>
  );
}
