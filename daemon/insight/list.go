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

	"github.com/hashicorp/go-memdb"
)

// ErrQuery marks a question that cannot be answered as it was asked.
var ErrQuery = errors.New("bad question for insights")

// DefaultLimit is how many insights a page holds where a query does not say.
const DefaultLimit = 100

// Query asks for insights. A field at its zero value asks for nothing.
type Query struct {
	// Types are the insight types of which one has to fit.
	Types []string
	// State is the state that the insight is in. Where it is empty, withdrawn
	// ones are left out.
	State                      State
	Provider, Account, Region  string
	Service, Operation         string
	Object, Identity, UserType string
	IP, Country                string
	MinConfidence              float64
	Level                      string
	Severity                   Severity
	KRI, Incident              string
	HighRisk, Suppressed       *bool
	// From and To ask for insights that were active at some time from From,
	// inclusive, to To, exclusive.
	From, To time.Time
	// Q is a part, without regard to case, of the summary, the object, the
	// identity, the operation, an address, a key, a resource or the id.
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
		// What goes on ends after everything else.
		o.key = func(i *Insight) uint64 {
			if i.End.IsZero() {
				return 1<<64 - 1
			}
			return timeKey(i.End)
		}
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
	match := q.matcher()
	txn := s.db.Txn(false)
	var found []*entry
	if name, key := q.index(); name == "" && (o.name == "start" || o.name == "-start") {
		found, err = walk(txn, o, after, q.Limit+1, match)
	} else {
		found, err = gather(txn, name, key, o, after, match)
	}
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

// index names the index that leaves the fewest to look at, and its key. The
// name is empty where none helps.
func (q *Query) index() (string, []byte) {
	switch {
	case q.Incident != "":
		return indexIncident, textKey(q.Incident)
	case q.Identity != "":
		return indexIdentity, textKey(q.Identity)
	case q.Object != "":
		return indexObject, textKey(q.Object)
	case q.State == StateStart, q.State == StateWithdrawn:
		return indexState, textKey(string(q.State))
	case q.Provider != "" && q.Account != "":
		return indexAccount, textKey(q.Provider, q.Account)
	case len(q.Types) == 1:
		return indexType, textKey(q.Types[0])
	}
	return "", nil
}

// walk goes along the starts and stops at n.
func walk(txn *memdb.Txn, o order, after *place, n int, match func(*Insight) bool) ([]*entry, error) {
	var it memdb.ResultIterator
	var err error
	switch {
	case after == nil && o.falling:
		it, err = txn.GetReverse(tableInsight, indexStart)
	case after == nil:
		it, err = txn.Get(tableInsight, indexStart)
	case o.falling && after.key < 1<<64-1:
		// The ids of the key stand behind it, so the walk begins at the next.
		it, err = txn.ReverseLowerBound(tableInsight, indexStart, numberKey(after.key+1))
	case o.falling:
		it, err = txn.GetReverse(tableInsight, indexStart)
	default:
		it, err = txn.LowerBound(tableInsight, indexStart, numberKey(after.key))
	}
	if err != nil {
		return nil, err
	}
	var out []*entry
	for x := it.Next(); x != nil && len(out) < n; x = it.Next() {
		e := x.(*entry)
		if after != nil && o.compare(o.place(e), *after) <= 0 || !match(e.cur) {
			continue
		}
		out = append(out, e)
	}
	return out, nil
}

// gather collects everything under a key of an index, or everything, and sorts
// it.
func gather(txn *memdb.Txn, index string, key []byte, o order, after *place, match func(*Insight) bool) ([]*entry, error) {
	var it memdb.ResultIterator
	var err error
	if index == "" {
		it, err = txn.Get(tableInsight, indexID)
	} else {
		it, err = txn.Get(tableInsight, index, key)
	}
	if err != nil {
		return nil, err
	}
	var out []*entry
	for x := it.Next(); x != nil; x = it.Next() {
		e := x.(*entry)
		if after != nil && o.compare(o.place(e), *after) <= 0 || !match(e.cur) {
			continue
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *entry) int { return o.compare(o.place(a), o.place(b)) })
	return out, nil
}

// matcher returns what decides whether an insight fits.
func (q *Query) matcher() func(*Insight) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	text := strings.ToLower(q.Q)
	return func(i *Insight) bool {
		if q.State == "" && i.State == StateWithdrawn || q.State != "" && i.State != q.State {
			return false
		}
		if len(q.Types) > 0 && !slices.Contains(q.Types, i.Type) {
			return false
		}
		return is(q.Provider, i.Provider) && is(q.Account, i.Account) && is(q.Region, i.Region) &&
			is(q.Service, i.Service) && is(q.Operation, i.Operation) && is(q.Object, i.Object) &&
			is(q.Identity, i.Identity) && is(q.UserType, i.UserType) && is(q.KRI, i.KRI) &&
			is(q.Incident, i.Incident) && is(string(q.Severity), string(i.Severity)) &&
			i.Confidence >= q.MinConfidence && is(q.Level, Level(i.Confidence)) &&
			(q.HighRisk == nil || *q.HighRisk == i.HighRisk) &&
			(q.Suppressed == nil || *q.Suppressed == (i.Suppressed != "")) &&
			i.during(q.From, q.To) && i.from(q.IP, q.Country) && (text == "" || i.mentions(text))
	}
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
func (i *Insight) from(ip, country string) bool {
	if ip == "" && country == "" {
		return true
	}
	return slices.ContainsFunc(i.SourceIPs, func(s SourceIP) bool {
		return (ip == "" || s.IP == ip) && (country == "" || s.Country == country)
	})
}

// mentions reports whether the lower-case text is part of what the insight says.
func (i *Insight) mentions(text string) bool {
	has := func(s string) bool { return strings.Contains(strings.ToLower(s), text) }
	return has(i.Summary) || has(i.Object) || has(i.Identity) || has(i.Operation) || has(i.ID) || has(i.Type) ||
		slices.ContainsFunc(i.Resources, has) || slices.ContainsFunc(i.AccessKeyIDs, has) ||
		slices.ContainsFunc(i.SourceIPs, func(s SourceIP) bool { return has(s.IP) })
}

// Get returns the newest revision of an insight.
func (s *Store) Get(id string) (Insight, bool) {
	e := get(s.db.Txn(false), id)
	if e == nil {
		return Insight{}, false
	}
	return *e.cur, true
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
	es, err := gather(txn, indexState, textKey(stateStart), o, nil, func(*Insight) bool { return true })
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
func (q *Query) Matches(i *Insight) bool {
	if q.State == "" && i.State == StateWithdrawn {
		w := *i
		w.State = StateEnd
		return q.matcher()(&w)
	}
	return q.matcher()(i)
}
