package models

import (
	"cmp"
	"slices"
	"strings"
)

const (
	// weeksKept is for how many weeks transactions are kept, the one under way
	// included.
	weeksKept = 4
	// transactionsKept is how many different ones are kept. Beyond it the eighth
	// that came least is forgotten.
	transactionsKept = 1024
	weekDays         = 7
)

// Transactions are sets of items with how often each came in the last four
// weeks. An item is "attribute=value".
type Transactions struct {
	week int32
	rows map[string]*[weeksKept]uint32 // by the items with a zero byte between
}

// NewTransactions returns an empty table.
func NewTransactions() *Transactions { return &Transactions{rows: map[string]*[weeksKept]uint32{}} }

// Add counts a transaction. Its items have no repeats.
func (t *Transactions) Add(items []string, m Minute) {
	t.advance(m)
	key := joined(items, -1)
	row := t.rows[key]
	if row == nil {
		if len(t.rows) >= transactionsKept {
			t.makeRoom()
		}
		row = new([weeksKept]uint32)
		t.rows[key] = row
	}
	row[t.week%weeksKept]++
}

// advance forgets what is older than four weeks.
func (t *Transactions) advance(m Minute) {
	week := m / dayMinutes / weekDays
	if t.week == 0 {
		t.week = week
	}
	if week <= t.week {
		return
	}
	for key, row := range t.rows {
		for w := max(t.week+1, week-weeksKept+1); w <= week; w++ {
			row[w%weeksKept] = 0
		}
		if sum(row) == 0 {
			delete(t.rows, key)
		}
	}
	t.week = week
}

func sum(row *[weeksKept]uint32) int {
	n := 0
	for _, c := range row {
		n += int(c)
	}
	return n
}

func (t *Transactions) makeRoom() {
	keys := t.keys()
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(sum(t.rows[a]), sum(t.rows[b])), strings.Compare(a, b))
	})
	for _, k := range keys[:len(keys)/8+1] {
		delete(t.rows, k)
	}
}

func (t *Transactions) keys() []string {
	keys := make([]string, 0, len(t.rows))
	for k := range t.rows {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// List returns the transactions, in order of their items, and how many there
// were in all.
func (t *Transactions) List() (list []Transaction, all int) {
	for _, k := range t.keys() {
		n := sum(t.rows[k])
		all += n
		list = append(list, Transaction{strings.Split(k, "\x00"), n})
	}
	return list, all
}

// Count is how many transactions there are with all of some items.
func (t *Transactions) Count(items ...string) int {
	n := 0
	for k, row := range t.rows {
		have := strings.Split(k, "\x00")
		if !slices.ContainsFunc(items, func(item string) bool { return !slices.Contains(have, item) }) {
			n += sum(row)
		}
	}
	return n
}

func (t *Transactions) fields(d *codec) {
	d.minute(&t.week)
	keys := t.keys()
	for i := range d.count(len(keys), transactionsKept) {
		if d.reading {
			keys = append(keys, "")
		}
		d.text(&keys[i])
		row := t.rows[keys[i]]
		if d.reading {
			row = new([weeksKept]uint32)
			t.rows[keys[i]] = row
		}
		for w := range row {
			d.u32(&row[w])
		}
	}
	d.bad = d.bad || t.week < 0
}

// AppendBinary appends the state to b.
func (t *Transactions) AppendBinary(b []byte) ([]byte, error) { return write(b, t.fields), nil }

// MarshalBinary is the state as AppendBinary writes it.
func (t *Transactions) MarshalBinary() ([]byte, error) { return t.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote. On an error the state is as it
// was.
func (t *Transactions) UnmarshalBinary(b []byte) error {
	v := NewTransactions()
	if err := read(b, "table of transactions", v.fields); err != nil {
		return err
	}
	*t = *v
	return nil
}
