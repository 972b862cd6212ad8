import { firstValueFrom } from 'rxjs';
import { shortIdentity } from './identity';
import { makeDatasource, range, serve } from './test/setup';
import { VariableQuery } from './types';

const anna = 'arn:aws:iam::111122223333:user/anna';
const other = 'arn:aws:iam::444455556666:user/anna';
const values: Record<string, string[]> = {
  type: ['IpInsight', 'AkInsight'],
  severity: ['Low', 'Critical', 'High'],
  account: ['111122223333', ''],
  identity: [anna, other, 'arn:aws:iam::111122223333:role/deploy', 'arn:aws:iam::1:root'],
};

const serveValues = () =>
  serve(({ url }) => {
    const [, what, name] = url.split('/');
    if (what === 'field') {
      return { status: 'success', data: { values: (values[name] ?? ['x']).map((value) => ({ value, count: 1 })) } };
    }
    return { status: 'success', data: ['a', 'b'] };
  });

const ask = (q: Partial<VariableQuery> | string, ds = makeDatasource()) =>
  ds.metricFindQuery(typeof q === 'string' ? q : ({ refId: 'variable', ...q } as VariableQuery), { range });

describe('variables', () => {
  it.each([
    [{ list: 'insightTypes' }, 'insights/field/type/values'],
    [{ list: 'severities' }, 'insights/field/severity/values'],
    [{ list: 'accounts' }, 'events/field/account/values'],
    [{ list: 'accounts', of: 'insights' }, 'insights/field/account/values'],
    [{ list: 'insightTypes', of: 'events' }, 'insights/field/type/values'],
    [{ list: 'eventField', field: 'error_code', of: 'insights' }, 'events/field/error_code/values'],
    [{ list: 'insightField', field: 'kri' }, 'insights/field/kri/values'],
    [{ list: 'labelValues', field: 'region' }, 'label/region/values'],
    [{ list: 'labelNames' }, 'labels'],
    [{ list: 'metrics' }, 'label/__name__/values'],
  ] as Array<[Partial<VariableQuery>, string]>)('%j asks %s', async (q, url) => {
    const asked = serveValues();
    expect(await ask(q)).not.toHaveLength(0);
    expect(asked.map((a) => a.url)).toEqual([url]);
  });

  it('ask nothing while a field is missing', async () => {
    const asked = serveValues();
    expect(await ask({ list: 'eventField' })).toEqual([]);
    expect(await ask({ list: 'labelValues' })).toEqual([]);
    expect(asked).toEqual([]);
  });

  it('leave out what is empty, and put severities in their order', async () => {
    serveValues();
    expect(await ask({ list: 'accounts' })).toEqual([{ text: '111122223333', value: '111122223333' }]);
    expect((await ask({ list: 'severities' })).map((v) => v.text)).toEqual(['Critical', 'High', 'Low']);
  });

  it('show identities by short names, where these tell them apart', async () => {
    serveValues();
    expect(await ask({ list: 'identities' })).toEqual([
      { text: anna, value: anna },
      { text: other, value: other },
      { text: 'deploy', value: 'arn:aws:iam::111122223333:role/deploy' },
      { text: 'root of 1', value: 'arn:aws:iam::1:root' },
    ]);
  });

  it('have filters with other variables, a range and a limit', async () => {
    const asked = serveValues();
    const ds = makeDatasource([{ name: 'account', value: ['1', '2'], multi: true }]);
    await ask({ list: 'regions', filter: 'account="$account"', limit: 7 }, ds);
    expect(asked[0].params).toEqual({
      filter: 'account=~"(1|2)"',
      limit: 7,
      start: '2026-03-09T06:00:00.000Z',
      end: '2026-03-09T12:00:00.000Z',
    });
  });

  it('read texts that were saved', async () => {
    const asked = serveValues();
    await ask('label_values(activity_events{a="b"}, region)');
    expect(asked[0]).toMatchObject({ url: 'label/region/values', params: { 'match[]': 'activity_events{a="b"}' } });
  });

  it('answer Grafana through variable support', async () => {
    serveValues();
    const ds = makeDatasource();
    const request = { targets: [{ refId: 'variable', list: 'insightTypes' }], range, scopedVars: {} };
    const got = await firstValueFrom((ds.variables as never as { query: Function }).query(request));
    expect(got).toEqual({
      data: [
        { text: 'IpInsight', value: 'IpInsight' },
        { text: 'AkInsight', value: 'AkInsight' },
      ],
    });
  });

  it('tell when the daemon does not answer', async () => {
    serve(() => new Error('away'));
    await expect(ask({ list: 'accounts' })).rejects.toMatchObject({ status: 502 });
  });
});

describe('shortIdentity', () => {
  it.each([
    [anna, 'anna'],
    ['arn:aws:sts::1:assumed-role/AWSReservedSSO_Admin_0/anna@example.com', 'AWSReservedSSO_Admin_0/anna@example.com'],
    ['acs:ram::1:user/li', 'li'],
    ['acs:ram::1:root', 'root of 1'],
    ['system:serviceaccount:kube:x', 'system:serviceaccount:kube:x'],
    ['anna@example.com', 'anna@example.com'],
  ])('%s is %s', (key, want) => {
    expect(shortIdentity(key)).toBe(want);
  });
});
