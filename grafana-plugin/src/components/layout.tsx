import { css, cx } from '@emotion/css';
import { GrafanaTheme2 } from '@grafana/data';
import { Icon, Switch, Tooltip, useStyles2 } from '@grafana/ui';
import React, { PropsWithChildren, ReactNode } from 'react';

/** Rows stacks the rows of an editor. */
export function Rows({ children }: PropsWithChildren) {
  return <div className={useStyles2(getStyles).rows}>{children}</div>;
}

/** Row is one line of controls, which wraps where there is no room. */
export function Row({ children }: PropsWithChildren) {
  return <div className={useStyles2(getStyles).row}>{children}</div>;
}

interface FieldProps {
  label: string;
  /** The id of the control that the label is for. */
  htmlFor?: string;
  tooltip?: ReactNode;
  optional?: boolean;
  /** The least width, in units of the theme's spacing; `grow` takes what is left of the row. */
  width?: number;
  grow?: boolean;
}

/** Field is a control with its label above. */
export function Field({ label, htmlFor, tooltip, optional, width, grow, children }: PropsWithChildren<FieldProps>) {
  const styles = useStyles2(getStyles);
  return (
    <div
      className={cx(styles.field, grow && styles.grow)}
      style={width && !grow ? { width: `${width * 8}px` } : undefined}
    >
      <div className={styles.label}>
        <label htmlFor={htmlFor}>{label}</label>
        {optional && <span className={styles.optional}>optional</span>}
        {tooltip && (
          <Tooltip content={<>{tooltip}</>} placement="top" interactive>
            <Icon name="info-circle" size="sm" className={styles.icon} aria-label={`About ${label}`} tabIndex={0} />
          </Tooltip>
        )}
      </div>
      {children}
    </div>
  );
}

/** Toggle is a switch under its label, in the height of a row. */
export function Toggle({ id, label, tooltip, value, onChange }: ToggleProps) {
  const styles = useStyles2(getStyles);
  return (
    <Field label={label} htmlFor={id} tooltip={tooltip}>
      <div className={styles.toggle}>
        <Switch id={id} aria-label={label} value={value} onChange={(e) => onChange(e.currentTarget.checked)} />
      </div>
    </Field>
  );
}

interface ToggleProps {
  id: string;
  label: string;
  tooltip?: string;
  value: boolean;
  onChange: (value: boolean) => void;
}

/** Note is a sentence in a row, such as what a query lacks. */
export function Note({ children }: PropsWithChildren) {
  return (
    <div className={useStyles2(getStyles).note} role="note">
      {children}
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  rows: css({ display: 'flex', flexDirection: 'column', gap: theme.spacing(0.5) }),
  row: css({
    display: 'flex',
    flexWrap: 'wrap',
    alignItems: 'flex-start',
    gap: theme.spacing(1, 2),
    padding: theme.spacing(1),
    backgroundColor: theme.colors.background.secondary,
    borderRadius: theme.shape.radius.default,
  }),
  field: css({ display: 'flex', flexDirection: 'column', minWidth: 0, maxWidth: '100%' }),
  grow: css({ flex: '1 1 220px' }),
  /* As high as the fields beside it. */
  toggle: css({ display: 'flex', alignItems: 'center', height: theme.spacing(theme.components.height.md) }),
  label: css({
    display: 'flex',
    alignItems: 'center',
    gap: theme.spacing(0.5),
    marginBottom: theme.spacing(0.5),
    fontSize: theme.typography.bodySmall.fontSize,
    lineHeight: theme.typography.bodySmall.lineHeight,
    fontWeight: theme.typography.fontWeightMedium,
    color: theme.colors.text.primary,
    whiteSpace: 'nowrap',
    label: { margin: 0 },
  }),
  optional: css({
    fontWeight: theme.typography.fontWeightRegular,
    color: theme.colors.text.secondary,
    fontStyle: 'italic',
  }),
  icon: css({ color: theme.colors.text.secondary }),
  note: css({
    alignSelf: 'flex-end',
    display: 'flex',
    alignItems: 'center',
    minHeight: theme.spacing(theme.components.height.md),
    color: theme.colors.text.secondary,
    fontSize: theme.typography.bodySmall.fontSize,
  }),
});
