package rules

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Limits bound what a State keeps. The zero value of each means its default.
type Limits struct {
	// Windows is how many groups of rules are remembered; 65,536.
	Windows int
	// Entries is how many events are remembered in all of them; 1,048,576, of
	// about 70 bytes each.
	Entries int
	// Lateness is how long after the newest event of a window an event may come
	// and still be right in every respect; 6 hours.
	Lateness time.Duration
}

func (l Limits) withDefaults() Limits {
	l.Windows = cmp.Or(l.Windows, 65_536)
	l.Entries = cmp.Or(l.Entries, 1<<20)
	l.Lateness = cmp.Or(l.Lateness, 6*time.Hour)
	return l
}

// Stats count what a State did and has.
type Stats struct {
	// Events were evaluated, Candidates are rules that the index gave for them,
	// Matches are rules of which an event was one that counts.
	Events, Candidates, Matches uint64
	// Dropped entries were forgotten while they could still count, for want of
	// room in their window; Evicted windows likewise, for want of room in all.
	Dropped, Evicted uint64
	// TooLate are events that came after their window had been forgotten.
	TooLate uint64
	// Windows and Entries are what is remembered.
	Windows, Entries int
}

// State is what the rules remember of one stream. One goroutine uses it at a
// time.
type State struct {
	limits  Limits
	windows map[windowKey]*window
	entries int
	// parent is what a fork reads through to.
	parent *State
	// swept is the watermark at which windows were last looked through.
	swept int64
	stats Stats
	// matched counts by rule, as Stats.Matches does for all.
	matched map[string]uint64

	context context
	probe   probe
	found   []uint32
	scratch []byte
}

// windowKey names a window: what its rule does, and the group.
type windowKey struct{ program, group string }

func (k windowKey) compare(l windowKey) int {
	return cmp.Or(strings.Compare(k.program, l.program), strings.Compare(k.group, l.group))
}

// NewState returns a state that remembers nothing.
func NewState(l Limits) *State {
	return &State{limits: l.withDefaults(), windows: map[windowKey]*window{}, matched: map[string]uint64{}}
}

// Fork returns a state that begins as st is. What is evaluated with it leaves st
// as it was. It costs next to nothing: windows are copied as they are touched, and
// until then they are those of st, with what st learns meanwhile.
func (st *State) Fork() *State {
	return &State{limits: st.limits, windows: map[windowKey]*window{}, matched: map[string]uint64{}, parent: st}
}

// window returns the window of that key, with room for so many terms.
func (st *State) window(key windowKey, terms int) *window {
	w := st.windows[key]
	for up := st.parent; w == nil && up != nil; up = up.parent {
		if old := up.windows[key]; old != nil {
			w = old.clone()
			st.windows[key] = w
			st.entries += w.size()
		}
	}
	if w == nil || len(w.terms) != terms {
		if w != nil {
			st.entries -= w.size()
		}
		w = &window{terms: make([][]entry, terms), newest: minMicros}
		st.windows[key] = w
	}
	return w
}

// minMicros is before every event, and far enough from the least number to
// subtract from.
const minMicros = -1 << 60

// makeRoom forgets the windows that were idle longest where there are too many,
// a sixteenth at a time.
func (st *State) makeRoom() {
	if len(st.windows) <= st.limits.Windows && st.entries <= st.limits.Entries {
		return
	}
	keys := st.keys()
	slices.SortFunc(keys, func(a, b windowKey) int {
		return cmp.Or(cmp.Compare(st.windows[a].newest, st.windows[b].newest), a.compare(b))
	})
	windows, entries := st.limits.Windows*15/16, st.limits.Entries/16*15
	for _, key := range keys {
		if len(st.windows) <= max(1, windows) && st.entries <= entries {
			return
		}
		st.forget(key)
		st.stats.Evicted++
	}
}

func (st *State) forget(key windowKey) {
	st.entries -= st.windows[key].size()
	delete(st.windows, key)
}

func (st *State) keys() []windowKey {
	keys := make([]windowKey, 0, len(st.windows))
	for key := range st.windows {
		keys = append(keys, key)
	}
	return keys
}

// maxWindow is the longest that a window can be.
const maxWindow = 24 * time.Hour

// Advance forgets the windows in which nothing can count any more, now that no
// event before the watermark is to come but late ones. It looks them through once
// an hour of event time.
func (st *State) Advance(watermark time.Time) {
	now := micros(watermark)
	if now-st.swept < time.Hour.Microseconds() {
		return
	}
	st.swept = now
	oldest := now - (maxWindow + st.limits.Lateness).Microseconds()
	for key, w := range st.windows {
		if w.newest <= oldest {
			st.forget(key)
		}
	}
}

// Adopt forgets the windows of rules that are not in the set. Rules whose
// conditions are as they were keep theirs.
func (st *State) Adopt(s *Set) {
	known := make(map[string]int, len(s.programs))
	for _, p := range s.programs {
		known[p.key] = len(p.terms)
	}
	for key, w := range st.windows {
		if terms, ok := known[key.program]; !ok || terms != len(w.terms) {
			st.forget(key)
		}
	}
}

// Stats returns what the state did since it was made or read, and what it has.
func (st *State) Stats() Stats {
	s := st.stats
	s.Windows, s.Entries = len(st.windows), st.entries
	return s
}

// Matched counts, by the id of the rule, the events that count for it, since the
// state was made or read: of a rule without a window those that it fired at. The map
// is a copy.
func (st *State) Matched() map[string]uint64 { return maps.Clone(st.matched) }
