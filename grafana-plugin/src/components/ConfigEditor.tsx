import { css } from '@emotion/css';
import { DataSourcePluginOptionsEditorProps, GrafanaTheme2 } from '@grafana/data';
import { config } from '@grafana/runtime';
import {
  Field,
  Input,
  SecretInput,
  SecretTextArea,
  SecureSocksProxySettings,
  Switch,
  TextLink,
  useStyles2,
} from '@grafana/ui';
import React, { PropsWithChildren } from 'react';
import { Options, SecureOptions } from '../types';

type Props = DataSourcePluginOptionsEditorProps<Options, SecureOptions>;

const width = 60;

/** ConfigEditor is the page of a datasource's settings: where the daemon is, and how to be let in. */
export function ConfigEditor({ options, onOptionsChange }: Props) {
  const styles = useStyles2(getStyles);
  const { jsonData } = options;
  const secure = (options.secureJsonData ?? {}) as SecureOptions;
  const configured = (options.secureJsonFields ?? {}) as Partial<Record<keyof SecureOptions, boolean>>;

  const setJson = (change: Partial<Options>) => onOptionsChange({ ...options, jsonData: { ...jsonData, ...change } });
  const setSecret = (name: keyof SecureOptions, value: string) =>
    onOptionsChange({ ...options, secureJsonData: { ...secure, [name]: value } });
  const resetSecret = (name: keyof SecureOptions) =>
    onOptionsChange({
      ...options,
      secureJsonFields: { ...configured, [name]: false } as typeof options.secureJsonFields,
      secureJsonData: { ...secure, [name]: '' },
    });
  const secret = (name: keyof SecureOptions) => ({
    id: `insightd-${name}`,
    isConfigured: Boolean(configured[name]),
    value: secure[name] ?? '',
    onChange: (e: React.FormEvent<HTMLInputElement | HTMLTextAreaElement>) => setSecret(name, e.currentTarget.value),
    onReset: () => resetSecret(name),
  });
  const urlProblem = checkUrl(options.url);

  return (
    <div className={styles.page}>
      <p className={styles.lead}>
        insightd reads cloud audit events, learns what is normal and raises insights. Before you begin, start the daemon
        and, where it asks for tokens, make one with the scope <code>read</code>.{' '}
        <TextLink href="https://github.com/insightd/insightd#readme" external inline>
          Documentation
        </TextLink>
      </p>

      <Section title="Connection" text="Grafana’s server asks the daemon; the browser never does.">
        <Field
          label="URL"
          htmlFor="insightd-url"
          required
          description="Where the daemon listens, as seen from Grafana’s server, with the path that a proxy may add."
          invalid={Boolean(options.url) && urlProblem !== undefined}
          error={urlProblem}
        >
          <Input
            id="insightd-url"
            width={width}
            value={options.url}
            placeholder="http://localhost:9470"
            spellCheck={false}
            onChange={(e) => onOptionsChange({ ...options, url: e.currentTarget.value.trim() })}
          />
        </Field>
      </Section>

      <Section title="Authentication" text="Leave both empty where the daemon asks for nothing.">
        <Field
          label="Token"
          htmlFor="insightd-token"
          description="A bearer token with the scope read. Beside basic authentication it goes in a header of its own."
        >
          <SecretInput {...secret('token')} width={width} placeholder="Token" autoComplete="off" />
        </Field>
        <Field
          label="Basic authentication"
          description="For a daemon, or a proxy before it, that asks for user and password."
        >
          <Switch
            id="insightd-basic-auth"
            aria-label="Basic authentication"
            value={options.basicAuth}
            onChange={(e) => onOptionsChange({ ...options, basicAuth: e.currentTarget.checked })}
          />
        </Field>
        {options.basicAuth && (
          <div className={styles.inner}>
            <Field label="User" htmlFor="insightd-user" required>
              <Input
                id="insightd-user"
                width={width}
                value={options.basicAuthUser}
                placeholder="User"
                autoComplete="off"
                onChange={(e) => onOptionsChange({ ...options, basicAuthUser: e.currentTarget.value })}
              />
            </Field>
            <Field label="Password" htmlFor="insightd-basicAuthPassword" required>
              <SecretInput {...secret('basicAuthPassword')} width={width} placeholder="Password" autoComplete="off" />
            </Field>
          </div>
        )}
      </Section>

      <Section
        title="TLS"
        text="For a daemon whose certificate no public authority signed, or that asks for one of yours."
      >
        <Field label="Own authority" description="The daemon’s certificate is checked against the authority below.">
          <Switch
            id="insightd-tls-ca"
            aria-label="Own authority"
            value={jsonData.tlsAuthWithCACert ?? false}
            onChange={(e) => setJson({ tlsAuthWithCACert: e.currentTarget.checked })}
          />
        </Field>
        {jsonData.tlsAuthWithCACert && (
          <div className={styles.inner}>
            <Field label="Authority’s certificate" htmlFor="insightd-tlsCACert" required>
              <SecretTextArea {...secret('tlsCACert')} cols={51} rows={5} placeholder="-----BEGIN CERTIFICATE-----" />
            </Field>
          </div>
        )}
        <Field label="Client certificate" description="Grafana shows a certificate of its own to the daemon.">
          <Switch
            id="insightd-tls-client"
            aria-label="Client certificate"
            value={jsonData.tlsAuth ?? false}
            onChange={(e) => setJson({ tlsAuth: e.currentTarget.checked })}
          />
        </Field>
        {jsonData.tlsAuth && (
          <div className={styles.inner}>
            <Field
              label="Server name"
              htmlFor="insightd-server-name"
              description="The name in the daemon’s certificate, where it is not that of the URL."
            >
              <Input
                id="insightd-server-name"
                width={width}
                value={jsonData.serverName ?? ''}
                placeholder="insightd.example.com"
                onChange={(e) => setJson({ serverName: e.currentTarget.value })}
              />
            </Field>
            <Field label="Certificate" htmlFor="insightd-tlsClientCert" required>
              <SecretTextArea
                {...secret('tlsClientCert')}
                cols={51}
                rows={5}
                placeholder="-----BEGIN CERTIFICATE-----"
              />
            </Field>
            <Field label="Key" htmlFor="insightd-tlsClientKey" required>
              <SecretTextArea
                {...secret('tlsClientKey')}
                cols={51}
                rows={5}
                placeholder="-----BEGIN PRIVATE KEY-----"
              />
            </Field>
          </div>
        )}
        <Field
          label="Skip verification"
          description="Takes any certificate. What is sent, the token too, can then be read by whoever stands in between."
        >
          <Switch
            id="insightd-tls-skip"
            aria-label="Skip verification"
            value={jsonData.tlsSkipVerify ?? false}
            onChange={(e) => setJson({ tlsSkipVerify: e.currentTarget.checked })}
          />
        </Field>
      </Section>

      <Section title="Additional settings" text="What hardly anybody has to change.">
        <Field
          label="Timeout"
          htmlFor="insightd-timeout"
          description="Seconds until a question to the daemon is given up."
        >
          <Input
            id="insightd-timeout"
            width={20}
            type="number"
            min={1}
            value={jsonData.timeout ?? ''}
            placeholder="30"
            suffix="s"
            onChange={(e) => {
              const n = parseInt(e.currentTarget.value, 10);
              setJson({ timeout: n > 0 ? n : undefined });
            }}
          />
        </Field>
        {config.secureSocksDSProxyEnabled && (
          <SecureSocksProxySettings options={options} onOptionsChange={onOptionsChange} />
        )}
      </Section>
    </div>
  );
}

/** checkUrl says what is wrong with an address, if anything is. */
export function checkUrl(url: string): string | undefined {
  if (!url) {
    return 'An address is needed, such as http://localhost:9470';
  }
  if (!/^https?:\/\//.test(url)) {
    return 'The address begins with http:// or https://';
  }
  try {
    const { search, hash } = new URL(url);
    return search || hash ? 'The address ends before ? and #' : undefined;
  } catch {
    return 'This is no address; write it like http://localhost:9470';
  }
}

function Section({ title, text, children }: PropsWithChildren<{ title: string; text: string }>) {
  const styles = useStyles2(getStyles);
  return (
    <section className={styles.section}>
      <h3>{title}</h3>
      {text && <p>{text}</p>}
      {children}
    </section>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  page: css({ maxWidth: 720 }),
  lead: css({ color: theme.colors.text.secondary, marginBottom: theme.spacing(3) }),
  section: css({
    borderTop: `1px solid ${theme.colors.border.weak}`,
    padding: theme.spacing(3, 0, 1),
    h3: { ...theme.typography.h4, margin: 0 },
    p: { color: theme.colors.text.secondary, marginBottom: theme.spacing(2) },
  }),
  inner: css({
    marginLeft: theme.spacing(1),
    paddingLeft: theme.spacing(2),
    borderLeft: `2px solid ${theme.colors.border.weak}`,
  }),
});
