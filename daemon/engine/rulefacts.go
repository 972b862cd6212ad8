package engine

import (
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/rules"
)

// ruleFacts is an event as rules ask about it. One is used for many events.
type ruleFacts struct {
	e *event.Event
	// s is the stream whose knowledge answers what was before the event; nil where
	// there is none.
	s *stream
	// raw returns the record of an event that was read from the log without it;
	// nil where events have theirs.
	raw func(*event.Event) []byte
	// classes and resources are the lists of the event, made when they are asked
	// for.
	classes, resources         []rules.Value
	classesRead, resourcesRead bool
}

// RuleFacts returns what rules ask of an event that has its record.
func RuleFacts(e *event.Event) rules.Facts {
	f := &ruleFacts{}
	f.reset(e)
	return f
}

// reset makes f the facts of another event.
func (f *ruleFacts) reset(e *event.Event) {
	f.e, f.classesRead, f.resourcesRead = e, false, false
}

func (f *ruleFacts) Time() time.Time { return f.e.Time }

func (f *ruleFacts) UID() string { return f.e.UID }

func (f *ruleFacts) Raw() []byte {
	if f.e.Raw == nil && f.raw != nil {
		return f.raw(f.e)
	}
	return f.e.Raw
}

// Fact returns a field of the event. Numbers that are 0 where a record says
// nothing are null then.
func (f *ruleFacts) Fact(x rules.Field) rules.Value {
	e := f.e
	switch x {
	case rules.Provider:
		return rules.Text(e.Provider)
	case rules.Account:
		return rules.TextOrNull(e.Account)
	case rules.Region:
		return rules.TextOrNull(e.Region)
	case rules.Service:
		return rules.TextOrNull(e.Service)
	case rules.Operation:
		return rules.TextOrNull(e.Operation)
	case rules.API:
		return rules.TextOrNull(e.API())
	case rules.Category:
		return rules.TextOrNull(e.Category.String())
	case rules.Access:
		return rules.TextOrNull(e.Access.String())
	case rules.Outcome:
		return rules.TextOrNull(e.Outcome.String())
	case rules.ErrorCode:
		return rules.TextOrNull(e.ErrorCode)
	case rules.ErrorMessage:
		return rules.TextOrNull(e.ErrorMessage)
	case rules.Identity:
		return rules.TextOrNull(e.Actor.Identity)
	case rules.IdentityKind:
		return rules.TextOrNull(e.Actor.Kind.String())
	case rules.UserName:
		return rules.TextOrNull(userName(e))
	case rules.UserType:
		return rules.TextOrNull(e.Actor.RawType)
	case rules.Session:
		return rules.TextOrNull(e.Actor.Session)
	case rules.Credential:
		return rules.TextOrNull(e.Actor.Credential)
	case rules.MFA:
		return rules.Bool(e.Actor.MFA)
	case rules.IP:
		return rules.TextOrNull(e.Source.Address)
	case rules.Country:
		return rules.TextOrNull(e.Source.Country)
	case rules.ASN:
		if e.Source.ASN == 0 {
			return rules.Value{}
		}
		return rules.Number(float64(e.Source.ASN))
	case rules.Network:
		return rules.TextOrNull(e.Source.Network.String())
	case rules.UserAgent:
		return rules.TextOrNull(e.UserAgent)
	case rules.UserAgentFamily:
		return rules.TextOrNull(e.AgentFamily)
	case rules.Resource:
		if !f.resourcesRead {
			f.resourcesRead, f.resources = true, f.resources[:0]
			for _, r := range e.Resources {
				f.resources = append(f.resources, rules.Text(r))
			}
		}
		return rules.List(f.resources)
	case rules.Class:
		if !f.classesRead {
			f.classesRead, f.classes = true, f.classes[:0]
			for class := range strings.FieldsSeq(e.Class) {
				f.classes = append(f.classes, rules.Text(class))
			}
		}
		return rules.List(f.classes)
	case rules.Risk:
		return rules.Number(float64(e.Risk))
	case rules.UID:
		return rules.TextOrNull(e.UID)
	case rules.FirstUse:
		return rules.TextOrNull(f.s.firstUse(e))
	case rules.DaysUsed:
		if days, known := f.s.daysUsed(e); known {
			return rules.Number(float64(days))
		}
	}
	return rules.Value{}
}

// userName is the name of who made the call, from what the log keeps: the
// session of a person, or the last part of the identity.
func userName(e *event.Event) string {
	a := &e.Actor
	if a.Kind == event.KindHuman && a.Session != "" {
		return a.Session
	}
	return a.Identity[strings.LastIndexAny(a.Identity, "/")+1:]
}
