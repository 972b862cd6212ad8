package engine

import (
	"cmp"
	"slices"
	"strings"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/models"
)

// A storm is when a service throttles many identities at once: it is the
// service's doing and none of theirs. While it lasts, being throttled counts for
// the service and the code, and not for the identity.
const (
	// stormIdentities is from how many identities it is a storm.
	stormIdentities = 4
	// stormMinutes is for how long an identity counts that was throttled.
	stormMinutes = 10
)

// stormKey is a service in a region.
type stormKey struct{ region, service symbol }

func (k stormKey) compare(o stormKey) int {
	return cmp.Or(cmp.Compare(k.region, o.region), cmp.Compare(k.service, o.service))
}

// hit is an identity that was throttled, and when it was last.
type hit struct {
	identity symbol
	at       models.Minute
}

// storms is who was throttled lately. It is copied with clone.
type storms map[stormKey][stormIdentities]hit

// note notes that an identity was throttled, in order of time.
func (t storms) note(n names, m models.Minute) {
	k := stormKey{n.region, n.service}
	hits := t[k]
	oldest := 0
	for i, h := range hits {
		if h.identity == n.identity {
			oldest = i
			break
		}
		if h.at < hits[oldest].at {
			oldest = i
		}
	}
	hits[oldest] = hit{n.identity, m}
	t[k] = hits
}

// has reports whether a storm is on.
func (t storms) has(n names, m models.Minute) bool {
	hits, seen := t[stormKey{n.region, n.service}]
	if !seen {
		return false
	}
	for _, h := range hits {
		if h.identity == 0 || m-h.at > stormMinutes {
			return false
		}
	}
	return true
}

// forget forgets what is over at minute m.
func (t storms) forget(m models.Minute) {
	for k, hits := range t {
		if !slices.ContainsFunc(hits[:], func(h hit) bool { return h.identity != 0 && m-h.at <= stormMinutes }) {
			delete(t, k)
		}
	}
}

func (t *storms) fields(d *codec) {
	m := map[stormKey][stormIdentities]hit(*t)
	dict(d, &m, stormKey.compare, func(k *stormKey, hits *[stormIdentities]hit) {
		d.symbol(&k.region)
		d.symbol(&k.service)
		for i := range hits {
			d.symbol(&hits[i].identity)
			integer(d, &hits[i].at)
		}
	})
	if d.reading() {
		*t = m
	}
}

// throttled reports whether an error code says that the caller is too fast.
func throttled(code string) bool {
	return strings.Contains(code, "Throttl") || strings.Contains(code, "TooManyRequests") ||
		strings.Contains(code, "RequestLimitExceeded") || strings.Contains(code, "SlowDown") ||
		strings.Contains(code, "ThroughputExceeded")
}

// stormy notes an error of throttling, and reports whether it is one of a storm.
func (t storms) stormy(e *event.Event, n names, m models.Minute) bool {
	if e.Outcome != event.OutcomeError || !throttled(e.ErrorCode) {
		return false
	}
	t.note(n, m)
	return t.has(n, m)
}
