package engine

import (
	"context"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/eventlog"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// evidenceLimit is how many events of a stream are looked at for one insight
// at the most, unless a test says otherwise. Beyond it an insight's count, attributions
// and samples are of its last events; its start, and so its id, are not.
const evidenceLimit = 2_000_000

// evidence is what the events behind an insight have in common.
type evidence struct {
	// cut is set where there were too many events to look at the first.
	cut         bool
	total       int
	first, last time.Time
	values      [attrCount]map[string]int
	sources     map[string]insight.SourceIP
	credentials map[string]int
	resources   []string
	samples     []string
	networks    map[event.Network]int
	classes     map[string]int
	// peak is the most events in one minute; minute is the last one, of which
	// there were inMinute so far.
	peak, inMinute int
	minute         models.Minute
	regions        map[string]int
}

// gather looks at the events of a selection from one time to another, the latter
// excluded. Those of the slice under way are at hand; earlier ones are read from the
// log, and so is the rest of a minute of which the slice is a part.
func (s *stream) gather(sel selection, from, to time.Time) *evidence {
	ev := &evidence{sources: map[string]insight.SourceIP{}, credentials: map[string]int{}, networks: map[event.Network]int{}, classes: map[string]int{}, regions: map[string]int{}}
	for i := range ev.values {
		ev.values[i] = map[string]int{}
	}
	if at := s.evidenceFrom(from, to); at.After(from) {
		from, ev.cut = at, true
	}
	edge := s.sliceFrom
	if to.Before(edge) {
		edge = to
	}
	if s.foreseeing || from.Before(edge) {
		q := s.readQuery(from, edge)
		if s.foreseeing {
			q.To, q.MaxSeq = to, s.preview.seq
		}
		s.gatherStored(ev, &sel, q, to)
	}
	for i := range s.slice {
		e := &s.slice[i]
		if !e.Time.Before(to) {
			break
		}
		ev.add(&sel, e, from, to)
	}
	if len(s.slice) > 0 && to.After(s.sliceTo) {
		s.gatherStored(ev, &sel, s.readQuery(s.sliceTo, to), to)
	}
	return ev
}

// evidenceFrom is from when on events up to a time are looked at: those from the given
// time on where they are not too many. What has arrived and is not final counts as the
// log has it, since what is told of it is not final either.
func (s *stream) evidenceFrom(from, to time.Time) time.Time {
	if s.foreseeing {
		for to.Sub(from) > time.Minute && s.o.Log.Count(s.key, from, to) > s.o.evidence {
			from = from.Add(to.Sub(from) / 2)
		}
		return from
	}
	m := minuteOf(from)
	if at := s.recent.cut(m, minuteOf(to), s.o.evidence); at > m {
		return minuteTime(at)
	}
	return from
}

// gatherStored looks at events in the log, a slice at a time. While it reads, those
// who ask about the stream are let in: the events of an hour can take seconds, and
// only the line, which waits here, writes to a stream.
func (s *stream) gatherStored(ev *evidence, sel *selection, q eventlog.ReadQuery, to time.Time) {
	count := func(from, to time.Time) int { return s.o.Log.Count(s.key, from, to) }
	if s.o.Reinterpret == nil { // What the log says of them may not be what they are read as.
		q.Filter = sel.filter(s.key)
	}
	from, end := q.From, q.To
	for at := from; at.Before(end); at = q.To {
		q.From, q.To = at, s.sliceEnd(at, end, time.Second, count)
		s.mtx.Unlock()
		events, err := s.read(context.Background(), q)
		s.mtx.Lock()
		if err != nil {
			s.o.Logger.Error("Reading the events behind an insight", "stream", s.key, "from", at, "err", err)
			return
		}
		for i := range events {
			ev.add(sel, &events[i], from, to)
		}
	}
}

func (ev *evidence) add(sel *selection, e *event.Event, from, to time.Time) {
	if e.Time.Before(from) || !e.Time.Before(to) || !sel.matches(e) {
		return
	}
	if ev.total == 0 {
		ev.first = e.Time
	}
	ev.last = e.Time
	ev.total++
	if m := minuteOf(e.Time); m != ev.minute {
		ev.minute, ev.inMinute = m, 0
	}
	ev.inMinute++
	ev.peak = max(ev.peak, ev.inMinute)
	ev.values[attrIdentity][e.Actor.Identity]++
	ev.values[attrAgent][e.AgentFamily]++
	ev.values[attrError][e.ErrorCode]++
	ev.values[attrAddress][e.Source.Address]++
	ev.values[attrAPI][e.API()]++
	ev.networks[e.Source.Network]++
	ev.regions[e.Region]++
	if e.Class != "" {
		ev.classes[e.Class]++
	}
	if a := e.Source.Address; a != "" {
		ev.sources[a] = insight.SourceIP{IP: a, Country: e.Source.Country, ASN: e.Source.ASN, Network: e.Source.Network.String()}
	}
	if c := e.Actor.Credential; c != "" {
		ev.credentials[c]++
	}
	for _, r := range e.Resources {
		if len(ev.resources) < 10 && !slices.Contains(ev.resources, r) {
			ev.resources = append(ev.resources, strings.Clone(r))
		}
	}
	if len(ev.samples) < 5 {
		ev.samples = append(ev.samples, strings.Clone(e.UID))
	}
}

// extent is what the events span, for an insight of a type.
func (ev *evidence) extent(insightType string) insight.Extent {
	c := insight.Counts{Operations: ev.values[attrAPI], Addresses: ev.values[attrAddress], Countries: map[string]int{}}
	for a, src := range ev.sources {
		if src.Country != "" {
			c.Countries[src.Country] += ev.values[attrAddress][a]
		}
	}
	if insightType == insight.TypeIP {
		c.Identities = ev.values[attrIdentity]
	}
	if insightType == insight.TypeAk {
		c.Regions = ev.regions
	}
	return insight.NewExtent(c, ev.peak)
}

// top is the most frequent value of an attribute.
func (ev *evidence) top(attr int) (string, int) {
	best, n := "", 0
	for v, c := range ev.values[attr] {
		if c > n || c == n && v < best {
			best, n = v, c
		}
	}
	return best, n
}

// firstOr is the time of the first event, or the given one where that is not known.
func (ev *evidence) firstOr(t time.Time) time.Time {
	if ev.total == 0 || ev.cut {
		return t
	}
	return ev.first
}

func (ev *evidence) lastOr(t time.Time) time.Time {
	if ev.total == 0 {
		return t
	}
	return ev.last
}

// addresses are the most frequent source addresses.
func (ev *evidence) addresses(n int) []insight.SourceIP {
	var out []insight.SourceIP
	for _, a := range ranked(ev.values[attrAddress], n) {
		if src, ok := ev.sources[a]; ok {
			out = append(out, src)
		}
	}
	return out
}

// keys are the most frequent credentials.
func (ev *evidence) keys(n int) []string { return ranked(ev.credentials, n) }

func ranked(counts map[string]int, n int) []string {
	list := make([]string, 0, len(counts))
	for v := range counts {
		list = append(list, v)
	}
	sort.Slice(list, func(i, j int) bool {
		if counts[list[i]] != counts[list[j]] {
			return counts[list[i]] > counts[list[j]]
		}
		return list[i] < list[j]
	})
	return list[:min(n, len(list))]
}

// attribute says who and what did most, during the insight and usually. The
// averages of each side add up to its rate a minute.
func (s *stream) attribute(x *modelled, found *evidence, rate, usual float64) []insight.Attribution {
	var out []insight.Attribution
	for attr := range attrNames {
		if x.always(attr) {
			continue
		}
		var now, before []valueCount
		for v, n := range found.values[attr] {
			now = append(now, valueCount{attrValue(attr, v), float64(n)})
		}
		if u := x.usual[attr]; u != nil {
			for _, v := range u {
				if v.n > 0 {
					before = append(before, valueCount{attrValue(attr, s.symbols.name(v.value)), float64(v.n)})
				}
			}
		}
		a := insight.Attribution{
			Attribute: attrNames[attr],
			Insight:   shares(now, float64(found.total), rate),
			Baseline:  shares(before, float64(x.learned), usual),
		}
		if a.Insight != nil {
			out = append(out, a)
		}
	}
	return out
}

// attrValue is a value as it is shown: CloudTrail writes "null" where there
// was no error.
func attrValue(attr int, v string) string {
	if v != "" {
		return v
	}
	if attr == attrError {
		return "null"
	}
	return "unknown"
}
