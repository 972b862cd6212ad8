package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// Set is the rules that are in use, compiled. It is immutable and safe for
// concurrent use: a reload makes another and puts it in its place.
type Set struct {
	rules    []*Rule // All, in the order of their ids.
	byID     map[string]*Rule
	programs []*program
	index    *index
	// readers are the programs that look into records, with an index of their own.
	readers      []*program
	readersIndex *index
	hash         string
	// slots is how many facts behind paths the programs ask for.
	slots int
}

// newSet makes a set of rules. The dormant ones are listed and not run.
func newSet(list []parsed) *Set {
	slices.SortFunc(list, func(a, b parsed) int { return strings.Compare(a.id, b.id) })
	s := &Set{byID: make(map[string]*Rule, len(list))}
	h := sha256.New()
	same := slots{}
	for i := range list {
		r := list[i].rule
		s.rules = append(s.rules, r)
		s.byID[r.ID] = r
		h.Write([]byte(r.Hash))
		if p := list[i].program; p != nil && !r.Dormant {
			s.programs = append(s.programs, p)
			if p.readsRecord() {
				s.readers = append(s.readers, p)
			}
			for _, ref := range p.refs {
				same.assign(ref)
			}
		}
	}
	s.index, s.readersIndex, s.slots = newIndex(s.programs), newIndex(s.readers), len(same)
	s.hash = hex.EncodeToString(h.Sum(nil)[:8])
	return s
}

// Rules lists the rules in the order of their ids, the dormant ones too. The
// slice is the set's.
func (s *Set) Rules() []*Rule { return s.rules }

// Active is how many rules are evaluated.
func (s *Set) Active() int { return len(s.programs) }

// Rule returns the rule of that id.
func (s *Set) Rule(id string) (*Rule, bool) {
	r, ok := s.byID[id]
	return r, ok
}

// Unindexed lists the rules that are evaluated against every event, or against
// every one of a category, an outcome or a country, since their conditions name
// nothing rarer.
func (s *Set) Unindexed() []*Rule {
	var out []*Rule
	for _, p := range s.programs {
		if keys, ok := p.anchors(); !ok || worst(keys) > anchorRanks[IdentityKind] {
			out = append(out, p.rule)
		}
	}
	return out
}

// Hash is the same for two sets that find the same.
func (s *Set) Hash() string { return s.hash }

// MatchState says what became of a rule with an event.
type MatchState uint8

const (
	// Fired says that the rule holds and did not before this event.
	Fired MatchState = iota
	// Held says that the rule counts this event, and held before and goes on to. Only
	// rules with a window are held; a finding that is open lasts longer by it.
	Held
	// Withdrawn says that what had fired at this event would not have, had an
	// event that came late come in time: the rule held already.
	Withdrawn
)

func (m MatchState) String() string { return [...]string{"fired", "held", "withdrawn"}[m] }

// Match is a rule that an event matches. It shares no memory with the event.
type Match struct {
	Rule  *Rule
	State MatchState
	// Time and UID are those of the event that decided. It is the event that was
	// evaluated, or a later one that is decided by an event that came late.
	Time time.Time
	UID  string
	// Since is the time of the first event that counts, and Until the end of the
	// window: if no other match extends it, the finding ends then. For a boolean
	// rule both are Time.
	Since, Until time.Time
	// Count is how many events count, and UIDs are the last of them, in order, 20
	// at most.
	Count int
	UIDs  []string
	// Group is what the events have in common, by the facts of Rule.GroupBy; it
	// is empty where the rule counts by account.
	Group []GroupValue
	// Leaves are the comparisons that made the event match, of a match that fired
	// at the event that was evaluated.
	Leaves []Leaf
}

// GroupValue is one fact that the events of a window have in common.
type GroupValue struct{ Fact, Value string }

// Evaluate evaluates the rules that the event may match, keeps in st what rules
// with windows have to know of it, and appends what matched to out, in the order
// of the rules' ids.
//
// Events should come in the order of (time, uid). An event that comes later than
// that is put in its place, and what it changes in the matches of events after it
// is told too. An event that comes twice counts once.
func (s *Set) Evaluate(st *State, f Facts, out []Match) []Match {
	c := &st.context
	c.reset(f, s.slots)
	st.stats.Events++
	st.found = st.found[:0]
	if c.plain {
		for i := range s.programs {
			st.found = append(st.found, uint32(i))
		}
	} else {
		st.found, st.scratch = s.index.candidates(f, st.scratch, st.found)
	}
	st.stats.Candidates += uint64(len(st.found))
	for _, i := range st.found {
		p := s.programs[i]
		bits := p.matches(c)
		if bits == 0 {
			continue
		}
		st.stats.Matches++
		st.matched[p.rule.ID]++
		if p.window > 0 {
			out = st.observe(p, bits, out)
			continue
		}
		at := f.Time().UTC()
		uid := strings.Clone(f.UID())
		out = append(out, Match{
			Rule: p.rule, Time: at, UID: uid, Since: at, Until: at, Count: 1, UIDs: []string{uid},
			Leaves: p.explain(c, bits),
		})
	}
	c.release()
	return out
}
