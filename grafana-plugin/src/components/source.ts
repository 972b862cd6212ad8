import { TimeRange } from '@grafana/data';
import { getTemplateSrv } from '@grafana/runtime';
import { CompletionSource } from '../language/completion';
import { Of, Resources } from '../resources';

/** What a filter can be of: identities have fields of their own, with values that events have. */
export type FilterOf = Of | 'identities';

const identityFields = [
  { name: 'identity', help: 'who: the key of a person or workload' },
  { name: 'identity_kind', help: 'human, service, role, root, cloud-service or anonymous' },
  { name: 'identity_class', help: 'Automation, or nothing' },
  { name: 'user_type', help: "the provider's own word for the actor, such as IAMUser" },
  { name: 'provider', help: 'aws, azure, alibaba, ibm, gcp, kubernetes' },
  { name: 'account', help: 'the account, subscription or project' },
  { name: 'id', help: 'the id of the identity' },
];

/** How many values are proposed at once; typing narrows them. */
const proposed = 100;

/** completionSource answers completion from the daemon, for the range that is looked at. */
export function completionSource(resources: Resources, filterOf: FilterOf, range?: TimeRange): CompletionSource {
  const identities = filterOf === 'identities';
  const of: Of = identities ? 'events' : filterOf;
  return {
    fields: async () => (identities ? identityFields : resources.fields(of)),
    values: async (field, filter, contains) => {
      if (identities && (field === 'identity_class' || field === 'id')) {
        return field === 'id' ? [] : [{ value: 'Automation' }];
      }
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
