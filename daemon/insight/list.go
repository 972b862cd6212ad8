package insight

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-memdb"

	"github.com/insightd/insightd/daemon/event"
)

// ErrQuery marks a question that cannot be answered as it was asked.
var ErrQuery = errors.New("bad question for insights")

// DefaultLimit is how many insights a page holds where a query does not say.
const DefaultLimit = 100

// Words are words of which one has to fit. No words ask for nothing.
type Words []string

func (w Words) fit(have string) bool { return len(w) == 0 || slices.Contains(w, have) }

// only returns the one word that fits, empty where there are several or none.
func (w Words) only() string {
	if len(w) != 1 {
		return ""
	}
	return w[0]
}

// Query asks for insights. A field at its zero value asks for nothing.
type Query struct {
	// Filter selects among what the rest of the query asks for.
	Filter *Filter
	// Types are the insight types.
	Types Words
	// State is the state that the insight is in. Where it is empty, withdrawn
	// ones are left out unless the filter names the state.
	State                      State
	Provider, Account, Region  Words
	Service, Operation         Words
	Object, Identity, UserType Words
	IP, Country                Words
	MinConfidence              float64
	Level, Severity            Words
	KRI, Incident              Words
	HighRisk, Suppressed       *bool
	// Provisional asks for what waits for the final pass, or for the rest.
	Provisional *bool
	// From and To ask for insights that were active at some time from From,
	// inclusive, to To, exclusive.
	From, To time.Time
	// Q is a part, without regard to case, of what the insight says: its summary,
	// its reasons, or any of its words.
	Q string
	// Sort is one of SortKeys, the highest first where a minus stands before
	// it. The default is the newest start first: "-start".
	Sort string
	// Limit is how many a page holds at the most; 0 is DefaultLimit.
	Limit int
	// Next is Page.Next of the page before.
	Next string
}

// Page is one page of an answer.
type Page struct {
	Insights []Insight
	// Next asks for the next page; it is empty at the end.
	Next string
}

// SortKeys are what insights can be sorted by.
func SortKeys() []string { return []string{"start", "end", "confidence", "severity", "score"} }

var severityRank = map[Severity]uint64{SeverityLow: 1, SeverityMedium: 2, SeverityHigh: 3, SeverityCritical: 4}

// order says how insights are sorted: by a number, and by id where it is equal.
type order struct {
	name    string
	falling bool
	key     func(*Insight) uint64
}

func parseOrder(s string) (order, error) {
	if s == "" {
		s = "-start"
	}
	name, falling := strings.CutPrefix(s, "-")
	o := order{name: s, falling: falling}
	switch name {
	case "start":
		o.key = func(i *Insight) uint64 { return timeKey(i.Start) }
	case "end":
		o.key = endKey
	case "confidence":
		o.key = func(i *Insight) uint64 { return floatKey(i.Confidence) }
	case "severity":
		o.key = func(i *Insight) uint64 { return severityRank[i.Severity] }
	case "score":
		o.key = func(i *Insight) uint64 { return floatKey(i.Score) }
	default:
		return o, fmt.Errorf("%w: sort %q: it is one of %s, with a minus before it for the highest first", ErrQuery, s, strings.Join(SortKeys(), ", "))
	}
	return o, nil
}

// place is where an insight stands in an order.
type place struct {
	key uint64
	id  string
}

func (o order) place(e *entry) place { return place{key: o.key(e.cur), id: e.id} }

func (o order) compare(a, b place) int {
	c := cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.id, b.id))
	if o.falling {
		return -c
	}
	return c
}

// cursor is the place as a reader gets it. It holds the order too, since it
// means nothing in another.
func (o order) cursor(p place) string {
	b := append([]byte(o.name), 0)
	b = binary.BigEndian.AppendUint64(b, p.key)
	return base64.RawURLEncoding.EncodeToString(append(b, p.id...))
}

func (o order) parse(cursor string) (place, error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		if rest, ok := strings.CutPrefix(string(b), o.name+"\x00"); ok && len(rest) >= 8 {
			return place{key: binary.BigEndian.Uint64([]byte(rest[:8])), id: rest[8:]}, nil
		}
	}
	return place{}, fmt.Errorf("%w: next %q is not from a page in the order %q", ErrQuery, cursor, o.name)
}

// List returns a page of insights in their newest revision. A page begins where
// the one before ended, whatever has changed in between.
func (s *Store) List(q Query) (Page, error) {
	o, err := parseOrder(q.Sort)
	if err != nil {
		return Page{}, err
	}
	if q.Limit < 0 {
		return Page{}, fmt.Errorf("%w: limit %d is negative", ErrQuery, q.Limit)
	}
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	var after *place
	if q.Next != "" {
		p, err := o.parse(q.Next)
		if err != nil {
			return Page{}, err
		}
		after = &p
	}
	found, err := q.find(s.db.Txn(false), o, after)
	if err != nil {
		return Page{}, fmt.Errorf("listing insights: %w", err)
	}
	var page Page
	if len(found) > q.Limit {
		found = found[:q.Limit]
		page.Next = o.cursor(o.place(found[len(found)-1]))
	}
	page.Insights = make([]Insight, len(found))
	for n, e := range found {
		page.Insights[n] = *e.cur
	}
	return page, nil
}

// index names the index that leaves the fewest to look at, and the beginning of
// its keys. It is that of starts where no other helps.
func (q *Query) index() (string, []byte) {
	if id := q.Filter.equal("id"); id != "" {
		return indexID, textKey(id)
	}
	for _, by := range []struct {
		index, field string
		words        Words
	}{{indexIncident, "incident", q.Incident}, {indexIdentity, "identity", q.Identity}, {indexObject, "object", q.Object}} {
		if w := cmp.Or(by.words.only(), q.Filter.equal(by.field)); w != "" {
			return by.index, textKey(w)
		}
	}
	provider, account := q.Provider.only(), q.Account.only()
	switch {
	case q.State == StateStart, q.State == StateWithdrawn:
		return indexState, textKey(string(q.State))
	case provider != "" && account != "":
		return indexAccount, textKey(provider, account)
	}
	return indexStart, nil
}

// find returns what a page holds, and one more where there is one. Where an
// index is in the order that is asked for, it is walked until the page is full;
// otherwise everything that fits is looked at.
func (q *Query) find(txn *memdb.Txn, o order, after *place) ([]*entry, error) {
	match := q.matcher()
	index, prefix := q.index()
	few := index == indexID || index == indexIncident || index == indexIdentity || index == indexObject
	sorted := false
	switch name := strings.TrimPrefix(o.name, "-"); {
	case index == indexID: // It is one at the most, and the index has no starts.
	case name == "start":
		sorted = true
	case name == "end" && !few:
		index, prefix, sorted = indexEnd, nil, true
	}
	if !sorted {
		return gather(txn, index, prefix, o, after, q.Limit+1, match)
	}
	var from *uint64
	if after != nil {
		from = &after.key
	} else if o.falling && index != indexEnd && !q.To.IsZero() {
		to := timeKey(q.To)
		from = &to
	}
	var out []*entry
	err := walk(txn, index, prefix, o.falling, from, func(e *entry) bool {
		if (after == nil || o.compare(o.place(e), *after) > 0) && match(e.cur) {
			out = append(out, e)
		}
		return len(out) <= q.Limit
	})
	return out, err
}

// gather returns the first n of what is under a key of an index, and all of it
// where n is 0.
func gather(txn *memdb.Txn, index string, prefix []byte, o order, after *place, n int, match func(*Insight) bool) ([]*entry, error) {
	best := top[*entry]{n: n, o: o}
	err := walk(txn, index, prefix, false, nil, func(e *entry) bool {
		if match(e.cur) {
			if p := o.place(e); after == nil || o.compare(p, *after) > 0 {
				best.add(p, e)
			}
		}
		return true
	})
	return best.sorted(), err
}

// top keeps the first n of what it is given in an order, and everything where n
// is 0: as a heap with the last of them on top.
type top[T any] struct {
	n     int
	o     order
	items []placed[T]
}

type placed[T any] struct {
	place place
	item  T
}

func (t *top[T]) add(p place, item T) {
	if t.n == 0 || len(t.items) < t.n {
		t.items = append(t.items, placed[T]{p, item})
		if len(t.items) == t.n {
			for k := t.n/2 - 1; k >= 0; k-- {
				t.sink(k)
			}
		}
		return
	}
	if t.o.compare(p, t.items[0].place) < 0 {
		t.items[0] = placed[T]{p, item}
		t.sink(0)
	}
}

func (t *top[T]) sink(k int) {
	for {
		child := 2*k + 1
		if child >= len(t.items) {
			return
		}
		if r := child + 1; r < len(t.items) && t.o.compare(t.items[r].place, t.items[child].place) > 0 {
			child = r
		}
		if t.o.compare(t.items[child].place, t.items[k].place) <= 0 {
			return
		}
		t.items[k], t.items[child] = t.items[child], t.items[k]
		k = child
	}
}

func (t *top[T]) sorted() []T {
	slices.SortFunc(t.items, func(a, b placed[T]) int { return t.o.compare(a.place, b.place) })
	out := make([]T, len(t.items))
	for n := range t.items {
		out[n] = t.items[n].item
	}
	return out
}

// matcher returns what decides whether an insight fits.
func (q *Query) matcher() func(*Insight) bool {
	if q.State == "" && !q.Filter.names(fieldState) {
		return func(i *Insight) bool { return i.State != StateWithdrawn && q.fits(i) }
	}
	return q.fits
}

// fits reports whether an insight is one that is asked for, withdrawn or not.
func (q *Query) fits(i *Insight) bool {
	return (q.State == "" || q.State == i.State) && q.Types.fit(i.Type) &&
		q.Provider.fit(i.Provider) && q.Account.fit(i.Account) && q.Region.fit(i.Region) &&
		q.Service.fit(i.Service) && q.Operation.fit(i.Operation) && q.Object.fit(i.Object) &&
		q.Identity.fit(i.Identity) && q.UserType.fit(i.UserType) && q.KRI.fit(i.KRI) &&
		q.Incident.fit(i.Incident) && q.Severity.fit(string(i.Severity)) &&
		i.Confidence >= q.MinConfidence && q.Level.fit(Level(i.Confidence)) &&
		(q.HighRisk == nil || *q.HighRisk == i.HighRisk) &&
		(q.Provisional == nil || *q.Provisional == i.Provisional) &&
		(q.Suppressed == nil || *q.Suppressed == (i.Suppressed != "")) &&
		i.during(q.From, q.To) && i.from(q.IP, q.Country) && q.Filter.Match(i) &&
		(q.Q == "" || i.mentions(strings.ToLower(q.Q)))
}

// during reports whether the insight was active at some time from from to to.
func (i *Insight) during(from, to time.Time) bool {
	if !to.IsZero() && !i.Start.Before(to) {
		return false
	}
	if from.IsZero() || i.End.IsZero() && i.Active() {
		return true
	}
	end := i.End
	if end.IsZero() {
		end = i.Detected
	}
	return !end.Before(from)
}

// from reports whether one address behind the insight fits both.
func (i *Insight) from(ip, country Words) bool {
	if len(ip) == 0 && len(country) == 0 {
		return true
	}
	return slices.ContainsFunc(i.SourceIPs, func(s SourceIP) bool { return ip.fit(s.IP) && country.fit(s.Country) })
}

// mentions reports whether the lower-case text is part of what the insight says.
func (i *Insight) mentions(text string) bool {
	has := func(s string) bool { return containsFold(s, text) }
	words := [...]string{i.Summary, i.Object, i.Identity, i.Operation, i.Service, i.Account, i.Region, i.ID, i.Type, i.KRI, i.UserType, i.Suppressed}
	return slices.ContainsFunc(words[:], has) || slices.ContainsFunc(i.Resources, has) || slices.ContainsFunc(i.AccessKeyIDs, has) || slices.ContainsFunc(i.Attack, has) ||
		slices.ContainsFunc(i.SourceIPs, func(s SourceIP) bool { return has(s.IP) }) ||
		slices.ContainsFunc(i.Reasons, func(r Reason) bool { return has(r.Text) })
}

// containsFold reports whether the lower-case text is part of s, without regard
// to case. It makes no copy of what is ASCII.
func containsFold(s, text string) bool {
	for k := range len(s) {
		if s[k] >= utf8.RuneSelf {
			return strings.Contains(strings.ToLower(s), text)
		}
	}
	for k := 0; k+len(text) <= len(s); k++ {
		n := 0
		for n < len(text) {
			c := s[k+n]
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			if c != text[n] {
				break
			}
			n++
		}
		if n == len(text) {
			return true
		}
	}
	return false
}

// Get returns the newest revision of an insight.
func (s *Store) Get(id string) (Insight, bool) {
	e := get(s.db.Txn(false), id)
	if e == nil {
		return Insight{}, false
	}
	return *e.cur, true
}

// OfIdentity returns the newest insights of an identity, most of them at the
// most, without those that were withdrawn, and how many of all go on and are not
// suppressed.
func (s *Store) OfIdentity(stream event.StreamKey, identity string, most int) (newest []Insight, active int) {
	err := walk(s.db.Txn(false), indexIdentity, textKey(identity), true, nil, func(e *entry) bool {
		i := e.cur
		if i.State == StateWithdrawn || i.Provider != stream.Provider || i.Account != stream.Account {
			return true
		}
		if len(newest) < most {
			newest = append(newest, *i)
		}
		if i.Active() && i.Suppressed == "" {
			active++
		}
		return true
	})
	if err != nil {
		return nil, 0 // The index is there, and so is its key.
	}
	return newest, active
}

// Records returns the records of an insight, revision by revision. Every
// revision repeats its Start, and its End once ended; the confidence in a Start
// is what was told then.
func (s *Store) Records(id string) []Record {
	e := get(s.db.Txn(false), id)
	if e == nil {
		return nil
	}
	return e.records()
}

// Active returns the insights that go on, in order of start and id.
func (s *Store) Active() []Insight {
	txn := s.db.Txn(false)
	o, _ := parseOrder("start")
	es, err := gather(txn, indexState, textKey(stateStart), o, nil, 0, func(*Insight) bool { return true })
	if err != nil {
		return nil // The index is there, and so is its key.
	}
	out := make([]Insight, len(es))
	for n, e := range es {
		out[n] = *e.cur
	}
	return out
}

// Matches reports whether the query would find the insight, whatever page it is
// on. Where it names no state, withdrawn insights match too.
func (q *Query) Matches(i *Insight) bool { return q.fits(i) }
