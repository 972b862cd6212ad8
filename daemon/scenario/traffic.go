package scenario

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/simulate"
)

// source is a statement that makes events.
type source struct {
	pos position
	// text is the statement, and number how many of the same text come before it.
	text   string
	number int

	// raw are records as they are, where the statement gives them.
	raw []rawRecord

	span
	caller  simulate.Caller
	pattern pattern
	// calls are made at each time of the pattern, over spread.
	fewest, most int
	spread       time.Duration
	apis         []string

	addresses  []netip.Prefix
	host       string // Instead of addresses.
	agent      string
	failure    string
	failShare  float64 // 0 to 1
	region     string
	key        int
	console    bool
	read       *bool
	parameters string
}

// rawRecord is a record as the script gives it.
type rawRecord struct {
	at   time.Time
	json []byte
}

// pattern is when a source is at work. Exactly one of once, every, rate and
// clocks is set.
type pattern struct {
	once  bool          // At the start of the span.
	every time.Duration // From the start of the span on.
	rate  float64       // Poisson, times a second.
	// clocks are times of day, on the days that dates and window allow; hourly
	// has minutes instead.
	clocks []time.Duration
	hourly bool
	// dates are days of the month, where not empty.
	dates  []int
	jitter time.Duration
	window window
	zone   *time.Location
	// growth is by what share there is more a day, such as 0.03.
	growth float64
}

// entry is an event that is to be delivered.
type entry struct {
	at time.Time
	// call is nil where the record is given.
	call *simulate.Call
	raw  []byte
}

// maxEvents is how many events a case may load: a script is about a few
// identities.
const maxEvents = 5_000_000

// entries makes the events of a case, in order of time.
func (c *Case) entries() ([]entry, error) {
	var out []entry
	for i := range c.sources {
		s := &c.sources[i]
		for _, r := range s.raw {
			out = append(out, entry{at: r.at, raw: r.json})
		}
		if s.raw != nil {
			continue
		}
		out = s.make(out, c.seed)
		if len(out) > maxEvents {
			return nil, fmt.Errorf("%s:%d:%d: found more than %d events by this statement, expected fewer; make the span shorter or the calls rarer",
				c.File, s.pos.line, s.pos.column, maxEvents)
		}
	}
	out = slices.DeleteFunc(out, func(e entry) bool {
		return slices.ContainsFunc(c.gaps, func(g gap) bool { return g.has(e.at, e.account()) })
	})
	slices.SortStableFunc(out, func(a, b entry) int { return a.at.Compare(b.at) })
	for i := range out {
		if out[i].call != nil {
			out[i].call.Number = uint64(i)
		}
	}
	return out, nil
}

// account is whose event it is.
func (e *entry) account() string {
	if e.call != nil {
		return e.call.Caller.Account
	}
	var r struct {
		Account string `json:"recipientAccountId"`
	}
	if json.Unmarshal(e.raw, &r) != nil {
		return ""
	}
	return r.Account
}

// make appends the events of a source.
func (s *source) make(out []entry, seed uint64) []entry {
	r := newRNG(seed, s.text, s.number)
	api := 0
	s.times(r, func(at time.Time) bool {
		n := s.fewest + r.below(s.most-s.fewest+1)
		if g := s.pattern.growth; g != 0 && s.pattern.rate == 0 {
			n = r.round(float64(n) * grown(g, at.Sub(s.from)))
		}
		when := make([]time.Duration, n)
		for i := range when {
			if s.spread > 0 {
				when[i] = time.Duration(r.float() * float64(s.spread))
			} else {
				when[i] = time.Duration(i) * time.Second
			}
		}
		slices.Sort(when)
		for _, w := range when {
			out = append(out, s.call(r, at.Add(w), api))
			api++
		}
		return len(out) <= maxEvents
	})
	return out
}

// grown is the factor that a growth a day comes to after a while.
func grown(growth float64, after time.Duration) float64 {
	return math.Pow(1+growth, after.Hours()/24)
}

// call makes one call of a source, its n-th.
func (s *source) call(r rng, at time.Time, n int) entry {
	c := &simulate.Call{
		Caller: s.caller, Time: at.UTC().Truncate(time.Second), API: s.apis[n%len(s.apis)], Region: s.region, Agent: s.agent,
		Parameters: s.parameters, Key: s.key, Console: s.console, Read: s.read,
	}
	switch {
	case s.host != "":
		c.From = s.host
	case len(s.addresses) > 0:
		c.From = address(r, s.addresses[r.below(len(s.addresses))]).String()
	}
	if s.failure != "" && (s.failShare == 1 || r.float() < s.failShare) {
		c.Error = s.failure
	}
	return entry{at: c.Time, call: c}
}

// address is an address of a network.
func address(r rng, p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	free := len(b)*8 - p.Bits()
	for i := len(b) - 1; free > 0; i-- {
		bits := min(free, 8)
		b[i] |= byte(r.below(1 << bits))
		free -= bits
	}
	a, _ := netip.AddrFromSlice(b) // It has the length of an address.
	return a
}

// times calls yield with every time of a source's pattern, until it returns
// false.
func (s *source) times(r rng, yield func(time.Time) bool) {
	p := &s.pattern
	jittered := func(t time.Time) time.Time {
		if p.jitter > 0 {
			t = t.Add(time.Duration((2*r.float() - 1) * float64(p.jitter)))
		}
		return t
	}
	// open reports whether a source may be at work.
	open := func(t time.Time) bool { return s.has(t) && p.window.has(t.In(p.zone)) }
	switch {
	case p.once:
		yield(s.from)
	case p.every > 0:
		for t := s.from; t.Before(s.to); t = t.Add(p.every) {
			if at := jittered(t); open(at) && !yield(at) {
				return
			}
		}
	case p.rate > 0:
		for t := s.from; ; {
			rate := p.rate * grown(p.growth, t.Sub(s.from))
			t = t.Add(time.Duration(min(r.exp()/rate, 3e8) * float64(time.Second)))
			if !t.Before(s.to) || open(t) && !yield(t) {
				return
			}
		}
	default:
		for _, t := range p.clockTimes(s.span) {
			if at := jittered(t); open(at) && !yield(at) {
				return
			}
		}
	}
}

// clockTimes are the times by the clock of the zone, a day before and after
// included, since jitter may move them into the span.
func (p *pattern) clockTimes(s span) []time.Time {
	var out []time.Time
	y, m, d := s.from.In(p.zone).Date()
	for i := -1; ; i++ {
		midnight := time.Date(y, m, d+i, 0, 0, 0, 0, p.zone)
		if midnight.After(s.to.Add(day)) {
			break
		}
		if len(p.dates) > 0 && !slices.Contains(p.dates, midnight.Day()) {
			continue
		}
		hours := 1
		if p.hourly {
			hours = 24
		}
		for h := range hours {
			for _, c := range p.clocks {
				c += time.Duration(h) * time.Hour
				out = append(out, time.Date(y, m, d+i, 0, int(c/time.Minute), int(c%time.Minute/time.Second), 0, p.zone))
			}
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	// The hour that summer time takes away gives the same time twice.
	return slices.CompactFunc(out, time.Time.Equal)
}

// delivery is how the records of a case come.
type delivery struct {
	pos position
	// text is the statement, for the report.
	text     string
	shuffled bool
	// late is how late a record is at the most.
	late time.Duration
	// twice is the share of records that come a second time, 0 to 1.
	twice float64
	// live has the clock move while they come.
	live bool
}

// parcel is a record on its way: the number of its entry, and when it comes.
type parcel struct {
	entry int
	at    time.Time
	order uint64
}

// parcels says in which order the records of a case are delivered, and when.
func (d *delivery) parcels(entries []entry, seed uint64) []parcel {
	r := newRNG(seed, "deliver "+d.text, 0)
	out := make([]parcel, 0, len(entries))
	for i := range entries {
		p := parcel{entry: i, at: entries[i].at, order: uint64(i)}
		if d.late > 0 {
			// Mostly a little late, now and then as late as may be.
			p.at = p.at.Add(time.Duration(math.Pow(r.float(), 4) * float64(d.late)))
			p.order = r.src.Uint64()
		}
		if d.shuffled {
			p.order = r.src.Uint64()
		}
		out = append(out, p)
		if d.twice > 0 && r.float() < d.twice {
			p.at = p.at.Add(time.Duration(r.float() * float64(max(d.late, 10*time.Minute))))
			p.order = r.src.Uint64()
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b parcel) int {
		if d.shuffled {
			return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.entry, b.entry))
		}
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.order, b.order), cmp.Compare(a.entry, b.entry))
	})
	return out
}

// String is how the delivery is told of.
func (d *delivery) String() string {
	if d.text == "" {
		return "in order"
	}
	return strings.TrimSpace(d.text)
}

// Deliveries yields records in the order of their delivery. It is read once.
type Deliveries struct {
	entries  []entry
	parcels  []parcel
	recorder *simulate.Recorder
	actions  []Action
}

func (c *Case) deliver(d *delivery, entries []entry) *Deliveries {
	return &Deliveries{entries: entries, parcels: d.parcels(entries, c.seed), recorder: simulate.NewRecorder(c.seed), actions: c.acted()}
}

// Actions are what users do meanwhile, in order of time.
func (d *Deliveries) Actions() []Action { return d.actions }

// Len is how many records there are.
func (d *Deliveries) Len() int { return len(d.parcels) }

// Append appends the i-th record, without a newline, and says when it comes.
func (d *Deliveries) Append(b []byte, i int) ([]byte, time.Time) {
	p := d.parcels[i]
	e := &d.entries[p.entry]
	if e.call == nil {
		return append(b, e.raw...), p.at
	}
	return d.recorder.Append(b, e.call), p.at
}

// feed reads deliveries as records, one a line, made as they are read.
type feed struct {
	d    *Deliveries
	next int
	buf  []byte
	rest []byte
}

// Read makes feed an io.Reader.
func (f *feed) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		if f.next == f.d.Len() {
			return 0, io.EOF
		}
		f.buf = f.buf[:0]
		for len(f.buf) < 64<<10 && f.next < f.d.Len() {
			f.buf, _ = f.d.Append(f.buf, f.next)
			f.buf = append(f.buf, '\n')
			f.next++
		}
		f.rest = f.buf
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}
