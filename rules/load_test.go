package rules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

func parsePackage(t *testing.T, name string) (*Set, []Problem) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "packages", name))
	require.NoError(t, err)
	return Parse(name, text, Options{})
}

func TestPackages(t *testing.T) {
	n, problems := Check([]string{"testdata/packages"}, Options{})
	require.Equal(t, 11, n)
	require.Zero(t, Errors(problems), problems)

	set, problems := parsePackage(t, "ibm.json")
	require.Empty(t, problems)
	require.Len(t, set.Rules(), 5)
	r, ok := set.Rule("night deletions")
	require.True(t, ok, "white space around an id is none of it")
	require.Equal(t, "IAM", r.Package)
	require.Equal(t, "iam-night", r.FindingType)
	require.Equal(t, "Deletions at night", r.Title)
	require.Empty(t, r.Extensions)
	require.Equal(t, Medium, r.Severity)
	require.Len(t, r.Hash, 16)
	r, _ = set.Rule("deletions by others")
	require.True(t, r.Dormant)
	require.Len(t, set.programs, 4, "dormant rules are not run")

	set, problems = parsePackage(t, "ours.yaml")
	require.Empty(t, problems)
	r, _ = set.Rule("aws-guessed")
	require.Equal(t, &Rule{
		ID: "aws-guessed", Package: "ours", File: "ours.yaml", Line: 7, Type: Sequence, Version: "3", Hash: r.Hash,
		Title: "Failed sign-ins, then one that succeeds", Description: "Somebody guessed a password.",
		Severity: High, Confidence: 0.9, KRI: "Identity and Access", Attack: []string{"T1110.001"},
		References: []string{"https://attack.mitre.org/techniques/T1110/001/"},
		Runbook: Runbook{
			What: "A password was guessed.", Check: "List the sign-ins of the address.", Step: "Revoke the session.",
			Rollback: "Let the user sign in again.", Escalate: "When the session changed anything.",
		},
		Providers: []string{"aws"}, Window: time.Hour, GroupBy: []string{"ip", "user_name"},
		Extensions: []string{"id", "sequence", "title", "description", "severity", "confidence", "attack", "references", "groupBy", "runbook"},
	}, r)
	r, _ = set.Rule("aws-public-policy")
	require.True(t, r.Shadow)
}

// TestExtensionsAreTold says that a package that has to be compatible may use
// nothing of ours, and that packages in IBM's form do not.
func TestExtensionsAreTold(t *testing.T) {
	for _, name := range []string{"ibm.json", "example-aggregate.json", "example-coincident.json", "example-boolean.json"} {
		_, problems := Check([]string{filepath.Join("testdata/packages", name)}, Options{Compatible: true})
		require.Zero(t, Errors(problems), problems)
	}
	_, problems := Check([]string{"testdata/packages/ours.yaml"}, Options{Compatible: true})
	require.Greater(t, Errors(problems), 10)
}

// TestExamples evaluates the worked examples in the form in which documentation
// prints them, slips included.
func TestExamples(t *testing.T) {
	ibm := func(at time.Duration, uid, raw string) *testFacts {
		f := &testFacts{at: monday.Add(at), uid: uid, raw: []byte(raw), fields: map[Field]Value{Provider: Text("ibm"), Account: Text("a1")}}
		action := valueOf(raw)
		f.fields[Operation] = action.member("action")
		return f
	}
	run := func(t *testing.T, name, slip string, events ...*testFacts) (fired []string) {
		t.Helper()
		set, problems := parsePackage(t, name)
		require.Zero(t, Errors(problems), problems)
		if slip == "" {
			require.Empty(t, problems)
		} else {
			require.NotEmpty(t, problems)
			require.Contains(t, problems[0].Error(), slip)
		}
		st := NewState(Limits{})
		for _, e := range events {
			for _, m := range set.Evaluate(st, e, nil) {
				if m.State == Fired {
					fired = append(fired, m.UID)
				}
			}
		}
		return fired
	}
	login := `{"action":"iam-identity.user-apikey.login","reason":{"reasonCode":400},"initiator":{"name":"x"}}`
	good := strings.Replace(login, "400", "200", 1)

	t.Run("aggregate", func(t *testing.T) {
		const slip = `example-aggregate.json:23:38: warning: rule "five-failed-logins": found a comma before "}"`
		var events []*testFacts
		for i, uid := range []string{"a", "b", "c", "d", "e", "f"} {
			events = append(events, ibm(time.Duration(i)*time.Minute, uid, login))
		}
		require.Equal(t, []string{"e"}, run(t, "example-aggregate.json", slip, events...))
		require.Empty(t, run(t, "example-aggregate.json", slip, events[:4]...))
		events[2] = ibm(2*time.Minute, "c", good)
		require.Equal(t, []string{"f"}, run(t, "example-aggregate.json", slip, events...))
		events[5] = ibm(31*time.Minute, "f", login)
		require.Empty(t, run(t, "example-aggregate.json", slip, events...), "the first is out of the window")
	})
	t.Run("coincident", func(t *testing.T) {
		const slip = "found a comma before"
		list := `{"action":"kms.secrets.list"}`
		read := `{"action":"kms.secrets.read"}`
		require.Equal(t, []string{"c"}, run(t, "example-coincident.json", slip,
			ibm(0, "a", read), ibm(time.Minute, "b", login), ibm(29*time.Minute, "c", list), ibm(29*time.Minute, "d", read)))
		require.Empty(t, run(t, "example-coincident.json", slip,
			ibm(0, "a", read), ibm(time.Minute, "b", login), ibm(30*time.Minute, "c", list)))
	})
	t.Run("boolean", func(t *testing.T) {
		const slip = `a "}" is missing at the end of the file`
		by := func(who string) string {
			return `{"action":"iam-groups.member.delete","initiator":{"id":"IBMid-1","name":"` + who + `"}}`
		}
		require.Equal(t, []string{"a", "d", "f"}, run(t, "example-boolean.json", slip,
			ibm(7*time.Hour+59*time.Minute, "a", by("three@example.com")),
			ibm(8*time.Hour, "b", by("three@example.com")),
			ibm(17*time.Hour, "c", by("three@example.com")),
			ibm(17*time.Hour+time.Minute, "d", by("three@example.com")),
			ibm(20*time.Hour, "e", by("one@example.com")),
			// Nobody is on no list.
			ibm(21*time.Hour, "f", `{"action":"iam-groups.member.delete"}`)))
	})
	t.Run("paths", func(t *testing.T) {
		// A path with a full stop before it, into reason and into initiator.
		set, problems := Parse("paths.json", []byte(`[
			{"conditions":{"all":[{"fact":"reason","operator":"equal","value":400,"path":".reasonCode",}]},"event":{"type":"refused"}},
			{"conditions":{"all":[{"fact":"initiator","operator":"equal","value":"ada@example.com","path":".name"}]},"event":{"type":"by-ada"},}]`), Options{})
		require.Zero(t, Errors(problems))
		require.Len(t, problems, 2, "each comma too many is told")
		fired := func(raw string) (ids []string) {
			for _, m := range set.Evaluate(NewState(Limits{}), ibm(0, "a", raw), nil) {
				ids = append(ids, m.Rule.ID)
			}
			return ids
		}
		require.Equal(t, []string{"by-ada", "refused"}, fired(`{"action":"x","reason":{"reasonCode":400},"initiator":{"name":"ada@example.com"}}`))
		require.Equal(t, []string{"refused"}, fired(`{"action":"x","reason":{"reasonCode":400},"initiator":{"id":"ada@example.com"}}`))
		require.Empty(t, fired(`{"action":"x","reason":{"reasonCode":"400"},"initiator":{"name":"bob@example.com"}}`), "a text is no number")
	})
	t.Run("slips", func(t *testing.T) {
		const slip = `example-slips.json:17:2: warning: rule "trail-changed": a "]" is missing before this bracket`
		require.Equal(t, []string{"a"}, run(t, "example-slips.json", slip, ibm(0, "a", `{"action":"atracker.target.delete"}`), ibm(0, "b", login)))
		_, problems := parsePackage(t, "example-slips.json")
		require.Len(t, problems, 2)
		require.Equal(t, `example-slips.json:19:2: warning: rule "trail-changed": a comma is missing before this key`, problems[1].Error())
	})
	t.Run("packages", func(t *testing.T) {
		require.Equal(t, []string{"b", "d", "g"}, run(t, "ibm.json", "",
			ibm(17*time.Hour, "a", `{"action":"iam-groups.group.delete"}`),
			ibm(17*time.Hour+time.Minute, "b", `{"action":"iam-groups.group.delete"}`),
			ibm(18*time.Hour, "c", `{"action":"iam-groups.rule.delete"}`),
			ibm(18*time.Hour+5*time.Minute, "d", `{"action":"iam-groups.rule.read"}`),
			ibm(19*time.Hour, "e", `{"action":"cloudcerts.certificate.reimport","reason":{"reasonCode":500}}`),
			ibm(20*time.Hour, "f", `{"action":"cloudcerts.certificate.reimport"}`),
			ibm(21*time.Hour, "g", `{"action":"cloudcerts.certificate.reimport","reason":{"reasonCode":409}}`)))
	})
}

func TestLayers(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	rule := func(id, operation, more string) string {
		return `{"id":"` + id + `",` + more + `"conditions":{"all":[{"fact":"operation","operator":"equal","value":"` + operation + `"}]}}`
	}
	shipped := Layer{Name: "shipped", FS: fstest.MapFS{
		"aws/one.json":  file("[" + rule("one", "A", "") + "," + rule("two", "B", "") + "]"),
		"aws/two.json":  file(rule("three", "C", "")),
		"aws/one.test":  file("rule one"),
		"_draft/x.json": file("{"),
		".git/x.json":   file("{"),
	}}
	own := Layer{Name: "own", FS: fstest.MapFS{
		"a.json": file("[" + rule("one", "Z", `"title":"mine",`) + `,{"id":"two","dormant":true},` +
			`{"id":"three","conditions":{"all":[]}},{"id":"nine","dormant":true}]`),
		"b.json": file("[" + rule("one", "Y", "") + "," + rule("four", "D", "") + "]"),
	}}
	set, problems := Load([]Layer{shipped, own}, Options{})
	var said []string
	for _, p := range problems {
		said = append(said, p.Error())
	}
	require.Equal(t, []string{
		`own/a.json:1:133: warning: rule "three": the rule of this id in shipped/aws/two.json stays in use`,
		`own/a.json:1:167: rule "three": found nothing in all, which the library takes for true; expected a condition`,
		`own/a.json:1:172: rule "nine": found a dormant rule without conditions, and no rule of this id to take out of use`,
		`own/b.json:1:2: rule "one": found the id of the rule in own/a.json:1 again, expected another`,
	}, said)
	beside, problems := LoadFiles(nil, Options{Beside: set})
	require.Empty(t, beside.Rules())
	require.Empty(t, problems)
	beside, problems = Parse("alone.json", []byte(`[{"id":"two","dormant":true},{"id":"nine","dormant":true}]`), Options{Beside: set})
	require.Empty(t, beside.Rules())
	require.Len(t, problems, 1, "the other is there to be taken out of use")
	require.Equal(t, "nine", problems[0].Rule)
	require.Len(t, set.Rules(), 4)
	one, _ := set.Rule("one")
	require.Equal(t, "mine", one.Title)
	two, _ := set.Rule("two")
	require.True(t, two.Dormant)
	st := NewState(Limits{})
	fires := func(operation string) (ids []string) {
		f := &testFacts{at: monday, uid: "x", fields: map[Field]Value{Provider: Text("aws"), Operation: Text(operation)}}
		for _, m := range set.Evaluate(st, f, nil) {
			ids = append(ids, m.Rule.ID)
		}
		return ids
	}
	require.Equal(t, []string{"one"}, fires("Z"))
	require.Empty(t, fires("A"))
	require.Empty(t, fires("B"))
	require.Equal(t, []string{"three"}, fires("C"))
	require.Equal(t, []string{"four"}, fires("D"))
}

// TestHash says what makes a rule another.
func TestHash(t *testing.T) {
	hash := func(name, text string) (content, key string) {
		set, problems := Parse(name, []byte(text), Options{})
		require.Zero(t, Errors(problems), problems)
		return set.rules[0].Hash, set.programs[0].key
	}
	const rule = `{"id":"a","title":"T","comment":"x","conditions":{"all":[{"fact":"operation","operator":"equal","value":"A"}]}}`
	content, key := hash("a.json", rule)
	for _, same := range []string{
		strings.ReplaceAll(rule, ",", " ,\n "),
		`{"conditions":{"all":[{"operator":"equal","value":"A","fact":"operation"}]},"id":"a","title":"T"}`,
		strings.ReplaceAll(rule, `"comment":"x"`, `"comment":"y"`),
	} {
		c, k := hash("a.json", same)
		require.Equal(t, content, c, same)
		require.Equal(t, key, k, same)
	}
	c, k := hash("a.yaml", "id: a\ntitle: T\nconditions:\n  all:\n  - {fact: operation, operator: equal, value: A}\n")
	require.Equal(t, []string{content, key}, []string{c, k})
	c, k = hash("a.json", strings.Replace(rule, `"T"`, `"U"`, 1))
	require.NotEqual(t, content, c)
	require.Equal(t, key, k, "a title is no part of what a rule does")
	c, k = hash("a.json", strings.Replace(rule, `"A"`, `"B"`, 1))
	require.NotEqual(t, content, c)
	require.NotEqual(t, key, k)
	c, k = hash("a.json", `{"timezone":"Asia/Tokyo","rules":[`+rule+`]}`)
	require.NotEqual(t, content, c)
	require.NotEqual(t, key, k)
}
