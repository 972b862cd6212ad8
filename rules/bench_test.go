package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// manyRules makes a package of n rules as packs have them: most of one or a few
// operations, some of a class or a service and a look into the record, one in ten
// with a window.
func manyRules(n int) string {
	var b strings.Builder
	b.WriteString(`{"provider":"aws","rules":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		equal := func(fact, value string) string {
			return fmt.Sprintf(`{"fact":%q,"operator":"equal","value":%q}`, fact, value)
		}
		operation := equal("operation", fmt.Sprintf("Operation%d", i))
		switch i % 10 {
		case 0:
			fmt.Fprintf(&b, `{"id":"r%d","type":"aggregate","groupBy":["identity"],"conditions":{"all":[%s,%s,{"fact":"occurrences","operator":"greaterThanInclusive","value":5},{"fact":"withInLast","operator":"equal","value":"10 minutes"}]}}`,
				i, operation, equal("outcome", "error"))
		case 1:
			fmt.Fprintf(&b, `{"id":"r%d","conditions":{"all":[{"any":[%s,%s]},{"fact":"identity","operator":"notIn","value":["arn:aws:iam::1:user/ci"]}]}}`,
				i, operation, equal("operation", fmt.Sprintf("Other%d", i)))
		case 2:
			fmt.Fprintf(&b, `{"id":"r%d","conditions":{"all":[%s,%s,{"fact":"requestParameters","path":"$..Statement[?(@.Effect=='Allow' && @.Principal=='*')]","operator":"notEqual","value":null}]}}`,
				i, equal("service", fmt.Sprintf("service%d.amazonaws.com", i%200)), equal("outcome", "success"))
		default:
			fmt.Fprintf(&b, `{"id":"r%d","conditions":{"all":[%s,{"fact":"event_time","operator":"greaterThan","value":"0000"}]}}`, i, operation)
		}
	}
	b.WriteString("]}")
	return b.String()
}

// BenchmarkEvaluate has two sorts of traffic: calls that rules know nothing of,
// as nearly all are, of a service that some know and of an operation that one in
// twenty events has. The traffic is the same for any number of rules.
func BenchmarkEvaluate(b *testing.B) {
	raw := []byte(`{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::1:user/a"},"eventSource":"service2.amazonaws.com","eventName":"X","requestParameters":{"bucketName":"b","policy":"{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"1\"}}]}"},"responseElements":null,"requestID":"r","eventID":"e","padding":"` + strings.Repeat("x", 800) + `"}`)
	for _, n := range []int{50, 500, 5000} {
		set, problems := Parse("p.json", []byte(manyRules(n)), Options{})
		if len(problems) > 0 {
			b.Fatal(problems[0])
		}
		var events []*testFacts
		for i := range 1000 {
			operation := fmt.Sprintf("Describe%d", i%100)
			if i%20 == 0 {
				operation = fmt.Sprintf("Operation%d", i/20)
			}
			outcome := "success"
			if i%7 == 0 {
				outcome = "error"
			}
			events = append(events, &testFacts{uid: fmt.Sprintf("e%d", i), raw: raw, fields: map[Field]Value{
				Provider: Text("aws"), Account: Text("1"), Operation: Text(operation), Service: Text(fmt.Sprintf("service%d.amazonaws.com", i%40)),
				Outcome: Text(outcome), Identity: Text("arn:aws:iam::1:user/a"),
			}})
		}
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			st := NewState(Limits{})
			var out []Match
			for i := 0; b.Loop(); i++ {
				e := events[i%len(events)]
				e.at = monday.Add(time.Duration(i) * time.Second)
				out = set.Evaluate(st, e, out[:0])
			}
			s := st.Stats()
			b.ReportMetric(float64(s.Candidates)/float64(s.Events), "candidates/event")
			b.ReportMetric(float64(s.Matches)/max(1, float64(s.Candidates)), "hits/candidate")
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	text := []byte(manyRules(5000))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if set, problems := Parse("p.json", text, Options{}); len(problems) > 0 || len(set.rules) != 5000 {
			b.Fatal(problems)
		}
	}
}
