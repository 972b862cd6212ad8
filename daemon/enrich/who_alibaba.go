package enrich

import (
	"strings"

	"github.com/insightd/insightd/daemon/event"
)

// whoAlibaba makes the identity of an actor of Alibaba Cloud in the form in
// which its policies name principals. A role's sessions are the role, or every
// run of a workload would be a new identity.
func (x *Enricher) whoAlibaba(e *event.Event) {
	a := &e.Actor
	account := accountOf(e)
	named := func(kind, name string) string {
		if account == "" {
			return name
		}
		return x.strings.join("acs:ram::", account, kind, name)
	}
	a.Identity, a.Kind = "", event.KindUnknown
	switch a.RawType {
	case "root-account":
		a.Kind = event.KindRoot
		a.Identity = named(":root", "")
	case "ram-user":
		a.Kind = personAlibaba(e, event.KindService)
		a.Identity = firstOf(a.Name, a.PrincipalID)
		if a.Name != "" {
			a.Identity = named(":user/", a.Name)
		}
	case "assumed-role":
		a.Kind = event.KindRole
		a.Identity, _, _ = strings.Cut(a.PrincipalID, ":")
		if a.Name != "" {
			a.Identity = named(":role/", a.Name)
		}
	default:
		a.Identity = firstOf(a.InvokedBy, a.PrincipalID, a.Name)
		a.Kind = personAlibaba(e, event.KindUnknown)
		if a.InvokedBy != "" {
			a.Kind = event.KindCloudService
		}
	}
}

// personAlibaba is human where the event shows a sign-in to the console or a
// second factor, and else what is given.
func personAlibaba(e *event.Event, other event.Kind) event.Kind {
	if e.Actor.MFA || e.Actor.Console || strings.HasPrefix(e.UserAgent, "AliyunConsole") {
		return event.KindHuman
	}
	return other
}
