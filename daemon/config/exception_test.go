package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/insight"
)

func TestBadExceptions(t *testing.T) {
	f := func(entry string, want ...string) {
		t.Helper()
		_, err := Parse("insightd.yml", []byte("exceptions:\n"+entry))
		require.Error(t, err)
		for _, w := range want {
			require.ErrorContains(t, err, w)
		}
	}
	const base = "  - {kind: mute, owner: anna, reason: known, expires: 2026-04-01T00:00:00Z, scope: "
	far := time.Now().Add(400 * 24 * time.Hour).UTC().Format(time.RFC3339)
	f(base+"{}}\n", "insightd.yml:2:", "nothing that narrows it", "at least one of provider")
	f(base+"{identity: '**'}}\n", "insightd.yml:2:", "nothing that narrows it")
	f(base+"{max_rate: 5}}\n", "nothing that narrows it")
	f(base+"{identity: a, max_rate: -1}}\n", "at least 0")
	f(base+"{network: office}}\n", "insightd.yml:2:", "scope.network", `"office"`, "corporate")
	f(base+"{insight_type: Rate}}\n", "scope.insight_type", "ApiCallRateInsight")
	f(base+"{operation: DeleteBucket}}\n", "scope.operation", "put the service before it")
	f(base+"{country: de}}\n", "two capital letters")
	f(base+"{provider: amazon}}\n", "scope.provider", "aws")
	f("  - {kind: mute, owner: anna, expires: 2026-04-01, scope: {identity: a}}\n", "no reason")
	f("  - {kind: mute, owner: anna, reason: x, scope: {identity: a}}\n", "no expires")
	f("  - {kind: mute, owner: anna, reason: x, expires: soon, scope: {identity: a}}\n", "a time in RFC 3339")
	f("  - {kind: mute, owner: anna, reason: x, expires: "+far+", scope: {identity: a}}\n", "at most 366 days ahead")
	f("  - {kind: maintenance, owner: anna, reason: x, expires: 2026-04-01, scope: {identity: a}}\n", "exceptions[0].starts", "when the window begins")
	f("  - {kind: maintenance, owner: anna, reason: x, starts: 2026-04-02, expires: 2026-04-01, scope: {identity: a}}\n", "a time after starts")
	f("  - {kind: silence, owner: anna, reason: x, expires: 2026-04-01, scope: {identity: a}}\n", `"silence"`)
	f(base+"{identity: a}}\n"+base+"{identity: a}}\n", "insightd.yml:3:", "a second exception")
	f("  - {id: a b, kind: mute, owner: anna, reason: x, expires: 2026-04-01, scope: {identity: a}}\n", "letters, digits")

	_, err := Parse("insightd.yml", []byte("identities: {critical: {admin: ['*']}}\n"))
	require.ErrorContains(t, err, "identities.critical.admin[0]")
	require.ErrorContains(t, err, "a pattern that names something")
}

func TestExceptionsHaveIds(t *testing.T) {
	const one = "exceptions: [{kind: mute, owner: anna, reason: known, expires: 2026-04-01, scope: {identity: a}}]"
	parse := func(text string) insight.Exception {
		t.Helper()
		c, err := Parse("", []byte(text))
		require.NoError(t, err)
		return c.ExceptionValues()[0]
	}
	x := parse(one)
	require.Equal(t, insight.ExceptionFromConfiguration, x.Source)
	require.Regexp(t, "^configured-[0-9a-f]{16}$", x.ID)
	require.Equal(t, x.ID, parse(one).ID)
	require.NotEqual(t, x.ID, parse(strings.Replace(one, "04-01", "04-02", 1)).ID)
	require.Equal(t, "mine", parse(strings.Replace(one, "{kind", "{id: mine, kind", 1)).ID)
}

func TestExceptionsInForceAreBounded(t *testing.T) {
	list := func(n int, expires string) []byte {
		var b strings.Builder
		b.WriteString("exceptions:\n")
		for i := range n {
			fmt.Fprintf(&b, "  - {id: x%d, kind: mute, owner: anna, reason: known, expires: %s, scope: {identity: a%d}}\n", i, expires, i)
		}
		return []byte(b.String())
	}
	tomorrow := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	_, err := Parse("insightd.yml", list(insight.MaxExceptions, tomorrow))
	require.NoError(t, err)
	_, err = Parse("insightd.yml", list(insight.MaxExceptions+1, tomorrow))
	require.ErrorContains(t, err, "exceptions: found 1001 that are not over, expected at most 1000")
	_, err = Parse("insightd.yml", list(insight.MaxExceptions+1, "2026-04-01"))
	require.NoError(t, err, "they are over")
}
