package eventlog

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/event/filter"
)

func TestFilterMatch(t *testing.T) {
	e := event.Event{
		UID: "u-1", Provider: "aws", Account: "123", Service: "ec2.amazonaws.com", Operation: "RunInstances",
		Access: event.AccessWrite, Outcome: event.OutcomeSuccess, Class: "mass_deletion iam", Risk: 2,
		Actor:     event.Actor{Identity: `arn:aws:iam::123:user/"quoted"`, Kind: event.KindHuman},
		Source:    event.Source{Address: "198.51.100.7", ASN: 64500, Network: event.NetworkVPN},
		Resources: []string{"i-1", "i-2"}, Raw: []byte(`{"eventName":"RunInstances","note":"a\nb"}`),
	}
	azure := event.Event{Provider: "azure", Operation: "MICROSOFT.COMPUTE/virtualMachines/WRITE"}
	f := func(e *event.Event, source string, want bool) {
		t.Helper()
		got, err := ParseFilter(source, Lookups{}, time.Time{}, time.Time{})
		require.NoError(t, err, source)
		require.Equal(t, want, got.Match(e), source)
		require.Equal(t, source, got.String())
	}
	f(&e, ``, true)
	f(&e, ` {} `, true)
	f(&e, `provider="aws"`, true)
	f(&e, `provider="aws" operation="RunInstances"`, true)
	f(&e, `provider="aws",operation="RunInstances",`, true)
	f(&e, `{provider="aws", operation="RunInstances" }`, true)
	f(&e, `provider = 'aws' operation=~`+"`Run.*`", true)
	f(&e, `provider="aws"operation="Stop"`, false)
	f(&e, `operation=="RunInstances"`, true)
	f(&e, `operation="runinstances"`, false)
	f(&e, `operation=~"Run"`, false)
	f(&e, `operation=~"Run.*|Stop.*"`, true)
	f(&e, `operation!~"Run.*"`, false)
	f(&e, `operation!="RunInstances"`, false)
	f(&e, `error_code=""`, true)
	f(&e, `error_code!=""`, false)
	f(&e, `access="write" outcome="success" identity_kind="human" mfa="false" risk="2" asn="64500" network="vpn"`, true)
	f(&e, `identity="arn:aws:iam::123:user/\"quoted\""`, true)
	f(&e, `resource="i-2"`, true)
	f(&e, `resource!="i-2"`, false)
	f(&e, `resource!="i-3"`, true)
	f(&e, `resource=~"i-.*" class="iam"`, true)
	f(&e, `class!="iam"`, false)
	f(&azure, `class=""`, true)
	f(&azure, `resource="" class!="iam"`, true)
	f(&azure, `resource!=""`, false)
	f(&e, `"RunInstances"`, true)
	f(&e, `"runinstances"`, false)
	f(&e, `!"StopLogging"`, true)
	f(&e, `! "RunInstances"`, false)
	f(&e, "`a\\nb`", true)
	f(&e, `"a\\nb" provider="aws"`, true)
	f(&e, `uid="u-1" ip="198.51.100.7"`, true)
	f(&azure, `operation="microsoft.compute/virtualmachines/write"`, true)
	f(&azure, `operation=~"microsoft.compute/.*/write"`, true)
	f(&azure, `operation!~"microsoft.compute/.*/write"`, false)
	f(&azure, `operation!="microsoft.compute/virtualmachines/write"`, false)
}

func TestFilterByClass(t *testing.T) {
	robot := event.Event{Provider: "aws", Actor: event.Actor{Identity: "robot", RawType: "IAMUser"}}
	anna := event.Event{Provider: "aws", Actor: event.Actor{Identity: "anna", RawType: "IAMUser"}}
	f := func(source string, wantRobot, wantAnna bool) {
		t.Helper()
		got, err := ParseFilter(source, Lookups{Automated: func() map[string]bool { return map[string]bool{"robot": true} }}, time.Time{}, time.Time{})
		require.NoError(t, err, source)
		require.Equal(t, wantRobot, got.Match(&robot), source)
		require.Equal(t, wantAnna, got.Match(&anna), source)
	}
	f(`identity_class="Automation"`, true, false)
	f(`user_type="Automation"`, true, false)
	f(`user_type!="Automation" user_type="IAMUser"`, false, true)
	f(`identity_class!="Automation"`, false, true)
	f(`identity_class=""`, false, true)
	f(`identity_class=~"Auto.*"`, true, false)
	f(`identity_class=~".*"`, true, true)
	f(`identity_class!~".*"`, false, false)
	f(`identity_class="Other"`, false, false)
	f(`identity_class!="Other"`, true, true)

	none, err := ParseFilter(`identity_class="Automation"`, Lookups{}, time.Time{}, time.Time{})
	require.NoError(t, err)
	require.False(t, none.Match(&robot), "nobody knows")
	_, err = ParseFilter(`identity_klass="x"`, Lookups{}, time.Time{}, time.Time{})
	require.ErrorContains(t, err, "did you mean identity_class?")
}

func TestFilterErrors(t *testing.T) {
	f := func(source string, column int, says ...string) {
		t.Helper()
		_, err := ParseFilter(source, Lookups{}, time.Time{}, time.Time{})
		require.Error(t, err, source)
		var fe *filter.Error
		require.ErrorAs(t, err, &fe, "%v", err)
		require.Equal(t, column, fe.Column, "%v", err)
		for _, s := range says {
			require.ErrorContains(t, err, s)
		}
	}
	f(`regoin="eu"`, 1, `found "regoin"`, "the name of a field", "did you mean region?", "the fields are access, account,")
	f(`provider="aws" Operation="x"`, 16, "did you mean operation?")
	f(`qqqqqq="x"`, 1, `found "qqqqqq"`, "the fields are")
	f(`provider`, 9, "found the end of the filter", "=, !=, =~ or !~ after provider")
	f(`provider "aws"`, 10, `expected =, !=, =~ or !~ after provider`)
	f(`provider=aws`, 10, `found "aws"`, "a quoted value for provider")
	f(`provider="aws`, 14, "end of the filter", `a closing "`)
	f("provider=`aws", 14, "a closing `")
	f(`provider="a\qs"`, 12, "an escape", "backquotes")
	f(`"ü" provider=~"("`, 15, "a regular expression", "missing closing )")
	f(`{provider="aws"`, 16, "a closing brace")
	f(`provider="aws"}`, 15, `found "}"`, "the name of a field or a quoted text")
	f(`{provider="aws"} x`, 18, "the end of the filter")
	f(`,provider="aws"`, 1, `found ",provider=\"aws\""`)
	f(`""`, 1, "a text that is not empty")
	f(`!provider="aws"`, 2, "a quoted text after !")
	f(`provider!"aws"`, 9)
	_, err := ParseFilter(string(make([]byte, filter.MaxLen+1)), Lookups{}, time.Time{}, time.Time{})
	require.ErrorContains(t, err, "more than 65536")
}

func TestEveryFieldCanBeSearched(t *testing.T) {
	for _, f := range event.Fields {
		if f.Name == "provider" || f.Name == "account" {
			continue
		}
		require.Contains(t, fieldColumns, f.Name)
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{``, `{provider="aws", operation=~"Run.*"}`, `"text" !"other"`, `resource!~'a|b' uid!="x"`, "`a`", `class="\x41\u00e4"`, `regoin="x"`} {
		f.Add(s)
	}
	g := newTraffic(1, 1)
	events := g.events(3, 1)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseFilter(s, Lookups{}, time.Time{}, time.Time{})
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without words")
			}
			return
		}
		for i := range events {
			p.Match(&events[i])
		}
		// In braces and with commas it means the same.
		if q, err := ParseFilter(s, Lookups{}, time.Time{}, time.Time{}); err != nil || len(q.conditions) != len(p.conditions) {
			t.Fatalf("%q is understood once and not again: %v", s, err)
		}
	})
}

// TestEventsOfHighRisk asks stored blocks, and those in memory, for events that are
// known by their ids.
func TestEventsOfHighRisk(t *testing.T) {
	l, events := searchable(t, 1500)
	known := map[string]bool{events[3].UID: true, events[len(events)/2].UID: true, events[len(events)-1].UID: true, "elsewhere": true}
	var asked [2]time.Time
	l.o.Lookups.HighRisk = func(from, to time.Time) map[string]bool { asked = [2]time.Time{from, to}; return known }
	find := func(source string) (uids []string, scanned int) {
		t.Helper()
		p, err := l.Events(ctx, event.Query{Filter: source, Limit: 5000})
		require.NoError(t, err, source)
		for i := range p.Events {
			uids = append(uids, p.Events[i].UID)
		}
		return uids, p.Scanned
	}
	all, looked := find("")
	yes, least := find(`high_risk="true"`)
	require.ElementsMatch(t, []string{events[3].UID, events[len(events)/2].UID, events[len(events)-1].UID}, yes)
	require.Less(t, least, looked, "blocks without any of them are left out")
	no, _ := find(`high_risk!="true"`)
	require.Len(t, no, len(all)-3)
	again, _ := find(`high_risk="false"`)
	require.Equal(t, no, again)
	both, _ := find(`high_risk=~"true|false"`)
	require.Equal(t, all, both)
	neither, _ := find(`high_risk="maybe"`)
	require.Empty(t, neither)
	narrowed, _ := find(fmt.Sprintf(`high_risk="true" uid=%q`, events[3].UID))
	require.Equal(t, []string{events[3].UID}, narrowed)

	from := events[3].Time.Add(-time.Second)
	v, err := l.Volume(ctx, event.VolumeQuery{Filter: `high_risk="true"`, From: from, To: from.Add(2 * time.Second), Step: 2 * time.Second})
	require.NoError(t, err)
	require.Len(t, v.Series, 1)
	require.Equal(t, [2]time.Time{from, from.Add(2 * time.Second)}, asked)
	known = nil
	none, _ := find(`high_risk="true"`)
	require.Empty(t, none)
}

// TestEventsOfAClass asks stored blocks for a class: the events are those of the
// identities that are of it when they are asked for.
func TestEventsOfAClass(t *testing.T) {
	l, events := searchable(t, 1500)
	robot := events[len(events)/3].Actor.Identity
	l.o.Lookups.Automated = func() map[string]bool { return map[string]bool{robot: true} }
	for source, same := range map[string]string{
		`identity_class="Automation"`:                         fmt.Sprintf(`identity=%q`, robot),
		`user_type!="Automation" outcome="error"`:             fmt.Sprintf(`identity!=%q outcome="error"`, robot),
		`identity_class=~".*" provider="aws"`:                 `provider="aws"`,
		`identity_class!~"Auto.*|" access="write"`:            `identity="nobody"`,
		fmt.Sprintf(`user_type="Automation" uid!=%q`, "none"): fmt.Sprintf(`identity=%q`, robot),
	} {
		want, err := l.Events(ctx, event.Query{Filter: same, Limit: 5000})
		require.NoError(t, err, same)
		got, err := l.Events(ctx, event.Query{Filter: source, Limit: 5000})
		require.NoError(t, err, source)
		require.Equal(t, want.Events, got.Events, source)
	}
}
