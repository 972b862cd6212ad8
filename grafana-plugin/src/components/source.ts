import { TimeRange } from '@grafana/data';
import { getTemplateSrv } from '@grafana/runtime';
import { CompletionSource } from '../language/completion';
import { Of, Resources } from '../resources';

/** How many values are proposed at once; typing narrows them. */
const proposed = 100;

/** completionSource answers completion from the daemon, for the range that is looked at. */
export function completionSource(resources: Resources, of: Of, range?: TimeRange): CompletionSource {
  return {
    fields: () => resources.fields(of),
    values: async (field, filter, contains) => {
      try {
        return await resources.values(of, field, { filter, contains, range, limit: proposed });
      } catch (err) {
        if (!filter) {
          throw err;
        }
        // The rest of the filter may not be right yet.
        return resources.values(of, field, { contains, range, limit: proposed });
      }
    },
    metrics: async () => {
      const [names, known] = await Promise.all([
        resources.labelValues('__name__', undefined, range).catch(() => []),
        resources.metrics().catch(() => []),
      ]);
      const help = new Map(known.map((m) => [m.name, m.help]));
      const all = [...new Set([...known.map((m) => m.name), ...names])];
      return all.map((name) => ({ name, help: help.get(name) ?? '' }));
    },
    labels: (selector) => resources.labels(selector, range),
    labelValues: (label, selector) => resources.labelValues(label, selector, range),
    variables: () =>
      getTemplateSrv()
        .getVariables()
        .map((v) => v.name),
  };
}
