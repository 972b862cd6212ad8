import { css } from '@emotion/css';
import { GrafanaTheme2, QueryEditorHelpProps } from '@grafana/data';
import { useStyles2 } from '@grafana/ui';
import React from 'react';
import { Query } from '../types';
import { groups } from './examples';

/** Help is the cheat sheet of the query editor. Each example can be clicked. */
export function Help({ onClickExample, query }: QueryEditorHelpProps<Query>) {
  const styles = useStyles2(getStyles);
  return (
    <div className={styles.page}>
      {groups.map((g) => (
        <section key={g.title}>
          <h3>{g.title}</h3>
          <p>{g.text}</p>
          <div className={styles.grid}>
            {g.examples.map((e) => (
              <button
                key={e.title}
                type="button"
                className={styles.card}
                onClick={() => onClickExample({ ...e.query, refId: query?.refId ?? 'A' })}
              >
                <span className={styles.title}>{e.title}</span>
                {e.code && <code className={styles.code}>{e.code}</code>}
                <span className={styles.text}>{e.text}</span>
              </button>
            ))}
          </div>
        </section>
      ))}
      <section>
        <h3>The filter language</h3>
        <table className={styles.table}>
          <tbody>
            {grammar.map(([code, text]) => (
              <tr key={code}>
                <td>
                  <code>{code}</code>
                </td>
                <td>{text}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </div>
  );
}

const grammar: Array<[string, string]> = [
  ['outcome="error"', 'a field is a value'],
  ['country!="DE"', 'a field is not a value; events without one count'],
  ['operation=~"Delete.*|Stop.*"', 'a field matches a regular expression as a whole'],
  ['identity!~".*-ci"', 'a field does not match'],
  ['"AccessDenied"  !"kms"', 'a text is, or is not, in the raw event'],
  ['service="iam.amazonaws.com" access="write"', 'side by side: all of them hold'],
  ['error_code=""', 'a field is empty'],
  ['account="$account"', 'a variable; with several values, or All, it works as well'],
];

const getStyles = (theme: GrafanaTheme2) => ({
  page: css({
    h3: { ...theme.typography.h5, margin: theme.spacing(2, 0, 0.5) },
    p: { color: theme.colors.text.secondary, marginBottom: theme.spacing(1) },
    'section:first-child h3': { marginTop: 0 },
  }),
  grid: css({
    display: 'grid',
    gridTemplateColumns: 'repeat(auto-fill, minmax(300px, 1fr))',
    gap: theme.spacing(1),
  }),
  card: css({
    display: 'flex',
    flexDirection: 'column',
    alignItems: 'flex-start',
    gap: theme.spacing(0.5),
    padding: theme.spacing(1.5),
    textAlign: 'left',
    color: theme.colors.text.primary,
    background: theme.colors.background.secondary,
    border: `1px solid ${theme.colors.border.weak}`,
    borderRadius: theme.shape.radius.default,
    '&:hover, &:focus-visible': {
      background: theme.colors.emphasize(theme.colors.background.secondary, 0.03),
      borderColor: theme.colors.border.medium,
    },
  }),
  title: css({ fontWeight: theme.typography.fontWeightMedium }),
  text: css({ color: theme.colors.text.secondary, fontSize: theme.typography.bodySmall.fontSize }),
  code: css({ maxWidth: '100%', margin: 0, overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }),
  table: css({
    td: { padding: theme.spacing(0.5, 2, 0.5, 0), verticalAlign: 'top' },
    code: { whiteSpace: 'pre-wrap' },
  }),
});
