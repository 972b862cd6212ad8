package engine

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
)

// labels are of the office's people.
func officeLabels(o *Options) {
	o.Settings.Labels = &Labels{
		Identities: []IdentityLabel{
			{"*:user/emergency", insight.LabelBreakGlass}, {"arn:aws:iam::*:user/backup", insight.LabelCI}, {"*:user/anna", insight.LabelAdmin},
		},
		Resources: []ResourceLabel{{"arn:aws:s3:::pay*", insight.SensitivityHigh}, {"arn:aws:s3:::*", insight.SensitivityLow}},
	}
}

// emergency is what somebody does as break-glass in the account's first minutes, in
// two regions, at night, and again much later; a service forwards one call more.
func emergency() []event.Event {
	var out []event.Event
	use := func(at time.Duration, operation, region string) {
		e := call(fmt.Sprintf("bg%d", len(out)), epoch.Add(at), "emergency", "iam.amazonaws.com", operation, event.OutcomeSuccess)
		e.Region = region
		out = append(out, e)
	}
	use(10*time.Second, "ListUsers", "eu-central-1")
	use(3*time.Minute, "AttachUserPolicy", "us-east-1")
	use(50*time.Minute, "ListUsers", "us-east-1")
	use(30*time.Hour, "GetUser", "eu-central-1")
	use(40*time.Hour, "Decrypt", "eu-central-1")
	out[4].Source = event.Source{Address: "kms.amazonaws.com"}
	return out
}

func TestEachUseOfBreakGlassIsTold(t *testing.T) {
	l := newLine(t, func(o *Options) {
		officeLabels(o)
		o.Settings.OpenInsights, o.Settings.BudgetPerDay = 1, 0.001
	})
	l.deliver(t, slices.Concat(emergency(), offences()[:1]))
	require.NoError(t, l.engine.Finish(context.Background()))
	found := l.byRule(t)[insight.RuleBreakGlass]
	require.Len(t, found, 2)
	first := found[0]
	require.Equal(t, insight.SeverityHigh, first.Severity)
	require.Equal(t, []string{insight.LabelBreakGlass}, first.IdentityLabels)
	require.Empty(t, first.Region)
	require.Empty(t, first.Suppressed)
	require.Equal(t, 3, first.Statistics.InsightCount)
	require.True(t, first.Start.Equal(epoch.Add(10*time.Second)))
	require.True(t, first.End.Equal(epoch.Add(50*time.Minute)))
	require.Len(t, first.Reasons, 3)
	require.Contains(t, first.Reasons[0].Text, "identities.critical.break_glass has *:user/emergency")
	require.Contains(t, first.Reasons[1].Text, "from ")
	require.Contains(t, first.Reasons[2].Text, "first of all it called iam.amazonaws.com:ListUsers")
	require.NotEmpty(t, first.Rule.Runbook.Step)
	require.Equal(t, 1, found[1].Statistics.InsightCount, "what a service does for it is not its own")

	// A day of it is told once, and the next anew.
	l = newLine(t, officeLabels)
	var events []event.Event
	for i := range 26 * 2 {
		events = append(events, call(fmt.Sprintf("u%d", i), epoch.Add(time.Duration(i)*30*time.Minute), "emergency", "iam.amazonaws.com", "ListUsers", event.OutcomeSuccess))
	}
	l.deliver(t, events)
	require.NoError(t, l.engine.Finish(context.Background()))
	require.Len(t, l.byRule(t)[insight.RuleBreakGlass], 2)
}

func TestCriticalIdentitiesAndResourcesWeighMore(t *testing.T) {
	run := func(edit func(*Options)) map[string]insight.Insight {
		l := newLine(t, func(o *Options) {
			withRules(t, officeRules)(o)
			if edit != nil {
				edit(o)
			}
		})
		events := slices.Concat(office(5), offences(), nightly(3, 300))
		for i := range events {
			if events[i].Operation == "PutBucketPolicy" {
				events[i].Resources = []string{"arn:aws:s3:::reports", "arn:aws:s3:::payroll"}
			}
		}
		l.deliver(t, events)
		require.NoError(t, l.engine.Finish(context.Background()))
		out := map[string]insight.Insight{}
		for _, in := range l.insights(t) {
			out[in.Type+" "+in.Object+" "+in.Start.Format(time.RFC3339)] = in
		}
		return out
	}
	plain, critical := run(nil), run(officeLabels)
	require.Len(t, critical, len(plain))
	raised, sensitive := 0, 0
	for name, in := range critical {
		was, ok := plain[name]
		require.True(t, ok, name)
		reason := slices.IndexFunc(in.Reasons, ofCritical)
		if in.Sensitivity != "" {
			sensitive++
			require.Equal(t, insight.SensitivityHigh, in.Sensitivity)
		}
		if len(in.IdentityLabels) == 0 && in.Sensitivity != insight.SensitivityHigh || was.Severity == insight.SeverityCritical {
			require.Equal(t, was.Severity, in.Severity, name)
			require.Negative(t, reason, name)
			continue
		}
		raised++
		require.Equal(t, rank(was.Severity)+1, rank(in.Severity), name)
		require.GreaterOrEqual(t, reason, 0, name)
		require.Contains(t, in.Reasons[reason].Text, fmt.Sprintf("so the severity is %s rather than %s", in.Severity, was.Severity))
	}
	require.Positive(t, sensitive)
	require.Greater(t, raised, 3)
}
