package engine

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
)

func TestRulesThatAreTakenOutOfUseAreTold(t *testing.T) {
	ctx := context.Background()
	now := midnight(6)
	l := newLine(t, func(o *Options) { o.Now = func() time.Time { return now } })
	note := func(text string) []insight.Insight {
		t.Helper()
		require.NoError(t, l.engine.NoteRules(ctx, ruleSet(t, text), "configuration"))
		now = now.Add(time.Minute)
		return l.confessed(t)
	}
	records := func() int {
		n := 0
		for c := range l.log.ControlsSince(0) {
			if c.Kind == event.ControlRules {
				n++
			}
		}
		return n
	}
	require.Empty(t, note(officeRules), "there is nothing to compare with")
	require.Empty(t, note(officeRules))
	require.Equal(t, 1, records())

	shadowed := strings.Replace(officeRules, "title: A bucket was opened\n", "title: A bucket was opened\n    stage: shadow\n", 1)
	told := note(shadowed)
	require.Len(t, told, 1)
	require.Equal(t, "insightd:PutRules", told[0].Object)
	require.Equal(t, "configuration", told[0].Identity)
	require.Equal(t, insight.SeverityMedium, told[0].Severity)
	require.Equal(t, "rule open-bucket was active and is shadow", told[0].Reasons[0].Text)

	l.restart(t)
	require.Len(t, note(shadowed), 1, "what is in force is known after a restart")
	require.Len(t, note(officeRules), 1, "it is in use again")
	told = note("name: none\nrules: []\n")
	require.Len(t, told, 2)
	require.Equal(t, insight.SeverityHigh, told[1].Severity, "a rule on trails is among them")
	require.Contains(t, told[1].Summary, "configuration took 4 rules out of use: failed-logins, many-reads, open-bucket, trail-stopped")
	require.Equal(t, 4, records())
}
