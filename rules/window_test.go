package rules

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// call is an event of a test of windows.
type call struct {
	at        time.Duration
	operation string
	ip        string
}

func (c call) facts(i int) *testFacts {
	return &testFacts{at: monday.Add(c.at), uid: fmt.Sprintf("e%03d", i), fields: map[Field]Value{
		Provider: Text("aws"), Account: Text("1"), Operation: Text(c.operation), IP: TextOrNull(c.ip),
	}}
}

func compileOne(t testing.TB, text string) *Set {
	t.Helper()
	set, problems := Parse("test.json", []byte(text), Options{})
	require.Empty(t, problems)
	return set
}

// fired evaluates calls in the order of perm and returns at which of them the rule
// fired, in the end.
func fired(set *Set, calls []call, perm []int) []string {
	st := NewState(Limits{})
	in := map[string]bool{}
	var ms []Match
	for _, i := range perm {
		ms = set.Evaluate(st, calls[i].facts(i), ms[:0])
		for _, m := range ms {
			switch m.State {
			case Fired:
				if in[m.UID] {
					panic("fired twice at " + m.UID)
				}
				in[m.UID] = true
			case Withdrawn:
				if !in[m.UID] {
					panic("withdrawn what had not fired at " + m.UID)
				}
				delete(in, m.UID)
			}
		}
	}
	var out []string
	for uid := range in {
		out = append(out, uid)
	}
	slices.Sort(out)
	return out
}

func inOrder(n int) []int {
	perm := make([]int, n)
	for i := range perm {
		perm[i] = i
	}
	return perm
}

// windowRules are rules of every sort over the operations A, B and C, in windows
// of ten minutes.
var windowRules = map[string]string{
	"at least": `{"id":"r","type":"aggregate","conditions":{"all":[
		{"fact":"operation","operator":"equal","value":"A"},
		{"fact":"occurrences","operator":"greaterThanInclusive","value":3},
		{"fact":"withInLast","operator":"equal","value":"10 minutes"}]}}`,
	"more than": `{"id":"r","type":"aggregate","conditions":{"all":[
		{"fact":"operation","operator":"in","value":["A","B"]},
		{"fact":"occurrences","operator":"greaterThan","value":3},
		{"fact":"withInLast","operator":"equal","value":"10 minutes"}]}}`,
	"equal": `{"id":"r","type":"aggregate","groupBy":["ip"],"conditions":{"all":[
		{"fact":"operation","operator":"equal","value":"A"},
		{"fact":"occurrences","operator":"equal","value":2},
		{"fact":"withInLast","operator":"equal","value":"10 minutes"}]}}`,
	"coincident": `{"id":"r","type":"coincident","conditions":{"all":[
		{"fact":"actions","operator":"contains","value":"A"},
		{"all":[{"fact":"operation","operator":"in","value":["B","C"]},{"fact":"occurrences","operator":"greaterThanInclusive","value":2}]},
		{"fact":"withInLast","operator":"equal","value":"10 minutes"}]}}`,
	"sequence": `{"id":"r","type":"sequence","groupBy":"ip","conditions":{"all":[
		{"all":[{"fact":"operation","operator":"in","value":["A","C"]},{"fact":"occurrences","operator":"greaterThanInclusive","value":2}]},
		{"fact":"actions","operator":"contains","value":"B"},
		{"fact":"actions","operator":"contains","value":"C"},
		{"fact":"withInLast","operator":"equal","value":"10 minutes"}]}}`,
}

// plainly says at which calls a rule fires, by its definition: the rule holds in
// the ten minutes up to the call, and not in the same ten minutes without it.
func plainly(rule string, calls []call) []string {
	holds := func(seen []call) bool {
		count := func(operations string) int {
			n := 0
			for _, c := range seen {
				if strings.Contains(operations, c.operation) {
					n++
				}
			}
			return n
		}
		switch rule {
		case "at least":
			return count("A") >= 3
		case "more than":
			return count("AB") > 3
		case "equal":
			return count("A") == 2
		case "coincident":
			return count("A") >= 1 && count("BC") >= 2
		}
		// The sequence: the earliest of each after the one before.
		wanted := []string{"AC", "AC", "B", "C"}
		for _, c := range seen {
			if len(wanted) > 0 && strings.Contains(wanted[0], c.operation) {
				wanted = wanted[1:]
			}
		}
		return len(wanted) == 0
	}
	counted := map[string]string{"at least": "A", "more than": "AB", "equal": "A", "coincident": "ABC", "sequence": "ABC"}[rule]
	grouped := rule == "equal" || rule == "sequence"
	var out []string
	for i, c := range calls {
		if !strings.Contains(counted, c.operation) {
			continue
		}
		var before []call
		for _, d := range calls[:i] {
			if d.at > c.at-10*time.Minute && (!grouped || d.ip == c.ip) {
				before = append(before, d)
			}
		}
		if holds(append(before, c)) && !holds(before) {
			out = append(out, fmt.Sprintf("e%03d", i))
		}
	}
	return out
}

// TestWindows holds windows against their definition, in the order of the events
// and in any other, and over a snapshot in between.
func TestWindows(t *testing.T) {
	for name, text := range windowRules {
		t.Run(name, func(t *testing.T) {
			set := compileOne(t, text)
			r := rand.New(rand.NewPCG(1, 2))
			some := 0
			for range 300 {
				calls := make([]call, 1+r.IntN(40))
				for i := range calls {
					calls[i] = call{
						// Some at the same time, some exactly a window apart.
						at:        time.Duration(r.IntN(60)) * time.Minute,
						operation: string("ABCD"[r.IntN(4)]),
						ip:        []string{"192.0.2.1", "192.0.2.2", ""}[r.IntN(3)],
					}
				}
				slices.SortStableFunc(calls, func(a, b call) int { return int(a.at - b.at) })
				want := plainly(name, calls)
				some += len(want)
				require.Equal(t, want, fired(set, calls, inOrder(len(calls))))
				for range 3 {
					require.Equal(t, want, fired(set, calls, r.Perm(len(calls))))
				}
				require.Equal(t, want, fired(set, calls, append(inOrder(len(calls)), r.Perm(len(calls))...)), "each twice")
			}
			require.Greater(t, some, 10)
		})
	}
}

// TestSnapshotGoesOn says that a state that was written and read goes on as the
// one that was not.
func TestSnapshotGoesOn(t *testing.T) {
	for name, text := range windowRules {
		set := compileOne(t, text)
		r := rand.New(rand.NewPCG(3, 4))
		a, b := NewState(Limits{}), NewState(Limits{})
		for i := range 500 {
			c := call{time.Duration(i*20+r.IntN(400)) * time.Second, string("ABC"[r.IntN(3)]), "192.0.2.1"}
			require.Equal(t, set.Evaluate(a, c.facts(i), nil), set.Evaluate(b, c.facts(i), nil), name)
			if i%7 == 0 {
				snapshot := b.Snapshot(nil)
				require.Equal(t, snapshot, a.Snapshot(nil))
				var err error
				b, err = Restore(snapshot, Limits{})
				require.NoError(t, err)
				require.Equal(t, a.Stats().Entries, b.Stats().Entries)
			}
			if i%50 == 0 {
				a.Advance(monday.Add(c.at))
				b.Advance(monday.Add(c.at))
				b.Adopt(set)
			}
		}
	}
}

func TestFork(t *testing.T) {
	set := compileOne(t, windowRules["at least"])
	st := NewState(Limits{})
	for i := range 2 {
		require.Empty(t, set.Evaluate(st, call{time.Duration(i) * time.Minute, "A", ""}.facts(i), nil))
	}
	before := st.Snapshot(nil)
	fork := st.Fork()
	ms := set.Evaluate(fork, call{3 * time.Minute, "A", ""}.facts(3), nil)
	require.Len(t, ms, 1)
	require.Equal(t, Fired, ms[0].State)
	ms = set.Evaluate(fork.Fork(), call{4 * time.Minute, "A", ""}.facts(4), nil)
	require.Len(t, ms, 1)
	require.Equal(t, Held, ms[0].State)
	require.Equal(t, before, st.Snapshot(nil))
	ms = set.Evaluate(st, call{4 * time.Minute, "A", ""}.facts(4), nil)
	require.Len(t, ms, 1)
	require.Equal(t, Fired, ms[0].State)
}

// TestMatch says what is told of a match.
func TestMatch(t *testing.T) {
	set := compileOne(t, windowRules["sequence"])
	st := NewState(Limits{})
	var ms []Match
	for i, op := range []string{"C", "A", "B", "A", "C", "B"} {
		ms = append(ms, set.Evaluate(st, call{time.Duration(i) * time.Minute, op, "192.0.2.7"}.facts(i), nil)...)
	}
	require.Len(t, ms, 2)
	m := ms[0]
	require.Equal(t, Fired, m.State)
	require.Equal(t, monday.Add(4*time.Minute), m.Time)
	require.Equal(t, "e004", m.UID)
	require.Equal(t, monday, m.Since)
	require.Equal(t, monday.Add(14*time.Minute), m.Until)
	require.Equal(t, []string{"e000", "e001", "e002", "e003", "e004"}, m.UIDs)
	require.Equal(t, []GroupValue{{"ip", "192.0.2.7"}}, m.Group)
	require.Equal(t, "operation is C, in [\"A\",\"C\"]", m.Leaves[0].String())
	require.Equal(t, Held, ms[1].State)
	require.Equal(t, monday.Add(15*time.Minute), ms[1].Until)
}

// TestBounds says that no traffic makes a state larger than its limits, and that
// what it forgets is counted.
func TestBounds(t *testing.T) {
	set := compileOne(t, windowRules["equal"])
	st := NewState(Limits{Windows: 64, Entries: 4096})
	for i := range 20_000 {
		ip := fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
		if i%2 == 0 {
			ip = "192.0.2.1" // Many of one.
		}
		set.Evaluate(st, call{time.Duration(i) * time.Second / 10, "A", ip}.facts(i), nil)
		s := st.Stats()
		require.LessOrEqual(t, s.Windows, 64)
		require.LessOrEqual(t, s.Entries, 4096)
	}
	s := st.Stats()
	require.NotZero(t, s.Evicted)
	require.NotZero(t, s.Dropped)
	n := 0
	for _, w := range st.windows {
		n += w.size()
	}
	require.Equal(t, n, s.Entries)

	st.Advance(monday.Add(100 * time.Hour))
	require.Zero(t, st.Stats().Windows)
	require.Zero(t, st.Stats().Entries)

	set.Evaluate(st, call{100 * time.Hour, "A", ""}.facts(1), nil)
	set.Evaluate(st, call{time.Hour, "A", ""}.facts(2), nil)
	require.Equal(t, uint64(1), st.Stats().TooLate)
	st.Adopt(compileOne(t, windowRules["at least"]))
	require.Zero(t, st.Stats().Windows)
}
