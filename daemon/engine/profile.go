package engine

import (
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// knownLimit bounds each list of what an identity has been seen with; the one
// that was idle longest makes room.
const knownLimit = 64

// who is what a stream knows of an identity.
type who struct {
	id      symbol
	name    string
	kind    event.Kind
	birth   models.Minute
	novelty models.Novelty
	// failures is how often it fails in something new.
	failures models.Novelty
	// keys are the series of its long-lived keys, in order of creation.
	keys []*modelled

	first, last time.Time
	events      uint64
	errors      uint64
	days        int
	day         int32
	hours       [24]uint32
	// starts are the minutes of the day of the first events of its last active
	// days: a ring, by days.
	starts [startsKept]uint16
	// busy are the hours in a row in which it was active.
	busy busyRun
	// riskDay and riskTotal sum the catalogue's risk tiers of its operations, on
	// its last active day and ever.
	riskDay, riskTotal uint64
	userTypes          []string
	renewed            *renewal // since when it is learned anew; nil where it never was

	operations known
	networks   known
	countries  known
	agents     known
	regions    known

	apis map[symbol]*api

	// awayFrom and awayTo are when a person was away last; restDays is how many
	// days it had been active at the last long silence, such or not.
	awayFrom, awayTo models.Minute
	restDays         int

	// operator is what the detector of sensitive operations knows of it, nil
	// before its first event is final.
	operator *operator
	// addresses are where the identity calls from, for the detector of new ones;
	// nil where that has nothing to go by. They are fewer than networks, and what
	// was told as an insight is not among them, so that neither can stand for the
	// other.
	addresses *models.Addresses
	// behaviour is what the detectors of behaviour know of it, nil before its first
	// event is final.
	behaviour *behaviour
}

func newWho(id symbol, name string, k event.Kind, birth models.Minute) *who {
	return &who{id: id, name: name, kind: k, birth: birth, novelty: models.NewNovelty(birth), failures: models.NewNovelty(birth), apis: map[symbol]*api{}}
}

// keep remembers a series of a long-lived key. It is called for every series in
// order of creation. There is no identity where w is nil.
func (w *who) keep(x *modelled) {
	if w == nil || x.key.x == 0 || x.key.kind != kindKey && x.key.kind != kindNewAPIs {
		return
	}
	w.keys = append(slices.DeleteFunc(w.keys, func(o *modelled) bool { return o.gone }), x)
}

// lastKey is the series, of the keys that the identity had before, that a series
// of a new key goes on from: the one used last.
func (w *who) lastKey(k modelKey) *modelled {
	if w == nil || k.x == 0 || k.kind != kindKey && k.kind != kindNewAPIs {
		return nil
	}
	var last *modelled
	for _, o := range w.keys {
		if !o.gone && o.key.kind == k.kind && o.key.region == k.region && (last == nil || o.seen >= last.seen) {
			last = o
		}
	}
	return last
}

// apisLimit is how many operations of an identity are told apart. Beyond it an
// operation counts as one that it always used.
const apisLimit = 4096

// api returns what the identity has done with an operation.
func (w *who) api(op symbol, m models.Minute) *api {
	a := w.apis[op]
	switch {
	case a != nil:
	case len(w.apis) >= apisLimit:
		a = &api{first: w.birth, succeeded: true}
	default:
		a = &api{first: m}
		w.apis[op] = a
	}
	return a
}

// api is what an identity has done with one operation.
type api struct {
	first     models.Minute
	succeeded bool
	denied    int32 // the last UTC day on which a denied call was counted
	days      int32 // on how many UTC days it was called
	day       int32 // the last of them
}

// habitLapses is after how many days without a call what was a habit is none.
const habitLapses = 90

// use notes a call on a UTC day.
func (a *api) use(day int32) {
	switch {
	case a.days == 0 || day-a.day > habitLapses:
		a.days, a.day = 1, day
	case day > a.day:
		a.days++
		a.day = day
	}
}

// known is a bounded set of values with how often and when they were seen.
type known map[symbol]*knownValue

type knownValue struct {
	n    uint64
	days int32
	last int32 // UTC day
}

func (k *known) add(t *symbols, v symbol, day int32) {
	if *k == nil {
		*k = known{}
	}
	x := (*k)[v]
	if x == nil {
		if len(*k) >= knownLimit {
			var oldest symbol
			last := int32(1<<31 - 1)
			for y, o := range *k {
				if o.last < last || o.last == last && t.name(y) < t.name(oldest) {
					oldest, last = y, o.last
				}
			}
			delete(*k, oldest)
		}
		x = &knownValue{last: day - 1}
		(*k)[v] = x
	}
	x.n++
	if x.last != day {
		x.days++
		x.last = day
	}
}

// noDay is no day that anything was seen on.
const noDay = -1 << 31

// list turns a set into words, the most frequent first.
func (k known) list(t *symbols, days int) []insight.Known {
	out := make([]insight.Known, 0, len(k))
	for y, v := range k {
		out = append(out, insight.Known{Value: t.name(y), Count: v.n, Frequency: v.bucket(days, noDay)})
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Count != out[j].Count {
			return out[i].Count > out[j].Count
		}
		return out[i].Value < out[j].Value
	})
	return out
}

const (
	// restMinutes is the silence from which a person may be away, restMost up to
	// which: what was usual longer ago is not.
	restMinutes = 5 * 1440
	restMost    = 42 * 1440
	// restAfter is how many days it must have been active since the last such
	// silence: who comes once a week is not away in between.
	restAfter = 5
)

// away is when the person was away last, as it shows by a call in minute m: what
// is expected of it does not fade over a vacation.
func (w *who) away(m models.Minute) (from, to models.Minute) {
	if w.kind != event.KindHuman || w.events == 0 {
		return 0, 0
	}
	last := minuteOf(w.last)
	if n := m - last; n < restMinutes || n > restMost || w.days-w.restDays < restAfter {
		return w.awayFrom, w.awayTo
	}
	return last + 1, m
}

// rest notes a call in minute m, before it is observed.
func (w *who) rest(m models.Minute) {
	if w.events > 0 && m-minuteOf(w.last) >= restMinutes {
		w.awayFrom, w.awayTo = w.away(m)
		w.restDays = w.days
	}
}

// observe learns from an event of the identity.
func (w *who) observe(e *event.Event, t *symbols, operation, region, agent symbol) {
	day := int32(e.Time.Unix() / 86400)
	if w.events == 0 {
		w.first = e.Time
	}
	w.last = e.Time
	w.events++
	if e.Outcome == event.OutcomeError {
		w.errors++
	}
	if w.day != day {
		w.day = day
		w.days++
		w.startOfDay(e.Time)
		w.riskDay = 0
	}
	w.riskDay += uint64(e.Risk)
	w.riskTotal += uint64(e.Risk)
	w.hours[e.Time.Hour()]++
	w.busy.add(int32(e.Time.Unix() / 3600))
	if raw := e.Actor.RawType; raw != "" && len(w.userTypes) < 8 && !slices.Contains(w.userTypes, raw) {
		w.userTypes = append(w.userTypes, t.name(t.of(raw)))
	}
	// A person is known by any event that shows one.
	if e.Actor.Kind == event.KindHuman {
		w.kind = event.KindHuman
	}
	w.operations.add(t, operation, day)
	w.regions.add(t, region, day)
	if agent != 0 {
		w.agents.add(t, agent, day)
	}
	if e.Source.Country != "" {
		w.countries.add(t, t.of(e.Source.Country), day)
	}
	if ip := e.Source.IP; ip.IsValid() {
		if p, ok := prefixOf(ip); ok {
			w.networks.add(t, t.of(p.String()), day)
		}
	}
}

// profile is the identity as the API shows it.
func (w *who) profile(stream event.StreamKey, t *symbols) insight.Profile {
	p := insight.Profile{
		ID: profileID(stream, w.name), Provider: stream.Provider, Account: stream.Account,
		Identity: w.name, IdentityKind: w.kind.String(), UserTypes: append([]string{}, w.userTypes...),
		FirstSeen: w.first, LastSeen: w.last, Events: w.events, Errors: w.errors, ActiveDays: w.days,
		Operations: w.operations.list(t, w.span()), Networks: w.networks.list(t, w.span()),
		Countries: w.countries.list(t, w.span()), Agents: w.agents.list(t, w.span()), Regions: w.regions.list(t, w.span()),
	}
	for h, n := range w.hours {
		p.Hours[h] = round(float64(n) / float64(max(w.events, 1)))
	}
	return p
}

// span is how many days the identity has been known.
func (w *who) span() int { return int(w.last.Sub(w.first).Hours()/24) + 1 }

// profileID is an identity's id in the API: stable, and fit for a path.
func profileID(stream event.StreamKey, identity string) string {
	h := xxhash.New()
	fmt.Fprintf(h, "%s\x00%s\x00%s", stream.Provider, stream.Account, identity)
	return hex.EncodeToString(h.Sum(nil))
}
