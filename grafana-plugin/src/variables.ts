import { CustomVariableSupport, DataQueryRequest, DataQueryResponse, MetricFindValue, TimeRange } from '@grafana/data';
import { Observable, from, map } from 'rxjs';
import { VariableEditor } from './components/VariableEditor';
import type { DataSource } from './datasource';
import { shortIdentity } from './identity';
import { migrateVariable } from './migrate';
import { Of, Resources } from './resources';
import { VariableList, VariableQuery, defaultVariableLimit, severities } from './types';

/** The field behind each list of values. */
const fieldOf: Partial<Record<VariableList, string>> = {
  insightTypes: 'type',
  severities: 'severity',
  providers: 'provider',
  accounts: 'account',
  regions: 'region',
  identities: 'identity',
  services: 'service',
  operations: 'operation',
  countries: 'country',
};

/** ofList says whose field a list is made of. */
export function ofList(q: VariableQuery): Of {
  if (q.list === 'insightTypes' || q.list === 'severities' || q.list === 'insightField') {
    return 'insights';
  }
  return q.list !== 'eventField' && q.of === 'insights' ? 'insights' : 'events';
}

/** variableValues are the values of a variable. Filters have their own variables filled in already. */
export async function variableValues(
  resources: Resources,
  q: VariableQuery,
  range?: TimeRange
): Promise<MetricFindValue[]> {
  const limit = q.limit || defaultVariableLimit;
  const plain = (values: string[]) => values.map((value) => ({ text: value, value }));
  switch (q.list) {
    case 'metrics':
      return plain(await resources.labelValues('__name__', q.filter, range, limit));
    case 'labelNames':
      return plain(await resources.labels(q.filter, range));
    case 'labelValues':
      return q.field ? plain(await resources.labelValues(q.field, q.filter, range, limit)) : [];
    default: {
      const field = fieldOf[q.list] ?? q.field;
      if (!field) {
        return [];
      }
      const found = await resources.values(ofList(q), field, { filter: q.filter, range, limit });
      const values = found.map((v) => v.value).filter((v) => v !== '');
      if (q.list === 'severities') {
        // In the order of their weight, which no alphabet gives.
        values.sort((a, b) => severities.indexOf(a as never) - severities.indexOf(b as never));
      }
      if (field !== 'identity') {
        return plain(values);
      }
      const short = values.map(shortIdentity);
      return values.map((value, i) => ({
        // Two of one name are shown whole.
        text: short.indexOf(short[i]) === short.lastIndexOf(short[i]) ? short[i] : value,
        value,
      }));
    }
  }
}

/** InsightdVariables lets dashboards make variables of what the daemon knows. */
export class InsightdVariables extends CustomVariableSupport<DataSource, VariableQuery> {
  editor = VariableEditor;

  constructor(private readonly datasource: DataSource) {
    super();
    this.query = this.query.bind(this);
  }

  query(request: DataQueryRequest<VariableQuery>): Observable<DataQueryResponse> {
    const q = migrateVariable(request.targets[0]);
    return from(this.datasource.metricFindQuery(q, { range: request.range, scopedVars: request.scopedVars })).pipe(
      map((data) => ({ data }))
    );
  }
}
