import { CoreApp, DataSourceSettings } from '@grafana/data';
import { fireEvent, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import React, { useState } from 'react';
import { Asked, makeDatasource, range, serve } from '../test/setup';
import { parseFilter } from '../language/filter';
import { rateHint, selectors } from '../language/promql';
import { isComplete } from '../defaults';
import { migrateQuery } from '../migrate';
import { Options, Query, SecureOptions, VariableQuery, queryTypes } from '../types';
import { AnnotationEditor } from './AnnotationEditor';
import { ConfigEditor, checkUrl } from './ConfigEditor';
import { Help } from './Help';
import { QueryEditor } from './QueryEditor';
import { VariableEditor } from './VariableEditor';
import { groups } from './examples';
import { parseConfidence } from './parts';

let asked: Asked[];

beforeEach(() => {
  asked = serve(({ url }) => {
    const [of, what] = url.split('/');
    if (what === 'fields') {
      return {
        status: 'success',
        data: { fields: [{ name: of === 'events' ? 'error_code' : 'kri', help: 'what it is' }] },
      };
    }
    if (what === 'field') {
      return { status: 'success', data: { values: [{ value: 'arn:aws:iam::1:user/anna', count: 3 }] } };
    }
    return { status: 'success', data: ['__name__', 'service'] };
  });
});

/** Shows the editor of a query and lists what it was changed to, and how often it was asked. */
function edit(query: Partial<Query>, app?: CoreApp) {
  const changes: Query[] = [];
  const runs: Query[] = [];
  const datasource = makeDatasource();
  function Host() {
    const [q, setQuery] = useState<Query>({ refId: 'A', ...query });
    return (
      <QueryEditor
        datasource={datasource}
        query={q}
        range={range}
        app={app}
        onChange={(next) => {
          changes.push(next);
          setQuery(next);
        }}
        onRunQuery={() => runs.push(changes.at(-1) ?? q)}
      />
    );
  }
  render(<Host />);
  return { changes, runs, user: userEvent.setup({ delay: null }) };
}

/** Opens a select by its label and takes an option. */
async function choose(label: string, option: string | RegExp) {
  const input = screen.getByLabelText(label, { selector: 'input' });
  fireEvent.keyDown(input, { key: 'ArrowDown', keyCode: 40 });
  fireEvent.click(await screen.findByText(option, { selector: '[role="option"] *, [data-testid*="Select option"] *' }));
  // A menu for several values stays open.
  fireEvent.keyDown(input, { key: 'Escape', keyCode: 27 });
}

describe('QueryEditor', () => {
  it.each(queryTypes)('shows every control of %s with a label', (queryType) => {
    edit({ queryType, version: 1 });
    expect(screen.getByLabelText('Query type', { selector: 'input' })).toBeInTheDocument();
    for (const input of document.querySelectorAll<HTMLInputElement>('input, textarea')) {
      expect(input.getAttribute('aria-label') ?? input.labels?.[0]?.textContent ?? '').not.toBe('');
    }
  });

  it('changes the type, with a form that it has', async () => {
    const { changes, runs } = edit({ queryType: 'insights', format: 'timeline', filter: 'a="b"', version: 1 });
    await choose('Query type', 'Events');
    expect(changes).toEqual([{ refId: 'A', version: 1, queryType: 'events', format: 'logs', filter: 'a="b"' }]);
    expect(runs).toHaveLength(1);
    expect(screen.getByLabelText('Filter')).toHaveValue('a="b"');
  });

  it('asks as a field is left, and on Shift+Enter, not at every key', async () => {
    const { changes, runs, user } = edit({ queryType: 'events', format: 'logs', version: 1 });
    const filter = screen.getByLabelText('Filter');
    await user.type(filter, 'a="b"');
    expect(changes.at(-1)?.filter).toBe('a="b"');
    expect(runs).toHaveLength(0);
    fireEvent.keyDown(filter, { key: 'Enter', shiftKey: true });
    expect(runs).toHaveLength(1);
    await user.tab();
    expect(runs).toHaveLength(2);
  });

  it('offers fields of events to count by', async () => {
    const { changes } = edit({ queryType: 'events', format: 'values', version: 1 });
    expect(screen.getByText('Choose the field whose values are counted.')).toBeInTheDocument();
    await choose('Field', 'error_code');
    expect(changes.at(-1)).toMatchObject({ by: 'error_code' });
    expect(asked.map((a) => a.url)).toEqual(['events/fields']);
    expect(screen.queryByText('Choose the field whose values are counted.')).not.toBeInTheDocument();
  });

  it('says what the daemon said where a list cannot be had', async () => {
    serve(() => new Error('the token is wrong'));
    edit({ queryType: 'events', format: 'values', version: 1 });
    fireEvent.keyDown(screen.getByLabelText('Field', { selector: 'input' }), { key: 'ArrowDown', keyCode: 40 });
    expect(await screen.findByText('the token is wrong')).toBeInTheDocument();
  });

  it('narrows insights', async () => {
    const { changes } = edit({ queryType: 'insights', format: 'table', version: 1 });
    await choose('Insight type', 'TrailConcealment');
    await choose('Severity', 'Critical');
    await choose('Confidence at least', 'High');
    await choose('State', 'Active');
    fireEvent.click(screen.getByLabelText('High risk only', { selector: 'input' }));
    fireEvent.click(screen.getByLabelText('Follow live', { selector: 'input' }));
    expect(changes.at(-1)).toEqual({
      refId: 'A',
      version: 1,
      queryType: 'insights',
      format: 'table',
      types: ['TrailConcealmentInsight'],
      severities: ['Critical'],
      minConfidence: 0.8,
      state: 'active',
      highRisk: true,
      live: true,
    });
  });

  it('asks for the insight that a form is of', async () => {
    const { changes, user } = edit({ queryType: 'insights', format: 'reasons', version: 1 });
    expect(screen.getByText(/Enter the id of an insight/)).toBeInTheDocument();
    await user.type(screen.getByLabelText('Insight'), ' $insight ');
    expect(changes.at(-1)?.insightId).toBe('$insight');
    expect(screen.queryByText(/Enter the id of an insight/)).not.toBeInTheDocument();
  });

  it('shows identities of the daemon by their short names', async () => {
    const { changes } = edit({ queryType: 'identities', format: 'hours', version: 1 });
    await choose('Identity', 'anna');
    expect(changes.at(-1)?.identityId).toBe('arn:aws:iam::1:user/anna');
  });

  it('takes a limit above zero only', async () => {
    const { changes, user } = edit({ queryType: 'events', format: 'table', version: 1 });
    await user.type(screen.getByLabelText('Limit'), '-5');
    expect(changes.every((c) => c.limit === undefined || c.limit > 0)).toBe(true);
  });

  it('warns of rate over counts, and mends it', () => {
    const { changes, runs } = edit({ queryType: 'promql', expr: 'rate(activity_events[5m])', version: 1 });
    expect(screen.getByText('rate() is wrong on activity_events')).toBeInTheDocument();
    fireEvent.click(screen.getByRole('button', { name: 'Use sum_over_time()' }));
    expect(changes.at(-1)?.expr).toBe('sum_over_time(activity_events[5m])');
    expect(runs).toHaveLength(1);
    expect(screen.queryByText(/is wrong on/)).not.toBeInTheDocument();
  });

  it('migrates what was saved', () => {
    edit({ expr: 'up', legendFormat: '{{job}}' } as never);
    expect(screen.getByLabelText('PromQL')).toHaveValue('up');
    expect(screen.getByLabelText('Legend')).toHaveValue('{{job}}');
  });

  it('begins with logs in Explore, and with confidence in alert rules', () => {
    edit({}, CoreApp.Explore);
    expect(screen.getByLabelText('Newest first')).toBeChecked();
  });

  it('offers alert rules what they can evaluate', async () => {
    edit({ queryType: 'events', format: 'logs', version: 1 }, CoreApp.UnifiedAlerting);
    expect(screen.getByText('This query type cannot be alerted on')).toBeInTheDocument();
    fireEvent.keyDown(screen.getByLabelText('Query type', { selector: 'input' }), { key: 'ArrowDown', keyCode: 40 });
    const options = await screen.findAllByRole('option');
    expect(options.map((o) => within(o).getAllByText(/./)[0].textContent)).toEqual(
      expect.arrayContaining([expect.stringContaining('Confidence'), expect.stringContaining('Metrics')])
    );
    expect(options).toHaveLength(3);
  });

  it('keeps two queries on a page apart', () => {
    edit({ queryType: 'events', version: 1 });
    edit({ queryType: 'events', version: 1 });
    const ids = [...document.querySelectorAll('input[id], textarea[id]')].map((e) => e.id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('parseConfidence', () => {
  it.each([
    ['0.8', 0.8],
    ['80%', 0.8],
    ['80', 0.8],
    ['$least', '$least'],
    ['', undefined],
    ['0', undefined],
    ['x', undefined],
    ['-1', undefined],
    ['200', undefined],
    [undefined, undefined],
  ])('reads %j', (text, want) => {
    expect(parseConfidence(text)).toBe(want);
  });
});

describe('AnnotationEditor', () => {
  it('changes the query of the annotation', async () => {
    const annotations: Query[] = [];
    const annotation = {
      name: 'x',
      enable: true,
      iconColor: 'red',
      target: { refId: 'Anno', queryType: 'insights', version: 1 } as Query,
    };
    render(
      <AnnotationEditor
        datasource={makeDatasource()}
        query={annotation.target}
        annotation={annotation}
        onAnnotationChange={(a) => annotations.push(a.target!)}
        onChange={() => undefined}
        onRunQuery={() => undefined}
      />
    );
    await choose('Severity', 'High');
    expect(annotations.at(-1)).toEqual({
      refId: 'Anno',
      version: 1,
      queryType: 'insights',
      format: 'annotations',
      severities: ['High'],
    });
    expect(screen.queryByLabelText('Follow live')).not.toBeInTheDocument();
  });
});

describe('VariableEditor', () => {
  function editVariable(saved: unknown) {
    const changes: VariableQuery[] = [];
    const datasource = makeDatasource();
    function Host() {
      const [q, setQuery] = useState(saved as VariableQuery);
      const onChange = (next: VariableQuery) => {
        changes.push(next);
        setQuery(next);
      };
      return (
        <VariableEditor
          datasource={datasource}
          query={q}
          range={range}
          onChange={onChange}
          onRunQuery={() => undefined}
        />
      );
    }
    render(<Host />);
    return { changes, user: userEvent.setup({ delay: null }) };
  }

  it('chooses a list, and whose it is', async () => {
    const { changes } = editVariable('');
    await choose('List', 'Accounts');
    fireEvent.click(screen.getByLabelText('Insights'));
    expect(changes.at(-1)).toEqual({ refId: 'variable', list: 'accounts', of: 'insights' });
  });

  it('chooses a field that the daemon has', async () => {
    const { changes } = editVariable({ refId: 'variable', list: 'insightField' });
    expect(screen.getByText('Choose the field whose values are listed.')).toBeInTheDocument();
    await choose('Field', 'kri');
    expect(changes.at(-1)).toMatchObject({ list: 'insightField', field: 'kri' });
  });

  it('asks for labels of series', async () => {
    const { changes } = editVariable({ refId: 'variable', list: 'labelValues', filter: 'activity_events' });
    await choose('Label', 'service');
    expect(changes.at(-1)).toMatchObject({ list: 'labelValues', field: 'service', filter: 'activity_events' });
    expect(asked[0]).toMatchObject({ url: 'labels', params: { 'match[]': 'activity_events' } });
  });

  it('takes a filter as the field is left', async () => {
    const { changes, user } = editVariable({ refId: 'variable', list: 'regions' });
    await user.type(screen.getByLabelText('Filter'), 'account="$account"');
    expect(changes).toHaveLength(0);
    await user.tab();
    expect(changes).toEqual([{ refId: 'variable', list: 'regions', filter: 'account="$account"' }]);
  });
});

describe('Help', () => {
  it('puts the example that is clicked into the query', async () => {
    const clicked: Query[] = [];
    render(
      <Help
        datasource={makeDatasource() as never}
        query={{ refId: 'C' }}
        onClickExample={(q) => clicked.push(q as Query)}
      />
    );
    fireEvent.click(screen.getByRole('button', { name: /What failed/ }));
    expect(clicked).toEqual([
      { refId: 'C', version: 1, queryType: 'events', format: 'logs', filter: 'outcome="error"' },
    ]);
  });

  it.each(groups.flatMap((g) => g.examples.map((e) => [e.title, e.query] as const)))(
    'gives an example that can be asked: %s',
    (_, query) => {
      const q: Query = { refId: 'A', ...query };
      expect(migrateQuery(q)).toBe(q);
      expect(isComplete(q)).toBe(true);
      expect(parseFilter(q.filter ?? '').error).toBeUndefined();
      if (q.expr) {
        expect(selectors(q.expr).every((s) => s.metric.startsWith('activity_'))).toBe(true);
        expect(rateHint(q.expr)).toBeUndefined();
      }
    }
  );
});

describe('ConfigEditor', () => {
  type Settings = DataSourceSettings<Options, SecureOptions>;
  function configure(change: Partial<Settings> = {}) {
    const all: Settings[] = [];
    function Host() {
      const [options, setOptions] = useState({
        url: '',
        basicAuth: false,
        basicAuthUser: '',
        jsonData: {},
        secureJsonFields: {},
        ...change,
      } as Settings);
      return (
        <ConfigEditor
          options={options}
          onOptionsChange={(o) => {
            all.push(o as Settings);
            setOptions(o as Settings);
          }}
        />
      );
    }
    render(<Host />);
    return { last: () => all.at(-1)! };
  }

  it('keeps the token where only the backend sees it', async () => {
    const { last } = configure();
    fireEvent.change(screen.getByLabelText(/^URL/), { target: { value: 'http://localhost:9470' } });
    fireEvent.change(screen.getByLabelText(/^Token/), { target: { value: 'secret' } });
    expect(last()).toMatchObject({ url: 'http://localhost:9470', secureJsonData: { token: 'secret' } });
    expect(JSON.stringify(last().jsonData)).not.toContain('secret');
  });

  it('forgets a token that is configured', async () => {
    const { last } = configure({ secureJsonFields: { token: true } });
    fireEvent.click(screen.getByRole('button', { name: 'Reset' }));
    expect(last().secureJsonFields.token).toBe(false);
    await waitFor(() => expect(screen.getByLabelText(/^Token/)).toBeEnabled());
  });

  it('asks for what basic authentication and TLS need', async () => {
    const { last } = configure();
    expect(screen.queryByLabelText(/^User/)).not.toBeInTheDocument();
    fireEvent.click(screen.getByLabelText('Basic authentication', { selector: 'input' }));
    fireEvent.change(screen.getByLabelText(/^User/), { target: { value: 'g' } });
    fireEvent.change(screen.getByLabelText(/^Password/), { target: { value: 'p' } });
    fireEvent.click(screen.getByLabelText('Own authority', { selector: 'input' }));
    fireEvent.click(screen.getByLabelText('Client certificate', { selector: 'input' }));
    fireEvent.change(screen.getByLabelText(/^Authority/), { target: { value: 'CA' } });
    fireEvent.change(screen.getByLabelText(/^Certificate/), { target: { value: 'CERT' } });
    fireEvent.change(screen.getByLabelText(/^Key/), { target: { value: 'KEY' } });
    fireEvent.change(screen.getByLabelText(/^Timeout/), { target: { value: '20' } });
    expect(last()).toMatchObject({
      basicAuth: true,
      basicAuthUser: 'g',
      jsonData: { tlsAuth: true, tlsAuthWithCACert: true, timeout: 20 },
      secureJsonData: { basicAuthPassword: 'p', tlsCACert: 'CA', tlsClientCert: 'CERT', tlsClientKey: 'KEY' },
    });
  });

  it.each([
    ['', 'An address is needed, such as http://localhost:9470'],
    ['localhost:9470', 'The address begins with http:// or https://'],
    ['http://', 'This is no address; write it like http://localhost:9470'],
    ['http://x/?a=b', 'The address ends before ? and #'],
    ['https://x/insightd', undefined],
  ])('says what is wrong with the address %j', (url, want) => {
    expect(checkUrl(url)).toBe(want);
  });
});
