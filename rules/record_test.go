package rules

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNeedsRecord holds it to what Evaluate asks for: a record that is said not
// to be needed is never asked for, and one that is needed always.
func TestNeedsRecord(t *testing.T) {
	set, problems := Parse("p.yaml", []byte(`
provider: aws
rules:
  - id: cheap
    conditions: {all: [{fact: operation, operator: equal, value: DeleteTrail}]}
  - id: policy
    conditions:
      all:
        - {fact: operation, operator: in, value: [PutBucketPolicy, CreateRole]}
        - {fact: outcome, operator: equal, value: success}
        - {fact: requestParameters, path: $..Principal, operator: contains, value: "*"}
  - id: grouped
    type: aggregate
    groupBy: [requestParameters.bucketName]
    conditions:
      all:
        - {fact: operation, operator: equal, value: GetObject}
        - {fact: occurrences, operator: greaterThanInclusive, value: 2}
        - {fact: withInLast, operator: equal, value: 10 minutes}
  - id: explained
    conditions:
      any:
        - {fact: operation, operator: equal, value: Login}
        - all: [{fact: operation, operator: equal, value: Login}, {fact: additionalEventData.MFAUsed, operator: equal, value: "No"}]
`), Options{})
	require.Empty(t, problems)
	probe := NewState(Limits{})
	f := func(operation, outcome string, want bool) {
		t.Helper()
		e := &testFacts{uid: operation + outcome, at: monday, raw: []byte(`{"requestParameters":{"bucketName":"b"}}`), fields: map[Field]Value{
			Provider: Text("aws"), Account: Text("1"), Operation: Text(operation), Outcome: Text(outcome),
		}}
		require.Equal(t, want, set.NeedsRecord(probe, e))
		require.Zero(t, e.asked)
		set.Evaluate(NewState(Limits{}), e, nil)
		require.Equal(t, want, e.asked > 0)
	}
	f("DeleteTrail", "success", false)
	f("PutBucketPolicy", "success", true)
	f("PutBucketPolicy", "error", false)
	f("GetObject", "success", true)
	f("Login", "success", true)
	f("ListBuckets", "success", false)
	require.Empty(t, probe.windows, "nothing is remembered")
	require.Zero(t, probe.Stats().Events)

	none, _ := Parse("p.yaml", []byte(`[{id: a, conditions: {all: [{fact: operation, operator: equal, value: X}]}}]`), Options{})
	require.False(t, none.NeedsRecord(probe, &testFacts{fields: map[Field]Value{Provider: Text("aws")}}))
}

func TestConfidenceFollowsTheSeverity(t *testing.T) {
	f := func(words string, want float64) {
		t.Helper()
		set, problems := Parse("p.yaml", []byte(`[{id: a, `+words+`conditions: {all: [{fact: operation, operator: equal, value: X}]}}]`), Options{})
		require.Empty(t, problems)
		require.Equal(t, want, set.Rules()[0].Confidence)
	}
	f("", 0.65)
	f("severity: Low, ", 0.5)
	f("severity: Critical, ", 0.9)
	f("severity: Critical, confidence: 0, ", 0)
}
