package rules

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestProblems says of everything that the library ignores, or that cannot hold,
// where it stands and what would be right. ROOT stands for a condition that is
// sound.
func TestProblems(t *testing.T) {
	const (
		leaf  = `{"fact":"operation","operator":"equal","value":"A"}`
		count = `{"fact":"occurrences","operator":"equal","value":5}`
		last  = `{"fact":"withInLast","operator":"equal","value":"30 minutes"}`
		rule  = `{"id":"r","conditions":`
		agg   = `{"id":"r","type":"aggregate","conditions":`
		coin  = `{"id":"r","type":"coincident","conditions":`
	)
	f := func(text, want string) {
		t.Run(want, func(t *testing.T) {
			set, problems := Parse("p.json", []byte(text), Options{})
			require.NotEmpty(t, problems, text)
			require.Equal(t, want, problems[0].Error(), text)
			if !problems[0].Warning {
				require.Empty(t, set.Rules(), text)
			}
		})
	}
	// Syntax.
	f(``, `p.json:1:1: found an empty file, expected a package of rules`)
	f(`[}`, `p.json:1:2: found '}', expected a value`)
	f(`[{"id":"a"`, `p.json:1:11: found the end of the file, expected "}"; is it complete?`)
	f("[\n\t{\"é\" 1}]", `p.json:2:7: found '1', expected : after the key "é"`)
	f(`{"id":"a","id":"b"}`, `p.json:1:11: found the key "id" twice in one object, expected it once`)
	f(`[1 2]`, `p.json:1:4: found '2', expected a comma or ]`)
	f(`[{}] x`, `p.json:1:6: found 'x' behind the end of the package, expected nothing`)
	f(`[{"a":0800}]`, `p.json:1:7: found the number 0800, expected one as JSON writes it; put a time such as "0800" in quotes`)
	f(`[{"a":"\x"}]`, `p.json:1:8: found \x in a text, expected an escape that JSON knows`)
	f("[{\"a\":\"x\n\"}]", `p.json:1:9: found '\n' in a text, expected it to end on its line`)

	// Packages and rules.
	f(`"x"`, `p.json:1:1: found "x", expected a list of rules`)
	f(`{"type":"IAM"}`, `p.json:1:1: found a package without rules, expected the key rule or rules`)
	f(`{"typ":"IAM","rule":[]}`, `p.json:1:2: found the key "typ" in a package, expected one of type, name, comment, rule, rules, timezone, version, kri, provider, requirePresent, stage, severity, title, description; did you mean "type"?`)
	f(`[1]`, `p.json:1:2: found 1 in a list of rules, expected a rule`)
	f(`{"conditions":{"all":[`+leaf+`]}}`, `p.json:1:1: found a rule without a name, expected event.type or id`)
	f(`{"id":"r"}`, `p.json:1:1: rule "r": found a rule without conditions, expected the key conditions`)
	f(rule+`{"all":[`+leaf+`]},"dorment":true}`, `p.json:1:86: rule "r": found the key "dorment" in a rule, expected one of comment, dormant, type, conditions, event, name, priority, id, title, description, severity, confidence, kri, attack, references, stage, version, timezone, provider, groupBy, requirePresent, runbook; did you mean "dormant"?`)
	f(rule+`{"all":[`+leaf+`]},"dormant":"yes"}`, `p.json:1:96: rule "r": found "yes" as dormant, expected true or false`)
	f(rule+`{"all":[`+leaf+`]},"severity":"high"}`, `p.json:1:97: rule "r": found "high" as the severity, expected one of Low, Medium, High, Critical; did you mean "High"?`)
	f(rule+`{"all":[`+leaf+`]},"attack":["T1"]}`, `p.json:1:95: rule "r": found "T1" as a technique, expected one such as T1078.004`)
	f(rule+`{"all":[`+leaf+`]},"confidence":2}`, `p.json:1:99: rule "r": found 2 as the confidence, expected a number from 0 to 1`)
	f(rule+`{"all":[`+leaf+`]},"timezone":"Mars"}`, `p.json:1:97: rule "r": found the time zone "Mars", expected one such as Europe/Berlin`)
	f(rule+`{"all":[`+leaf+`]},"groupBy":"ip"}`, `p.json:1:96: rule "r": found groupBy in a boolean rule, which counts nothing`)
	f(rule+`{"all":[`+leaf+`]},"type":"aggregat"}`, `p.json:1:93: warning: rule "r": found the type "aggregat", which is evaluated as boolean; expected one of boolean, aggregate, coincident, sequence; did you mean "aggregate"?`)

	f(`{"provider":"asure","rules":[`+rule+`{"all":[`+leaf+`]}}]}`, `p.json:1:13: warning: found the provider "asure", expected one of aws, azure, alibaba, ibm, gcp, kubernetes; did you mean "azure"?`)

	// Conditions.
	f(rule+leaf+`}`, `p.json:1:25: rule "r": found a comparison at the root of the conditions, expected all, any or not around it`)
	f(rule+`{"all":[]}}`, `p.json:1:31: rule "r": found nothing in all, which the library takes for true; expected a condition`)
	f(rule+`{"any":[]}}`, `p.json:1:31: rule "r": found nothing in any, which the library takes for true; expected a condition`)
	f(rule+`{"all":`+leaf+`}}`, `p.json:1:31: rule "r": "all" must be an array, found an object`)
	f(rule+`{"not":[`+leaf+`]}}`, `p.json:1:31: rule "r": "not" must be an object, found a list`)
	f(rule+`{"any":[`+leaf+`],"all":[`+leaf+`]}}`, `p.json:1:85: rule "r": found any and all in one object, of which the library ignores one; expected one of them`)
	f(rule+`{"condition":"x"}}`, `p.json:1:25: rule "r": found a shared condition, which is not supported; write the condition out`)
	f(rule+`{}}`, `p.json:1:24: rule "r": found conditions without all, any or not, expected one of them`)
	f(rule+`{"all":[{"fact":"a","operator":"equal"}]}}`, `p.json:1:32: rule "r": found a comparison without value, expected fact, operator and value`)
	f(rule+`{"all":[{"fact":"a","operator":"matches","value":1}]}}`, `p.json:1:55: rule "r": unknown operator: "matches", expected one of contains, doesNotContain, endsWith, equal, greaterThan, greaterThanInclusive, in, inNetwork, lessThan, lessThanInclusive, like, notEqual, notIn, startsWith`)
	f(rule+`{"all":[{"fact":"a","operator":"nor:equal","value":1}]}}`, `p.json:1:55: rule "r": unknown decorator: "nor", expected one of not, swap, someFact, everyFact, someValue, everyValue`)
	f(rule+`{"all":[{"fact":"a","operator":"in","value":1}]}}`, `p.json:1:68: rule "r": found 1 as the value of in, expected a list or a text`)
	f(rule+`{"all":[{"fact":"a","operator":"equal","value":[1]}]}}`, `p.json:1:71: rule "r": found a list as the value of equal, which no fact is equal to; write in or notIn for one of several`)
	f(rule+`{"all":[{"fact":"a","operator":"lessThan","value":"x"}]}}`, `p.json:1:74: rule "r": found "x" as the value of lessThan, expected a number`)
	f(rule+`{"all":[{"fact":"ip","operator":"inNetwork","value":"10.0.0.0/40"}]}}`, `p.json:1:76: rule "r": found "10.0.0.0/40" as a network, expected one such as "10.0.0.0/8"`)
	f(rule+`{"all":[{"fact":"a","path":"$.b[","operator":"equal","value":1}]}}`, `p.json:1:51: rule "r": found its end in the path "$.b[", expected an index, a name in quotes, * or ?(…)`)
	f(rule+`{"all":[{"fact":"a","patch":"b","operator":"equal","value":1}]}}`, `p.json:1:44: rule "r": found the key "patch" here, expected one of fact, operator, value, path, params, priority, name, comment, requirePresent; did you mean "path"?`)
	f(rule+`{"all":[{"fact":"operaton","operator":"equal","value":"A"}]}}`, `p.json:1:40: warning: rule "r": found the fact "operaton", which is the record's member of that name; did you mean "operation"?`)
	f(rule+`{"all":[{"fact":"risk","operator":"equal","value":"3"}]}}`, `p.json:1:74: rule "r": found risk compared with "3", expected a number`)
	f(rule+`{"all":[{"fact":"class","operator":"equal","value":"x"}]}}`, `p.json:1:75: rule "r": found equal of class, which is a list; expected contains, or someFact:equal`)
	f(rule+`{"all":[{"fact":"event_time","operator":"lessThan","value":"800"}]}}`, `p.json:1:83: rule "r": found "800" as a time of day, expected one from "0000" to "2359"`)
	f(rule+`{"all":[{"fact":"timeOfDay","operator":"equal","value":true}]}}`, `p.json:1:40: rule "r": found timeOfDay without params, expected {"dayStartTime": "HHMM", "dayEndTime": "HHMM"}`)
	f(rule+`{"all":[{"fact":"timeOfDay","operator":"equal","value":true,"params":{"dayStartTime":"1700","dayEndTime":"2500"}}]}}`, `p.json:1:129: rule "r": found the time of day "2500", expected one from "0000" to "2359"`)
	f(rule+`{"all":[`+leaf+`,`+last+`]}}`, `p.json:1:92: rule "r": found withInLast here, expected it at the root of an aggregate or coincident rule; is the rule's type right?`)

	// Windows.
	f(agg+`{"any":[`+leaf+`,`+count+`,`+last+`]}}`, `p.json:1:44: rule "r": found any at the root of a rule of type aggregate, expected all`)
	f(agg+`{"all":[`+leaf+`,`+last+`]}}`, `p.json:1:44: rule "r": found no occurrences at the root of an aggregate rule, expected one`)
	f(agg+`{"all":[`+leaf+`,`+count+`]}}`, `p.json:1:44: rule "r": found no withInLast at the root of a rule of type aggregate, expected one`)
	f(agg+`{"all":[`+count+`,`+last+`]}}`, `p.json:1:44: rule "r": found nothing in an aggregate rule that says which events to count, expected a comparison`)
	f(agg+`{"all":[`+leaf+`,{"any":[`+count+`]},`+last+`]}}`, `p.json:1:119: rule "r": found occurrences here, expected it at the root of an aggregate or coincident rule; is the rule's type right?`)
	f(agg+`{"all":[`+leaf+`,{"fact":"occurrences","operator":"lessThan","value":5},`+last+`]}}`, `p.json:1:136: rule "r": found the operator "lessThan" of occurrences, expected equal, greaterThan or greaterThanInclusive`)
	f(agg+`{"all":[`+leaf+`,{"fact":"occurrences","operator":"equal","value":0},`+last+`]}}`, `p.json:1:103: rule "r": found occurrences without a positive whole number of at most 100000 as its value, expected one`)
	for _, window := range []string{"0 minutes", "1441 minutes", "25 hours", "1.5 hours", "30", "30 seconds", "-5 minutes", "+5 minutes", " 5 minutes", "5  minutes"} {
		f(agg+`{"all":[`+leaf+`,`+count+`,{"fact":"withInLast","operator":"equal","value":"`+window+`"}]}}`,
			`p.json:1:203: rule "r": found the window "`+window+`", expected "X minutes" from 1 to 1440 or "X hours" from 1 to 24`)
	}
	f(coin+`{"all":[`+count+`,`+last+`]}}`, `p.json:1:52: rule "r": found occurrences at the root of a rule of type coincident, expected it beside its action in an all of their own`)
	f(coin+`{"all":[`+leaf+`,`+last+`]}}`, `p.json:1:45: rule "r": found no actions in a rule of type coincident, expected some with contains, or with occurrences in an all of their own`)
	f(coin+`{"all":[{"fact":"actions","operator":"doesNotContain","value":"A"},`+last+`]}}`, `p.json:1:52: rule "r": found a comparison of actions other than contains with a text, expected "operator": "contains" and an action`)
	f(coin+`{"all":[{"all":[`+count+`]},`+last+`]}}`, `p.json:1:52: rule "r": found nothing beside occurrences that says what to count, expected a comparison`)
	f(coin+`{"all":[{"fact":"actions","operator":"contains","value":"A"},`+last+`]}}`, `p.json:1:45: warning: rule "r": found one action in a rule of type coincident, expected several`)
}

func TestProblemsYAML(t *testing.T) {
	f := func(text, want string) {
		t.Run(want, func(t *testing.T) {
			_, problems := Parse("p.yaml", []byte(text), Options{})
			require.NotEmpty(t, problems, text)
			require.Equal(t, want, problems[0].Error(), text)
		})
	}
	f("", `p.yaml:1:1: found an empty file, expected a package of rules`)
	f("- id: a\n  title: [", `p.yaml:2:1: did not find expected node content`)
	f("- id: a\n  id: b\n", `p.yaml:2:3: found the key "id" twice in one object, expected it once`)
	f("- id: a\n  dormant: 0800\n", `p.yaml:2:12: found the number 0800, expected one without leading zeros; put a time such as "0800" in quotes`)
	f("- &x {id: a}\n- *x\n", `p.yaml:2:3: found the alias *x, expected a value; write it out`)
	f("- id: a\n  conditions:\n    all: []\n", `p.yaml:3:10: rule "a": found nothing in all, which the library takes for true; expected a condition`)
	f("a: 1\n---\nb: 2\n", `p.yaml:1:1: found several YAML documents in one file, expected one`)
}

// TestOneBadRule says that a bad rule disables itself only.
func TestOneBadRule(t *testing.T) {
	const sound = `"conditions":{"all":[{"fact":"operation","operator":"equal","value":"A"}]}`
	set, problems := Parse("p.json", []byte(`[{"id":"a",`+sound+`},{"id":"b","conditions":{"all":[]}},{"id":"c",`+sound+`},{"id":"a",`+sound+`}]`), Options{})
	require.Equal(t, 2, Errors(problems))
	var ids []string
	for _, r := range set.Rules() {
		ids = append(ids, r.ID)
	}
	require.Equal(t, []string{"a", "c"}, ids)
}
