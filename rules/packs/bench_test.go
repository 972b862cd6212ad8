package packs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon"
	"github.com/insightd/insightd/rules"
	"github.com/insightd/insightd/rules/packs"
)

// BenchmarkShipped evaluates all shipped rules: for an event that no rule names,
// and for one whose object several rules look into.
func BenchmarkShipped(b *testing.B) {
	set, problems := rules.Load([]rules.Layer{packs.Layer()}, rules.Options{})
	require.Empty(b, problems)
	decode, err := daemon.RuleDecoder()
	require.NoError(b, err)
	const head = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"4c1f0a52-0000-4000-8000-000000000001",` +
		`"stage":"ResponseComplete","requestURI":"/api/v1/namespaces/shop/pods","user":{"username":"system:serviceaccount:kube-system:replicaset-controller"},` +
		`"sourceIPs":["10.0.0.2"],"objectRef":{"resource":"pods","namespace":"shop","apiVersion":"v1"},"requestReceivedTimestamp":"2026-03-09T10:00:00.123456Z",`
	for _, c := range []struct{ name, record string }{
		{"other", head + `"verb":"list","responseStatus":{"code":200}}`},
		{"pod", head + `"verb":"create","responseStatus":{"code":201},"requestObject":{"kind":"Pod","apiVersion":"v1","metadata":{"generateName":"cart-6c9-",` +
			`"labels":{"app":"cart"}},"spec":{"containers":[{"name":"cart","image":"registry.example.org/cart:7","env":[{"name":"A","value":"b"}],` +
			`"volumeMounts":[{"name":"tmp","mountPath":"/tmp"}],"resources":{"requests":{"cpu":"100m"}}}],"volumes":[{"name":"tmp","emptyDir":{}}]}}}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			facts, err := decode([]byte(c.record))
			require.NoError(b, err)
			st := rules.NewState(rules.Limits{})
			var matches []rules.Match
			b.ReportAllocs()
			for b.Loop() {
				matches = set.Evaluate(st, facts, matches[:0])
			}
			require.Empty(b, matches)
		})
	}
}
