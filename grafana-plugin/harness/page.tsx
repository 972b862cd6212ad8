// Renders one editor, as the address says: ?view=insights&theme=light. Resources come from the
// daemon behind the harness's server; nothing else of Grafana is here.
import { CoreApp, DataSourceInstanceSettings, PluginType, createTheme, dateTime } from '@grafana/data';
import { BackendSrvRequest, FetchResponse, TemplateSrv, setBackendSrv, setTemplateSrv } from '@grafana/runtime';
import { GlobalStyles, PortalContainer, ThemeContext } from '@grafana/ui';
import React, { useState } from 'react';
import { createRoot } from 'react-dom/client';
import { Observable } from 'rxjs';
import { AnnotationEditor } from '../src/components/AnnotationEditor';
import { ConfigEditor } from '../src/components/ConfigEditor';
import { Help } from '../src/components/Help';
import { QueryEditor } from '../src/components/QueryEditor';
import { VariableEditor } from '../src/components/VariableEditor';
import { DataSource } from '../src/datasource';
import { Options, Query, VariableQuery } from '../src/types';
import { annotation, options, queries, variables } from './views';

const address = new URLSearchParams(location.search);
const view = address.get('view') ?? 'insights';
const theme = createTheme({ colors: { mode: address.get('theme') === 'light' ? 'light' : 'dark' } });

setTemplateSrv({
  getVariables: () => [{ name: 'account' }, { name: 'identity' }],
  replace: (text?: string) => text ?? '',
  containsTemplate: () => false,
  updateTimeRange: () => undefined,
} as unknown as TemplateSrv);

setBackendSrv({
  fetch: <T,>(request: BackendSrvRequest) =>
    new Observable<FetchResponse<T>>((observer) => {
      const url = new URL('/' + request.url.replace(/^\//, ''), location.origin);
      for (const [name, value] of Object.entries(request.params ?? {})) {
        [value].flat().forEach((v) => url.searchParams.append(name, String(v)));
      }
      fetch(url)
        .then(async (res) => {
          const data = await res.json();
          if (!res.ok) {
            throw { status: res.status, data };
          }
          observer.next({ data, status: res.status, ok: true } as FetchResponse<T>);
          observer.complete();
        })
        .catch((err) => observer.error(err));
    }),
} as never);

const datasource = new DataSource({
  id: 1,
  uid: 'insightd',
  type: 'insightd-insightd-datasource',
  name: 'insightd',
  url: '/proxy',
  access: 'proxy',
  readOnly: false,
  jsonData: {},
  meta: { id: 'insightd-insightd-datasource', type: PluginType.datasource } as never,
} as DataSourceInstanceSettings<Options>);

const now = Date.now();
const range = {
  from: dateTime(now - 30 * 24 * 3600 * 1000),
  to: dateTime(now),
  raw: { from: 'now-30d', to: 'now' },
};

/** How often the query was asked is there to be read by whoever drives the page. */
const countRun = () => {
  document.body.dataset.runs = String(Number(document.body.dataset.runs ?? 0) + 1);
};

function QueryView({ initial, app }: { initial: Query; app?: CoreApp }) {
  const [query, setQuery] = useState(initial);
  return (
    <QueryEditor
      datasource={datasource}
      query={query}
      range={range}
      app={app}
      onChange={setQuery}
      onRunQuery={countRun}
    />
  );
}

function ConfigView() {
  const [o, setOptions] = useState(options[view]);
  return <ConfigEditor options={o} onOptionsChange={setOptions as never} />;
}

function VariableView({ initial }: { initial: VariableQuery }) {
  const [query, setQuery] = useState(initial);
  return (
    <VariableEditor
      datasource={datasource}
      query={query}
      range={range}
      onChange={setQuery}
      onRunQuery={() => undefined}
    />
  );
}

function AnnotationView() {
  const [a, setAnnotation] = useState(annotation);
  return (
    <AnnotationEditor
      datasource={datasource}
      query={a.target!}
      range={range}
      annotation={a}
      onAnnotationChange={setAnnotation}
      onChange={() => undefined}
      onRunQuery={() => undefined}
    />
  );
}

function View() {
  if (view in options) {
    return <ConfigView />;
  }
  if (view in variables) {
    return <VariableView initial={variables[view]} />;
  }
  if (view === 'annotation') {
    return <AnnotationView />;
  }
  if (view === 'help') {
    return <Help datasource={datasource as never} onClickExample={() => undefined} />;
  }
  const { app, ...query } = queries[view];
  return <QueryView initial={query} app={app} />;
}

function Page() {
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div
        id="view"
        style={{
          background: theme.colors.background.primary,
          padding: 16,
          boxSizing: 'border-box',
          width: Number(address.get('width') ?? 1100),
        }}
      >
        <View />
      </div>
      <PortalContainer />
    </ThemeContext.Provider>
  );
}

document.body.style.margin = '0';
document.body.style.background = theme.colors.background.canvas;
createRoot(document.getElementById('root')!).render(<Page />);
