package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/models"
	"github.com/insightd/insightd/tsdb"
)

// selector is the series of activity that a model series counts, in PromQL:
// a selector, or the sum over one where the model takes several series together.
// It is empty for what no stored series holds: calls of APIs that are new to an
// identity, denied ones likewise, and errors by code.
//
// The models leave out what the stored series have: throttling that meets
// everybody, and what an identity that is hidden does.
func (s *stream) selector(x *modelled) string {
	t := s.symbols
	var b strings.Builder
	match := func(name, op, value string) { fmt.Fprintf(&b, ",%s%s%q", name, op, value) }
	api := func(y symbol) {
		service, operation, _ := strings.Cut(t.name(y), ":")
		match(tsdb.LabelService, "=", service)
		match(tsdb.LabelOperation, "=", operation)
	}
	metric, several := tsdb.MetricIdentityEvents, true
	match(tsdb.LabelRegion, "=", t.name(x.key.region))
	switch x.key.kind {
	case kindCalls, kindAPIErrors:
		metric, several = tsdb.MetricIdentityAPIEvents, x.key.kind == kindAPIErrors
		match(tsdb.LabelIdentity, "=", x.who.name)
		api(x.key.y)
	case kindErrors:
		match(tsdb.LabelIdentity, "=", x.who.name)
	case kindKey:
		if key := t.name(x.key.x); key != "" {
			metric, several = tsdb.MetricCredentialEvents, false
			match(tsdb.LabelCredential, "=", key)
		} else { // The keys of its sessions: what it writes at all comes nearest.
			match(tsdb.LabelIdentity, "=", x.who.name)
		}
	case kindAccountCalls:
		metric = tsdb.MetricEvents
		api(x.key.x)
	case kindAccountErrors:
		metric = tsdb.MetricEvents
		match(tsdb.LabelService, "=", t.name(x.key.x))
	default:
		return ""
	}
	if kinds[x.key.kind].errors {
		match(tsdb.LabelOutcome, "=", event.OutcomeError.String())
	} else {
		match(tsdb.LabelAccess, "=", event.AccessWrite.String())
		match(tsdb.LabelOutcome, "=", event.OutcomeSuccess.String())
	}
	if metric == tsdb.MetricEvents && !s.set.DataEvents {
		match(tsdb.LabelCategory, "!=", event.CategoryData.String())
	}
	out := fmt.Sprintf("%s{%s=%q,%s=%q%s}", metric, tsdb.LabelProvider, s.key.Provider, tsdb.LabelAccount, s.key.Account, b.String())
	if several {
		return "sum(" + out + ")"
	}
	return out
}

// kindOf is the kind of model whose expectation of a series comes nearest to
// what a detector would say. l has what all series have that are summed up.
func kindOf(l labels.Labels) kind {
	failed := l.Get(tsdb.LabelOutcome) == event.OutcomeError.String()
	switch l.Get(labels.MetricName) {
	case tsdb.MetricIdentityAPIEvents:
		if failed {
			return kindAPIErrors
		}
		return kindCalls
	case tsdb.MetricIdentityEvents, tsdb.MetricCredentialEvents:
		if failed {
			return kindErrors
		}
		return kindKey
	}
	if failed {
		return kindAccountErrors
	}
	return kindAccountCalls
}

// expecting is what bands of a series are computed with: the family of its
// stream as it is now, and for a series of an identity its group and birth. The
// shipped family serves where the series are of several streams.
type expecting struct {
	family *models.Family
	group  models.Group
	birth  models.Minute // 0 where it is not known
}

func (e *Engine) expecting(l labels.Labels) expecting {
	k := kindOf(l)
	key := event.StreamKey{Provider: l.Get(tsdb.LabelProvider), Account: l.Get(tsdb.LabelAccount)}
	all := e.list()
	i := slices.IndexFunc(all, func(s *stream) bool { return s.key == key })
	if i < 0 {
		return expecting{family: models.NewFamily(kinds[k].params()), group: models.Workload}
	}
	s := all[i]
	s.mtx.Lock()
	defer s.mtx.Unlock()
	out := expecting{family: s.families[k].Clone(), group: models.Workload, birth: s.first}
	if !s.begun {
		out.birth = 0
	}
	if name := l.Get(tsdb.LabelIdentity); name != "" {
		out.birth = 0
		if w := s.identities[s.symbols.byName[name]]; w != nil && w.name == name {
			out.group, out.birth = groupOf(w), w.birth
			out.family.Away(w.awayFrom, w.awayTo)
		}
	}
	return out
}
