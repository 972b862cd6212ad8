import { AnnotationQuery, AnnotationSupport } from '@grafana/data';
import { AnnotationEditor } from './components/AnnotationEditor';
import { migrateQuery } from './migrate';
import { Query, queryVersion } from './types';

/** What an annotation shows until somebody says otherwise: what is worth a look. */
export const defaultAnnotation: Partial<Query> = {
  queryType: 'insights',
  version: queryVersion,
  format: 'annotations',
  minConfidence: 0.5,
};

/** annotationSupport makes annotations of insights: a region from start to end, with title, text and tags. */
export const annotationSupport: AnnotationSupport<Query> = {
  QueryEditor: AnnotationEditor,
  getDefaultQuery: () => defaultAnnotation,
  prepareAnnotation: (json: AnnotationQuery<Query>) => {
    const target = json.target?.queryType
      ? migrateQuery(json.target)
      : { refId: 'Anno', ...json.target, ...defaultAnnotation };
    return { ...json, target };
  },
  prepareQuery: (anno: AnnotationQuery<Query>) =>
    anno.target ? { ...migrateQuery(anno.target), queryType: 'insights', format: 'annotations' } : undefined,
};
