package event

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMarks(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range marks {
		require.False(t, seen[m.key], "%s stands twice", m.key)
		seen[m.key] = true
		require.Equal(t, m, *markOf(m.key))
	}
	require.Nil(t, markOf(""))
	require.Nil(t, markOf("eventId"))
	require.Nil(t, markOf("auditId"))
	require.Less(t, 2*len(marks), len(markTable), "the table has room")
}

func TestRecognise(t *testing.T) {
	f := func(text string, want ...format) {
		t.Helper()
		require.Equal(t, setOf(want...), recognise([]byte(text))&(1<<(formatOCSF+1)-1), text)
	}
	all := []format{formatCloudTrail, formatKubernetes, formatActionTrail, formatCADF, formatAzure, formatGCP, formatOCSF}
	f(`{}`, all...)
	f(`{"a":1,"b":{"auditID":"x"}}`, all...)
	f(`{"eventName":"x"`, formatCloudTrail, formatActionTrail, formatAzure)
	f(`{"eventName":"x","a":[1,{}],"acsRegion":"y"}`, formatActionTrail)
	f(`{"eventName":"x","auditID":"y"}`)
	f(`{"class_uid":6003,"auditID":"y"}`, formatOCSF) // The first that decides; the decoder sees the other.
}

func TestForeignErrorNamesWhatClashes(t *testing.T) {
	var e Event
	err := Decode("", []byte(`{"eventTime":"2026-03-09T03:00:00Z","eventName":"a","eventSource":"b","x":{},"auditID":"c"}`), &e)
	require.ErrorContains(t, err, `"eventName" is a key of CloudTrail or ActionTrail or Azure`)
	require.ErrorContains(t, err, `"auditID" one of Kubernetes`)
	require.ErrorContains(t, err, "expected a record of one provider")
}

// TestMarksDecideAlike makes objects of marks and of what decoders read, and
// asks the decoders in several orders.
func TestMarksDecideAlike(t *testing.T) {
	g := newGenerator(3)
	n := 20000
	if testing.Short() {
		n = 4000
	}
	known := 0
	for range n {
		raw := g.mixture()
		var (
			first  Event
			firstV verdict
			firstN int
			p      stringPool
		)
		for k := range decoders {
			ds := slices.Clone(decoders)
			ds[0], ds[k] = ds[k], ds[0]
			var e Event
			_, size, v, err := decodeFirst(ds, raw, &e, &p)
			if k == 0 {
				first, firstV, firstN = e, v, size
				continue
			}
			require.Equal(t, firstV, v, "of %q with %s first: %v", raw, ds[0].provider, err)
			require.Equal(t, firstN, size, "%q", raw)
			if v == verdictDecoded {
				require.Equal(t, first, e, "%q", raw)
			}
		}
		if firstV == verdictDecoded {
			known++
		}
	}
	require.Positive(t, known)
}

// mixture is an object of marks of one format or several, beside what makes
// records.
func (g generator) mixture() []byte {
	var parts []string
	add := func(key string) {
		var v strings.Builder
		g.value(&v, 2)
		parts = append(parts, `"`+key+`":`+v.String())
	}
	if g.IntN(3) > 0 {
		parts = append(parts, pick(g, []string{
			`"eventName":"ListThings","eventSource":"s","eventTime":"2026-03-09T03:00:00Z"`,
			`"eventName":"ListThings","acsRegion":"r","eventTime":"2026-03-09T03:00:00Z"`,
			`"auditID":"1","verb":"get","stageTimestamp":"2026-03-09T03:00:00Z"`,
			`"action":"a.b.read","initiator":{},"eventTime":"2026-03-09T03:00:00Z"`,
			`"protoPayload":{"serviceName":"k8s.io","methodName":"io.k8s.core.v1.pods.get"},"timestamp":"2026-03-09T03:00:00Z"`,
			`"category":"kube-audit","properties":{"log":"{}"}`,
		}))
	}
	for range g.IntN(4) {
		m := pick(g, marks)
		if g.IntN(3) > 0 && m.of != 0 || m.of == 0 && g.IntN(4) == 0 {
			add(m.key)
		}
	}
	for range g.IntN(4) {
		add(pick(g, g.keys))
	}
	g.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return []byte("{" + strings.Join(parts, ",") + "}")
}
