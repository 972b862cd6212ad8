import { SelectableValue } from '@grafana/data';
import { MultiSelect, Select } from '@grafana/ui';
import React, { useCallback, useState } from 'react';

type Option = SelectableValue<string>;

/** asOption shows a value as it is, or by a name. */
export const asOption = (value: string, names?: Record<string, { label: string; description?: string }>): Option => ({
  value,
  label: names?.[value]?.label ?? value,
  description: names?.[value]?.description,
});

/** useLoaded loads options when a menu opens, again each time, since the range may have moved. */
export function useLoaded(load?: () => Promise<Option[]>) {
  const [options, setOptions] = useState<Option[]>([]);
  const [loading, setLoading] = useState(false);
  const [problem, setProblem] = useState<string>();
  const onOpenMenu = useCallback(() => {
    if (!load) {
      return;
    }
    setLoading(true);
    load().then(
      (found) => {
        setOptions(found);
        setProblem(undefined);
        setLoading(false);
      },
      (err: { data?: { error?: string; message?: string }; message?: string }) => {
        setProblem(err.data?.error ?? err.data?.message ?? err.message ?? 'The daemon did not answer');
        setLoading(false);
      }
    );
  }, [load]);
  return { options, isLoading: loading, onOpenMenu, noOptionsMessage: problem ?? 'Nothing found; type a value' };
}

interface Common {
  id: string;
  label: string;
  placeholder?: string;
  width?: number;
  /** What can be chosen without asking. */
  options?: Option[];
  /** What is asked when the menu opens. */
  load?: () => Promise<Option[]>;
}

interface ManyProps extends Common {
  value?: string[];
  onChange: (value: string[] | undefined) => void;
}

/** Many chooses any number of values; one that is not proposed, such as a variable, can be typed. */
export function Many({ id, label, placeholder, width, options, load, value, onChange }: ManyProps) {
  const { options: found, ...menu } = useLoaded(load);
  const all = merge(options, found);
  return (
    <MultiSelect
      inputId={id}
      aria-label={label}
      placeholder={placeholder ?? 'All'}
      width={width}
      options={all}
      value={(value ?? []).map((v) => all.find((o) => o.value === v) ?? asOption(v))}
      allowCustomValue
      closeMenuOnSelect={false}
      isClearable
      onChange={(chosen) => {
        const values = chosen.flatMap((o) => (o.value ? [o.value] : []));
        onChange(values.length > 0 ? values : undefined);
      }}
      {...menu}
    />
  );
}

interface OneProps extends Common {
  value?: string;
  /** Whether nothing may be chosen. */
  clearable?: boolean;
  custom?: boolean;
  onChange: (value: string | undefined) => void;
}

/** One chooses one value. */
export function One({ id, label, placeholder, width, options, load, value, clearable, custom, onChange }: OneProps) {
  const { options: found, ...menu } = useLoaded(load);
  const all = merge(options, found);
  const chosen = value === undefined || value === '' ? null : (all.find((o) => o.value === value) ?? asOption(value));
  return (
    <Select
      inputId={id}
      aria-label={label}
      placeholder={placeholder}
      width={width}
      options={all}
      value={chosen}
      isClearable={clearable}
      allowCustomValue={custom}
      onChange={(o: Option | null) => onChange(o?.value || undefined)}
      {...menu}
    />
  );
}

function merge(known: Option[] = [], found: Option[]): Option[] {
  const names = new Set(known.map((o) => o.value));
  return [...known, ...found.filter((o) => !names.has(o.value))];
}
