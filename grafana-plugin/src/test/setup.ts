import { DataFrame, DataSourceInstanceSettings, PluginType, ScopedVars, dateTime } from '@grafana/data';
import { BackendSrvRequest, FetchResponse, TemplateSrv, setBackendSrv, setTemplateSrv } from '@grafana/runtime';
import { Observable, of, throwError } from 'rxjs';
import { DataSource } from '../datasource';
import { Options } from '../types';

/** A dashboard's variable in a test. */
export interface TestVariable {
  name: string;
  value: string | string[];
  type?: string;
  multi?: boolean;
  includeAll?: boolean;
  /** What All stands for, where somebody chose it; Grafana gives it no format. */
  allValue?: string;
}

const reference = /\$(\w+)|\$\{([^}:]+)(?::([^}]+))?\}|\[\[([^\]:]+)(?::([^\]]+))?\]\]/g;

/** templates fills variables in the way that Grafana's template service does. */
export function templates(variables: TestVariable[], adHoc: unknown[] = []): TemplateSrv {
  const replace = (text = '', scopedVars?: ScopedVars, format?: unknown) =>
    text.replace(reference, (all, plain, braced, bracedFormat, squared, squaredFormat) => {
      const name = plain ?? braced ?? squared;
      const fmt = bracedFormat ?? squaredFormat ?? format;
      const scoped = scopedVars?.[name];
      const v = scoped ? { name, value: scoped.value } : variables.find((x) => x.name === name);
      if (!v) {
        return all;
      }
      if ('allValue' in v && v.allValue !== undefined) {
        return v.allValue;
      }
      if (typeof fmt === 'function') {
        return fmt(v.value, v);
      }
      const values = [v.value].flat();
      return fmt === 'regex' ? values.map((x) => x.replace(/\./g, '\\.')).join('|') : values.join(',');
    });
  return {
    replace,
    getVariables: () => variables,
    containsTemplate: () => false,
    updateTimeRange: () => undefined,
    getAdhocFilters: () => adHoc,
  } as unknown as TemplateSrv;
}

/** What was asked of Grafana's server. */
export interface Asked {
  url: string;
  params: Record<string, unknown>;
  data: { queries?: Array<Record<string, unknown>>; from?: string; to?: string };
}

/** serve answers requests to Grafana's server, and lists them. An error is answered as one. */
export function serve(answer: (asked: Asked) => unknown): Asked[] {
  const all: Asked[] = [];
  setBackendSrv({
    fetch: <T>(r: BackendSrvRequest): Observable<FetchResponse<T>> => {
      const asked: Asked = {
        url: r.url.replace(/^.*\/resources\//, '').replace(/\?.*/, ''),
        params: r.params ?? {},
        data: r.data ?? {},
      };
      all.push(asked);
      const data = answer(asked);
      return data instanceof Error
        ? throwError(() => ({ status: 502, data: { error: data.message } }))
        : of({ data, status: 200, ok: true } as unknown as FetchResponse<T>);
    },
  } as never);
  return all;
}

/** makeDatasource makes a datasource with a template service of its own. */
export function makeDatasource(variables: TestVariable[] = [], adHoc: unknown[] = []): DataSource {
  const srv = templates(variables, adHoc);
  setTemplateSrv(srv);
  return new DataSource(
    {
      id: 1,
      uid: 'P1',
      type: 'insightd-insightd-datasource',
      name: 'insightd',
      url: '',
      access: 'proxy',
      readOnly: false,
      jsonData: {},
      meta: { id: 'insightd-insightd-datasource', type: PluginType.datasource } as never,
    } as unknown as DataSourceInstanceSettings<Options>,
    srv
  );
}

/** A range of six hours. */
export const range = {
  from: dateTime('2026-03-09T06:00:00Z'),
  to: dateTime('2026-03-09T12:00:00Z'),
  raw: { from: '2026-03-09T06:00:00Z', to: '2026-03-09T12:00:00Z' },
};

/** rowsOf lists the rows of a frame as objects. */
export function rowsOf(frame: DataFrame): Array<Record<string, unknown>> {
  return Array.from({ length: frame.length }, (_, i) =>
    Object.fromEntries(frame.fields.map((f) => [f.name, f.values[i]]))
  );
}
