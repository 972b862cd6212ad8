package rules

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// matchesOne reports whether a rule of these conditions matches the event.
func matchesOne(t *testing.T, more, conditions string, f *testFacts) bool {
	t.Helper()
	set, problems := Parse("p.json", []byte(`{"id":"r",`+more+`"conditions":`+conditions+`}`), Options{})
	require.Zero(t, Errors(problems), problems)
	return len(set.Evaluate(NewState(Limits{}), f, nil)) == 1
}

func TestFacts(t *testing.T) {
	leaf := func(fact, operator, value string) string {
		return fmt.Sprintf(`{"all":[{"fact":%s,"operator":%q,"value":%s}]}`, fact, operator, value)
	}
	aws := &testFacts{
		at: time.Date(2026, time.July, 6, 16, 30, 0, 0, time.UTC), uid: "u1",
		raw: []byte(`{"eventName":"PutUserPolicy","requestParameters":{"userName":"ada","policyDocument":"{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\"}]}"},"identity":{"claims":{"name":"x"}}}`),
		fields: map[Field]Value{
			Provider: Text("aws"), Operation: Text("PutUserPolicy"), Service: Text("iam.amazonaws.com"), Outcome: Text("error"),
			ErrorCode: Text("AccessDenied"), Identity: Text("arn:aws:iam::1:user/ada"), UserName: Text("ada"), IP: Text("192.0.2.4"),
			MFA: Bool(false), Risk: Number(2), Class: List([]Value{Text("policy_change"), Text("mass_deletion")}), Resource: List([]Value{Text("arn:1"), Text("arn:2")}),
		},
	}
	f := func(fact, operator, value string, want bool) {
		t.Helper()
		require.Equal(t, want, matchesOne(t, "", leaf(fact, operator, value), aws), "%s %s %s", fact, operator, value)
	}
	f(`"action"`, "equal", `"PutUserPolicy"`, true)
	f(`"operation"`, "equal", `"putuserpolicy"`, false)
	f(`"initiator","path":".name"`, "in", `["ada"]`, true)
	f(`"initiator","path":"$.host.address"`, "inNetwork", `"192.0.2.0/24"`, true)
	f(`"initiator.id"`, "like", `"*user/ada"`, true)
	f(`"reason","path":".reasonCode"`, "equal", `"AccessDenied"`, true)
	f(`"target","path":".id"`, "equal", `"arn:1"`, true)
	f(`"outcome"`, "equal", `"failure"`, true)
	f(`"outcome"`, "in", `["failure","pending"]`, true)
	f(`"class"`, "contains", `"mass_deletion"`, true)
	f(`"class"`, "contains", `"network_change"`, false)
	f(`"resource"`, "someFact:startsWith", `"arn:"`, true)
	f(`"resource","path":"[1]"`, "equal", `"arn:2"`, true)
	f(`"risk"`, "greaterThanInclusive", `2`, true)
	f(`"mfa"`, "equal", `false`, true)
	f(`"country"`, "equal", `null`, true)
	f(`"country"`, "notIn", `["DE"]`, true)
	f(`"country","requirePresent":true`, "notIn", `["DE"]`, false)
	f(`"requirePresent","requirePresent":true`, "notEqual", `1`, false)
	f(`"requestParameters.userName"`, "equal", `"ada"`, true)
	f(`"requestParameters"`, "equal", `null`, false)
	f(`"record","path":"$.requestParameters.userName"`, "equal", `"ada"`, true)
	f(`"$.requestParameters.userName"`, "equal", `"ada"`, true)
	f(`"requestParameters.userName"`, "equal", `{"fact":"user_name"}`, true)
	f(`"requestParameters.policyDocument.Statement[?(@.Effect=='Allow' && @.Action=='*')]"`, "notEqual", `null`, true)
	f(`"identity","path":"$.claims.name"`, "equal", `"x"`, true)
	f(`"event_time"`, "equal", `"1630"`, true)
	f(`"weekday"`, "in", `["Mon"]`, true)
	require.True(t, matchesOne(t, `"timezone":"Europe/Berlin",`, leaf(`"event_time"`, "equal", `"1830"`), aws), "summer time is kept")
	require.True(t, matchesOne(t, `"timezone":"Asia/Tokyo",`, leaf(`"weekday"`, "equal", `"Tue"`), aws))
	require.True(t, matchesOne(t, `"timezone":"Asia/Tokyo",`, leaf(`"timeOfDay","params":{"dayStartTime":"2200","dayEndTime":"0600"}`, "equal", `true`), aws))
	require.True(t, matchesOne(t, `"requirePresent":true,`, `{"not":{"fact":"country","operator":"notIn","value":["DE"]}}`, aws))
	require.False(t, matchesOne(t, `"provider":["azure","gcp"],`, leaf(`"operation"`, "equal", `"PutUserPolicy"`), aws))

	// IBM's records say CADF themselves.
	ibm := &testFacts{at: monday, uid: "u", fields: map[Field]Value{Provider: Text("ibm"), Operation: Text("a.b.c"), UserName: Text("other"), ErrorCode: Text("400")}, raw: []byte(`{"initiator":{"name":"ada"},"reason":{"reasonCode":400}}`)}
	require.True(t, matchesOne(t, "", leaf(`"initiator","path":".name"`, "equal", `"ada"`), ibm))
	require.True(t, matchesOne(t, "", leaf(`"reason","path":".reasonCode"`, "equal", `400`), ibm))

	// Azure's operations are compared without case.
	azure := &testFacts{at: monday, uid: "u", fields: map[Field]Value{Provider: Text("azure"), Operation: Text("MICROSOFT.KEYVAULT/VAULTS/DELETE")}}
	require.True(t, matchesOne(t, "", leaf(`"operation"`, "equal", `"Microsoft.KeyVault/vaults/delete"`), azure))
	require.True(t, matchesOne(t, "", leaf(`"operation"`, "in", `["x","Microsoft.KeyVault/vaults/delete"]`), azure))
	require.False(t, matchesOne(t, "", leaf(`"operation"`, "notIn", `["Microsoft.KeyVault/vaults/delete"]`), azure))
	require.True(t, matchesOne(t, "", leaf(`"operation"`, "like", `"microsoft.keyvault/*"`), azure))
}

// TestRecordIsReadOnce says that no rule that does not look into the record has it
// asked for, and that several that do have it asked for once.
func TestRecordIsReadOnce(t *testing.T) {
	set, problems := Parse("p.yaml", []byte(`
- id: a
  conditions: {all: [{fact: operation, operator: equal, value: A}, {fact: requestParameters.x, operator: equal, value: 1}]}
- id: b
  conditions: {all: [{fact: requestParameters.x, operator: equal, value: 1}, {fact: operation, operator: in, value: [A, B]}]}
- id: c
  conditions: {all: [{fact: requestParameters.x, operator: equal, value: 1}, {fact: outcome, operator: equal, value: error}]}
`), Options{})
	require.Empty(t, problems)
	event := func(operation string) *testFacts {
		return &testFacts{at: monday, uid: "u", raw: []byte(`{"requestParameters":{"x":1}}`), fields: map[Field]Value{
			Provider: Text("aws"), Operation: Text(operation), Outcome: Text("success"),
		}}
	}
	st := NewState(Limits{})
	e := event("A")
	ms := set.Evaluate(st, e, nil)
	require.Len(t, ms, 2)
	require.Equal(t, map[string]uint64{"a": 1, "b": 1}, st.Matched())
	require.Equal(t, 1, e.asked)
	require.Equal(t, "requestParameters.x is 1, equal 1", ms[0].Leaves[1].String())
	e = event("Z")
	require.Empty(t, set.Evaluate(st, e, nil))
	require.Zero(t, e.asked)
	require.Equal(t, uint64(2), st.Stats().Candidates)
}

// TestExplain says which comparisons a finding names.
func TestExplain(t *testing.T) {
	set, problems := Parse("p.json", []byte(`{"id":"r","conditions":{"all":[
		{"any":[{"fact":"operation","operator":"equal","value":"A"},{"fact":"operation","operator":"equal","value":"B"}]},
		{"not":{"any":[{"fact":"ip","operator":"inNetwork","value":["10.0.0.0/8"]},{"fact":"user_name","operator":"equal","value":{"fact":"session"}}]}}]}}`), Options{})
	require.Empty(t, problems)
	f := &testFacts{at: monday, uid: "u", fields: map[Field]Value{Provider: Text("aws"), Operation: Text("B"), IP: Text("192.0.2.1"), UserName: Text("ada")}}
	ms := set.Evaluate(NewState(Limits{}), f, nil)
	require.Len(t, ms, 1)
	var said []string
	for i := range ms[0].Leaves {
		said = append(said, ms[0].Leaves[i].String())
	}
	require.Equal(t, []string{"operation is B, equal B", `ip is 192.0.2.1, not inNetwork ["10.0.0.0/8"]`, "user_name is ada, not equal null"}, said)
}

// TestIndex says that the index leaves out no rule that an event matches: random
// conditions over a few facts, looked at with and without it.
func TestIndex(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	fields := []Field{Operation, Service, ErrorCode, Outcome, Class}
	word := func() string { return string("abcD"[r.IntN(4)]) }
	var random func(depth int) string
	random = func(depth int) string {
		if depth == 0 || r.IntN(3) == 0 {
			f := fields[r.IntN(len(fields))]
			switch {
			case f == Class:
				return fmt.Sprintf(`{"fact":"class","operator":%q,"value":%q}`, []string{"contains", "doesNotContain", "someFact:equal"}[r.IntN(3)], word())
			case r.IntN(3) == 0:
				return fmt.Sprintf(`{"fact":%q,"operator":%q,"value":[%q,%q]}`, f, []string{"in", "notIn", "not:in"}[r.IntN(3)], word(), word())
			case r.IntN(5) == 0:
				return fmt.Sprintf(`{"fact":%q,"operator":"equal","value":{"fact":"service"}}`, f)
			}
			return fmt.Sprintf(`{"fact":%q,"operator":%q,"value":%q}`, f, []string{"equal", "equal", "notEqual", "in", "not:equal", "like"}[r.IntN(6)], word())
		}
		if r.IntN(5) == 0 {
			return `{"not":` + random(depth-1) + `}`
		}
		parts := make([]string, 1+r.IntN(3))
		for i := range parts {
			parts[i] = random(depth - 1)
		}
		return `{"` + []string{"all", "any"}[r.IntN(2)] + `":[` + strings.Join(parts, ",") + `]}`
	}
	var list []string
	for i := range 400 {
		provider := ""
		if i%7 == 0 {
			provider = `"provider":["azure"],`
		}
		list = append(list, fmt.Sprintf(`{"id":"r%03d",%s"conditions":{"all":[%s,%s]}}`, i, provider, random(3), random(1)))
	}
	set, problems := Parse("p.json", []byte("["+strings.Join(list, ",")+"]"), Options{})
	require.Zero(t, Errors(problems), problems)
	st := NewState(Limits{})
	matched := 0
	for i := range 300 {
		value := func() Value { return TextOrNull([]string{"", "a", "b", "c", "D", "d"}[r.IntN(6)]) }
		e := &testFacts{at: monday, uid: fmt.Sprint(i), fields: map[Field]Value{
			Provider: Text([]string{"aws", "azure"}[i%2]), Operation: value(), Service: value(), ErrorCode: value(), Outcome: value(),
			Class: List([]Value{Text(word()), Text(word())}),
		}}
		var want, got []string
		var c context
		c.reset(e, set.slots)
		for _, p := range set.programs {
			if p.matches(&c) != 0 {
				want = append(want, p.rule.ID)
			}
		}
		for _, m := range set.Evaluate(st, e, nil) {
			got = append(got, m.Rule.ID)
		}
		require.Equal(t, want, got)
		matched += len(got)
	}
	s := st.Stats()
	require.Equal(t, uint64(matched), s.Matches)
	require.Greater(t, matched, 1000)
	require.Less(t, s.Candidates, uint64(300*400)*3/4, "it leaves some out")
}

// TestUnindexed tells rules that name an operation from those that every event
// meets.
func TestUnindexed(t *testing.T) {
	set, problems := Parse("x.yaml", []byte(`
rules:
  - {id: by-operation, conditions: {all: [{fact: operation, operator: equal, value: X}]}}
  - {id: by-class, conditions: {any: [{fact: class, operator: contains, value: a}, {fact: class, operator: contains, value: b}]}}
  - {id: by-outcome, conditions: {all: [{fact: outcome, operator: equal, value: error}]}}
  - {id: by-member, conditions: {all: [{fact: requestParameters.a, operator: equal, value: 1}]}}
  - {id: one-of-any, conditions: {any: [{fact: operation, operator: equal, value: X}, {fact: mfa, operator: equal, value: true}]}}
`), Options{})
	require.Empty(t, problems)
	var ids []string
	for _, r := range set.Unindexed() {
		ids = append(ids, r.ID)
	}
	require.Equal(t, []string{"by-member", "by-outcome", "one-of-any"}, ids)
}
