package engine

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/insightd/insightd/daemon/insight"
)

// ErrIdentities marks a question for identities that cannot be answered as it
// was asked.
var ErrIdentities = errors.New("bad question for identities")

// IdentityQuery asks for what is known of identities. Of lists, one has to fit.
type IdentityQuery struct {
	Provider, Account, Kind []string
	// Class is the class that they are of, such as insight.ClassAutomation.
	Class string
	// Text is part of the identity's name, without regard to case.
	Text string
	// Sort is activity, last_seen or risk, the highest first where a minus stands
	// before it, and by stream and name where it is empty.
	Sort  string
	Limit int
	// Next is what the page before gave.
	Next string
}

// row is where an identity stands in an order: by a number, and by stream and
// name where it is equal.
type row struct {
	s        *stream
	identity string // not its symbol, which changes when the stream is made smaller
	key      uint64
	name     string
}

// identityKey returns the number that an order is by.
func identityKey(sort string) (of func(*who) uint64, err error) {
	switch strings.TrimPrefix(sort, "-") {
	case "":
		return func(*who) uint64 { return 0 }, nil
	case "activity":
		return func(w *who) uint64 { return w.events }, nil
	case "last_seen":
		return func(w *who) uint64 { return uint64(max(0, w.last.UnixMicro())) }, nil
	case "risk":
		return func(w *who) uint64 { return w.riskDay }, nil
	}
	return nil, fmt.Errorf("%w: sort %q: it is activity, last_seen or risk, with a minus before it for the highest first", ErrIdentities, sort)
}

// Identities lists identities; next is empty at the end. A page begins behind
// the place where the one before ended.
func (e *Engine) Identities(ctx context.Context, q IdentityQuery) ([]insight.Profile, string, error) {
	key, err := identityKey(q.Sort)
	if err != nil {
		return nil, "", err
	}
	after, err := q.parse()
	if err != nil {
		return nil, "", err
	}
	rows, err := e.rows(ctx, &q, key)
	if err != nil {
		return nil, "", err
	}
	if after != nil {
		rows = slices.DeleteFunc(rows, func(r row) bool { return q.compare(r, *after) <= 0 })
	}
	slices.SortFunc(rows, q.compare)
	next := ""
	if q.Limit > 0 && len(rows) > q.Limit {
		rows = rows[:q.Limit]
		next = q.cursor(rows[len(rows)-1])
	}
	out := make([]insight.Profile, 0, len(rows))
	for _, r := range rows {
		if p, known := r.profile(); known {
			out = append(out, p)
		}
	}
	return out, next, nil
}

// profile is what is known of the row's identity, which may have made room since.
func (r *row) profile() (p insight.Profile, known bool) {
	r.s.ask(func() {
		w := r.s.identities[r.s.symbols.byName[r.identity]]
		if known = w != nil && w.name == r.identity; known {
			p = r.s.profile(w)
		}
	})
	return p, known
}

// rows lists the identities that fit.
func (e *Engine) rows(ctx context.Context, q *IdentityQuery, key func(*who) uint64) ([]row, error) {
	fit := func(words []string, have string) bool { return len(words) == 0 || slices.Contains(words, have) }
	text := strings.ToLower(q.Text)
	var rows []row
	for _, s := range e.list() {
		if !fit(q.Provider, s.key.Provider) || !fit(q.Account, s.key.Account) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.ask(func() {
			var of map[string]string
			if q.Class != "" {
				of = s.automated()
			}
			for _, w := range s.identities {
				if !fit(q.Kind, w.kind.String()) || text != "" && !strings.Contains(strings.ToLower(w.name), text) ||
					q.Class != "" && (q.Class != insight.ClassAutomation || of[w.name] == "") {
					continue
				}
				rows = append(rows, row{s: s, identity: w.name, key: key(w), name: s.key.String() + "\x00" + w.name})
			}
		})
	}
	return rows, nil
}

func (q *IdentityQuery) compare(a, b row) int {
	n := cmp.Compare(a.key, b.key)
	if strings.HasPrefix(q.Sort, "-") {
		n = -n
	}
	return cmp.Or(n, strings.Compare(a.name, b.name))
}

// cursor is a place as a reader gets it. It holds the order too, since it means
// nothing in another.
func (q *IdentityQuery) cursor(r row) string {
	b := binary.BigEndian.AppendUint64(append([]byte(q.Sort), 0), r.key)
	return base64.RawURLEncoding.EncodeToString(append(b, r.name...))
}

// parse reads the cursor of the page before, nil where there is none.
func (q *IdentityQuery) parse() (*row, error) {
	if q.Next == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(q.Next)
	rest, ok := strings.CutPrefix(string(b), q.Sort+"\x00")
	if err != nil || !ok || len(rest) < 8 {
		return nil, fmt.Errorf("%w: next %q is not from a page in the order %q", ErrIdentities, q.Next, q.Sort)
	}
	return &row{key: binary.BigEndian.Uint64([]byte(rest[:8])), name: rest[8:]}, nil
}

// Identity returns the identity of that id.
func (e *Engine) Identity(_ context.Context, id string) (p insight.Profile, known bool, err error) {
	known = e.find(id, func(s *stream, w *who) { p = s.profile(w) })
	return p, known, nil
}

// classify puts into a profile what is learned of the identity as a whole.
func (s *stream) classify(p *insight.Profile, w *who) {
	p.Risk, p.RiskUsual = w.riskDay, math.Round(w.riskUsual()*10)/10
	if why := s.automated()[w.name]; why != "" {
		p.Class, p.ClassReason = insight.ClassAutomation, why
	}
}
