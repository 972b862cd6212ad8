package eventlog

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/event/filter"
)

// plan is a filter and a span of time, ready to be asked of many blocks. It is
// safe for concurrent use.
type plan struct {
	w       bounds
	runs    []*condition // On provider and account: decided run by run.
	columns []planned    // On dictionaries: decided value by value.
	uids    []*condition
	texts   []*condition
	// hashes are of the uids of which a row must have one, where hasHash is set.
	hashes  []uint64
	hasHash bool
}

// planned is a condition on a dictionary-coded column.
type planned struct {
	*condition
	id    columnID
	split bool   // A value holds several words, of which one must do.
	enum  []bool // Of enumerations: the answer for every number.
	memo  *memo  // Of regular expressions.
}

// memo keeps what a regular expression said of values: the same ones are in
// very many blocks, and looking one up takes a hundredth of matching it.
type memo struct {
	mtx  sync.RWMutex
	said [2]map[string]bool // Without and with Azure's rules.
}

const maxMemo = 1 << 16

func (m *memo) ask(v string, azure bool, fn func() bool) bool {
	i := bit(azure)
	m.mtx.RLock()
	is, ok := m.said[i][v]
	m.mtx.RUnlock()
	if ok {
		return is
	}
	is = fn()
	m.mtx.Lock()
	defer m.mtx.Unlock()
	if m.said[i] == nil {
		m.said[i] = map[string]bool{}
	}
	if len(m.said[i]) < maxMemo {
		m.said[i][strings.Clone(v)] = is
	}
	return is
}

func newPlan(source string, from, to time.Time, l Lookups) (*plan, error) {
	f, err := ParseFilter(source, l, from, to)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadQuery, err)
	}
	if !from.IsZero() && !to.IsZero() && to.Before(from) {
		return nil, fmt.Errorf("%w: the end %s is before the start %s", ErrBadQuery, to.Format(time.RFC3339), from.Format(time.RFC3339))
	}
	p := &plan{w: span(from, to)}
	for i := range f.conditions {
		c := &f.conditions[i]
		switch {
		case c.field == nil:
			p.texts = append(p.texts, c)
		case c.Name == "provider" || c.Name == "account":
			p.runs = append(p.runs, c)
		case c.Name == "uid":
			p.uids = append(p.uids, c)
			if c.Op == filter.Equal && !p.hasHash {
				p.hasHash = true
				if members := c.Members(); members == nil {
					p.hashes = append(p.hashes, hashUID(c.Value))
				} else {
					for uid := range members {
						p.hashes = append(p.hashes, hashUID(uid))
					}
				}
			}
		default:
			id, ok := fieldColumns[c.Name]
			if !ok {
				return nil, fmt.Errorf("%w: field %s cannot be searched", ErrBadQuery, c.Name)
			}
			pc := planned{condition: c, id: id, split: id == colClass}
			if c.Regexp != nil && id != colClass {
				pc.memo = &memo{}
			}
			if names := enumNames()[id]; names != nil {
				pc.enum = make([]bool, len(names))
				for v, n := range names {
					pc.enum[v] = c.Accepts(n, false)
				}
			}
			p.columns = append(p.columns, pc)
		}
	}
	// The cheapest and the most selective first.
	slices.SortStableFunc(p.columns, func(a, b planned) int { return a.rank() - b.rank() })
	return p, nil
}

func (p *planned) rank() int {
	switch {
	case p.Op.Negative():
		return 3
	case p.enum != nil:
		return 1
	case p.Op == filter.Match:
		return 2
	}
	return 0
}

// verdicts of a condition over a dictionary.
const (
	noneMatch = iota
	someMatch
	allMatch
)

// decide evaluates the condition once for every value of the column. hit is by
// id and nil unless some match and some do not.
func (p *planned) decide(col *column, azure bool) (hit []bool, verdict int) {
	want := !p.Op.Negative()
	if p.enum != nil {
		if col.ids == nil {
			if p.enum[col.base] == want {
				return nil, allMatch
			}
			return nil, noneMatch
		}
		hit = make([]bool, len(p.enum))
		for i, is := range p.enum {
			hit[i] = is == want
		}
		return hit, someMatch
	}
	dict := col.words()
	hit = make([]bool, len(dict))
	n := 0
	for i, v := range dict {
		var is bool
		switch {
		case p.split:
			is = p.AcceptsAny(strings.Fields(v), azure)
		case p.memo != nil:
			is = p.memo.ask(v, azure, func() bool { return p.Accepts(v, azure) })
		default:
			is = p.Accepts(v, azure)
		}
		if col.off != nil {
			// Of a list it is enough to know the values that are named: see rows.
			hit[i] = is
		} else {
			hit[i] = is == want
		}
		if hit[i] {
			n++
		}
	}
	switch {
	case col.off != nil:
		return hit, someMatch
	case n == 0:
		return nil, noneMatch
	case n == len(dict):
		return nil, allMatch
	}
	return hit, someMatch
}

// keep drops the rows for which the condition does not hold.
func (p *planned) keep(rows []uint32, col *column, hit []bool) []uint32 {
	out := rows[:0]
	switch {
	case col.off != nil:
		want := !p.Op.Negative()
		empty := p.Accepts("", false)
		for _, r := range rows {
			ids := col.ids
			lo, hi := col.off[r], col.off[r+1]
			is := lo == hi && empty
			for i := lo; i < hi && !is; i++ {
				if ids == nil {
					is = hit[col.base]
				} else {
					is = hit[ids[i]]
				}
			}
			if is == want {
				out = append(out, r)
			}
		}
	case col.ids == nil:
		if hit[col.base] {
			return rows
		}
	default:
		for _, r := range rows {
			if hit[col.ids[r]] {
				out = append(out, r)
			}
		}
	}
	return out
}

// wants reports whether a block may have rows of the answer, by its header.
func (p *plan) wants(h *header) bool {
	return h.maxt >= p.w.from && h.mint < p.w.to && p.anyRun(len(h.runs), func(i int) *event.StreamKey {
		if r := &h.runs[i]; r.maxt < p.w.from || r.mint >= p.w.to {
			return nil
		}
		k := h.runs[i].stream.Value()
		return &k
	})
}

func (p *plan) anyRun(n int, key func(int) *event.StreamKey) bool {
	if len(p.runs) == 0 {
		return true
	}
	for i := range n {
		if k := key(i); k != nil && p.wantsStream(k) {
			return true
		}
	}
	return false
}

func (p *plan) wantsStream(k *event.StreamKey) bool {
	for _, c := range p.runs {
		v := k.Provider
		if c.Name == "account" {
			v = k.Account
		}
		if c.Accepts(v, false) == c.Op.Negative() {
			return false
		}
	}
	return true
}

// rows returns the rows of a block that satisfy the plan, rising, and how many
// were looked at. w may be narrower than the plan's own bounds.
func (p *plan) rows(b *block, w bounds) (rows []uint32, scanned int, err error) {
	if p.hasHash {
		may := false
		for i := 0; i < len(p.hashes) && !may; i++ {
			if may, err = b.mayHave(p.hashes[i]); err != nil {
				return nil, 0, err
			}
		}
		if !may {
			return nil, 0, nil
		}
	}
	// What each dictionary says is asked before a row is touched: most blocks
	// have no value that will do. Azure's operations have an answer of their own.
	type answer struct {
		col  *column
		hit  [2][]bool
		verd [2]int
	}
	answers := make([]answer, len(p.columns))
	var azures [2]bool
	for i := range b.hdr.runs {
		azures[azureIndex(&b.hdr.runs[i])] = true
	}
	possible := azures
	for i := range p.columns {
		c := &p.columns[i]
		col, err := b.column(c.id)
		if err != nil {
			return nil, 0, err
		}
		answers[i].col = col
		for az := range 2 {
			if !azures[az] {
				continue
			}
			if az == 1 && azures[0] && c.id != colOperation {
				answers[i].hit[1], answers[i].verd[1] = answers[i].hit[0], answers[i].verd[0]
			} else {
				answers[i].hit[az], answers[i].verd[az] = c.decide(col, az == 1)
			}
			if answers[i].verd[az] == noneMatch {
				possible[az] = false
			}
		}
		if !possible[0] && !possible[1] {
			return nil, 0, nil
		}
	}
	times, err := b.timeColumn()
	if err != nil {
		return nil, 0, err
	}
	for i := range b.hdr.runs {
		r := &b.hdr.runs[i]
		az := azureIndex(r)
		if r.maxt < w.from || r.mint >= w.to || !possible[az] {
			continue
		}
		if len(p.runs) > 0 {
			if k := r.stream.Value(); !p.wantsStream(&k) {
				continue
			}
		}
		lo, hi := rowRange(times, r, w)
		scanned += hi - lo
		first := len(rows)
		rows = slices.Grow(rows, hi-lo)
		for row := lo; row < hi; row++ {
			rows = append(rows, uint32(row))
		}
		part := rows[first:]
		for j := range p.columns {
			if len(part) == 0 {
				break
			}
			if answers[j].verd[az] == someMatch {
				part = p.columns[j].keep(part, answers[j].col, answers[j].hit[az])
			}
		}
		rows = rows[:first+len(part)]
	}
	if len(p.uids) > 0 && len(rows) > 0 {
		ids, err := b.uidColumn()
		if err != nil {
			return nil, scanned, err
		}
		for _, c := range p.uids {
			rows = slices.DeleteFunc(rows, func(r uint32) bool { return c.Accepts(ids[r], false) == c.Op.Negative() })
		}
	}
	if len(p.texts) > 0 && len(rows) > 0 {
		rows, err = p.matchTexts(b, rows)
	}
	return rows, scanned, err
}

func azureIndex(r *run) int {
	if r.stream.Value().Provider == providerAzure {
		return 1
	}
	return 0
}

// matchTexts drops the rows whose raw record does not satisfy the texts. Only
// frames that may hold what is wanted, or what is not, are decompressed.
func (p *plan) matchTexts(b *block, rows []uint32) ([]uint32, error) {
	raw := b.rawReader()
	if b.src == nil {
		for _, c := range p.texts {
			rows = slices.DeleteFunc(rows, func(r uint32) bool {
				return bytes.Contains(b.raws[r], c.needle) == c.Op.Negative()
			})
		}
		return rows, nil
	}
	dir, err := b.rawDirectory()
	if isCorrupt(err) && b.damaged != nil {
		b.damaged(err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	grams, err := b.gramFilters(len(dir.frames))
	if err != nil {
		return nil, err
	}
	for _, c := range p.texts {
		out := rows[:0]
		may := make([]bool, len(dir.frames))
		for i := range may {
			may[i] = grams[i].may(c.grams)
		}
		for _, r := range rows {
			is := false
			if may[dir.frame[r]] {
				rec, err := raw.row(int(r))
				if isCorrupt(err) && b.damaged != nil {
					b.damaged(err)
					continue // Nobody knows whether it would do.
				}
				if err != nil {
					return nil, err
				}
				is = bytes.Contains(rec, c.needle)
			}
			if is != c.Op.Negative() {
				out = append(out, r)
			}
		}
		rows = out
	}
	return rows, nil
}

// field returns the column of a field as words and, for every row, ids into
// them, for counting.
func (b *block) field(name string) (*column, error) {
	switch name {
	case "uid":
		ids, err := b.uidColumn()
		if err != nil {
			return nil, err
		}
		c := &column{dict: ids, ids: make([]uint32, len(ids))}
		for i := range c.ids {
			c.ids[i] = uint32(i)
		}
		return c, nil
	case "provider", "account":
		c := &column{dict: make([]string, len(b.hdr.runs)), ids: make([]uint32, b.hdr.rows)}
		for i := range b.hdr.runs {
			r := &b.hdr.runs[i]
			k := r.stream.Value()
			c.dict[i] = k.Provider
			if name == "account" {
				c.dict[i] = k.Account
			}
			for row := r.start; row < r.end; row++ {
				c.ids[row] = uint32(i)
			}
		}
		return c, nil
	}
	return b.column(fieldColumns[name])
}

// oldest and newest of what a plan can meet, for questions without bounds.
func (l *Log) extent() (first, last int64, ok bool) {
	l.mtx.Lock()
	defer l.mtx.Unlock()
	first, last = math.MaxInt64, math.MinInt64
	for _, st := range l.streams {
		if st.events > 0 {
			first, last = min(first, st.first), max(last, st.last)
		}
	}
	return first, last, first <= last
}
