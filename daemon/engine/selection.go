package engine

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/insightd/insightd/daemon/event"
)

// selection says which events of the stream are behind an insight: those that
// have all that is set. It is the filter that readers get and the test that the
// engine does, so that the two cannot part.
type selection struct {
	region     string
	identity   string
	credential string
	// temporary asks for keys of sessions.
	temporary bool
	address   string
	service   string
	operation string
	class     string
	errorCode string
	access    event.Access
	outcome   event.Outcome
	// risky asks for operations that the catalogue takes for risky.
	risky bool
	// data lets the data category in.
	data bool
	// uids, if there are any, are the events that are meant.
	uids []string
}

// uidsLimit is how many events a selection names at the most. Where there are more
// it is all that have in common what they have.
const uidsLimit = 64

// common narrows the selection to what the events have in common that were found
// by it.
func (q *selection) common(found *evidence) {
	one := func(values map[string]int) string {
		if len(values) == 1 {
			for v := range values {
				return strings.Clone(v)
			}
		}
		return ""
	}
	q.region, q.identity, q.address = one(found.regions), one(found.values[attrIdentity]), one(found.values[attrAddress])
	q.service, q.operation, _ = strings.Cut(one(found.values[attrAPI]), ":")
	q.errorCode = one(found.values[attrError])
}

// admit widens the selection so that it has an event.
func (q *selection) admit(e *event.Event) {
	keep := func(has *string, v string) {
		if *has != v {
			*has = ""
		}
	}
	keep(&q.region, e.Region)
	keep(&q.identity, e.Actor.Identity)
	keep(&q.address, e.Source.Address)
	keep(&q.errorCode, e.ErrorCode)
	if q.service != e.Service || q.operation != e.Operation {
		q.service, q.operation = "", ""
	}
	switch {
	case q.uids == nil || slices.Contains(q.uids, e.UID):
	case len(q.uids) == uidsLimit:
		q.uids = nil
	default:
		q.uids = append(q.uids, strings.Clone(e.UID))
	}
}

// filter is the selection in the filter language of the event log.
func (q *selection) filter(stream event.StreamKey) string {
	b := &strings.Builder{}
	add := func(name, value string) {
		if value == "" {
			return
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(b, "%s=%q", name, value)
	}
	add("provider", stream.Provider)
	add("account", stream.Account)
	add("region", q.region)
	add("credential", q.credential)
	add("identity", q.identity)
	add("ip", q.address)
	add("service", q.service)
	add("operation", q.operation)
	add("class", q.class)
	if q.access != 0 {
		add("access", q.access.String())
	}
	add("error_code", q.errorCode)
	if q.outcome != 0 {
		add("outcome", q.outcome.String())
	}
	if q.risky {
		b.WriteString(` risk!="0"`)
	}
	if !q.data {
		fmt.Fprintf(b, " category!=%q", event.CategoryData)
	}
	switch len(q.uids) {
	case 0:
	case 1:
		add("uid", q.uids[0])
	default:
		list := make([]string, len(q.uids))
		for i, uid := range q.uids {
			list[i] = regexp.QuoteMeta(uid)
		}
		fmt.Fprintf(b, " uid=~%q", strings.Join(list, "|"))
	}
	return b.String()
}

// matches reports whether an event is one of those that filter selects.
func (q *selection) matches(e *event.Event) bool {
	switch {
	case !e.Call(), !q.data && e.Category == event.CategoryData,
		q.region != "" && e.Region != q.region,
		q.identity != "" && e.Actor.Identity != q.identity,
		q.credential != "" && e.Actor.Credential != q.credential,
		q.temporary && (e.Actor.Credential == "" || event.LongLived(e.Provider, e.Actor.Credential)),
		q.address != "" && e.Source.Address != q.address,
		q.service != "" && e.Service != q.service,
		q.operation != "" && e.Operation != q.operation,
		q.class != "" && !hasClass(e, q.class),
		q.errorCode != "" && e.ErrorCode != q.errorCode,
		q.risky && e.Risk == 0,
		q.access != 0 && e.Access != q.access,
		q.outcome != 0 && e.Outcome != q.outcome,
		len(q.uids) > 0 && !slices.Contains(q.uids, e.UID):
		return false
	}
	return true
}

// hasClass reports whether an operation is of a class of the catalogue.
func hasClass(e *event.Event, class string) bool {
	return e.Class == class || e.Class != "" && slices.Contains(strings.Fields(e.Class), class)
}

// selection is what the events behind an insight of the series are.
func (s *stream) selection(x *modelled) selection {
	t := s.symbols
	q := selection{region: t.name(x.key.region), data: s.set.DataEvents}
	api := func(y symbol) { q.service, q.operation, _ = strings.Cut(t.name(y), ":") }
	switch x.key.kind {
	case kindCalls, kindAPIErrors:
		q.identity = x.who.name
		api(x.key.y)
	case kindKey, kindNewAPIs:
		if q.credential = t.name(x.key.x); q.credential == "" {
			q.identity, q.temporary = x.who.name, true
		}
	case kindErrors, kindBreadth:
		q.identity = x.who.name
	case kindAccountCalls:
		api(x.key.x)
	case kindAccountCode:
		q.errorCode = t.name(x.key.x)
	case kindAccountErrors:
		q.service = t.name(x.key.x)
	}
	switch x.key.kind {
	case kindCalls, kindKey, kindNewAPIs, kindAccountCalls:
		q.access, q.outcome = event.AccessWrite, event.OutcomeSuccess
	default:
		q.outcome = event.OutcomeError
	}
	return q
}

func (q *selection) fields(d *codec) {
	for _, t := range []*string{&q.region, &q.identity, &q.credential, &q.address, &q.service, &q.operation, &q.class, &q.errorCode} {
		d.text(t)
	}
	d.flag(&q.temporary)
	d.flag(&q.risky)
	d.flag(&q.data)
	integer(d, &q.access)
	integer(d, &q.outcome)
	list(d, &q.uids, d.text)
}
