package engine

import (
	"github.com/insightd/insightd/daemon/enrich"
	"github.com/insightd/insightd/daemon/event"
)

// Rules may ask what was known of a call before it was made. They read what lookers
// and models have learned, and change nothing of it.

// firstUseFrom is for how many minutes an account has to be known before it is said
// of a call that nobody ever made it: a week has every sort of day.
const firstUseFrom = 7 * 1440

const (
	firstOfAccount  = "account"
	firstOfIdentity = "identity"
)

// caller returns what is known of an event's identity, nil where nothing is, and
// whether its calls are remembered at all.
func (s *stream) caller(e *event.Event) (w *who, remembered bool) {
	if s == nil || e.Actor.Identity == enrich.Hidden || e.Actor.Identity == enrich.Unknown {
		return nil, false
	}
	y, ok := s.symbols.byName[e.Actor.Identity]
	if !ok {
		return nil, true
	}
	return s.identities[y], true
}

// used returns what an identity has done with the operation of an event, nil where
// it never called it.
func (s *stream) used(w *who, e *event.Event) *api {
	y, ok := s.apis.byPair[pair{e.Service, e.Operation}]
	if !ok || w == nil {
		return nil
	}
	return w.apis[y]
}

// firstUse says to whom the call of an event is new: to the account, where nobody
// that it knows of ever made it, or to the identity, where others did. It is empty
// where the identity made it before, and where too little is known to say so.
func (s *stream) firstUse(e *event.Event) string {
	w, remembered := s.caller(e)
	m := minuteOf(e.Time)
	if !remembered || !s.begun || m-s.first < max(s.warmUp(), firstUseFrom) ||
		s.used(w, e) != nil || w != nil && len(w.apis) >= apisLimit {
		return ""
	}
	if y, ok := s.apis.byPair[pair{e.Service, e.Operation}]; ok {
		for _, x := range s.identities {
			if x.apis[y] != nil {
				return firstOfIdentity
			}
		}
	}
	return firstOfAccount
}

// daysUsed is on how many days the identity of an event made its call before that
// day.
func (s *stream) daysUsed(e *event.Event) (days int32, known bool) {
	w, remembered := s.caller(e)
	if !remembered {
		return 0, false
	}
	a, today := s.used(w, e), int32(e.Time.Unix()/86400)
	switch {
	case a != nil && a.day == today:
		return a.days - 1, true
	case a != nil && today-a.day <= habitLapses:
		return a.days, true
	case a == nil && w != nil && len(w.apis) >= apisLimit:
		return 0, false
	}
	return 0, true
}
