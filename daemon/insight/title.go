package insight

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// titleMost is how many things that happened a title names.
const titleMost = 4

// happened are the words of titles for the types of insight.
var happened = map[string]string{
	TypeAPICallRate:      "unusual call rate",
	TypeAPIErrorRate:     "unusual errors",
	TypeIP:               "unusual address",
	TypeAk:               "unusual use of an access key",
	TypePolicyChange:     "unusual change of permissions",
	TypePasswordChange:   "unusual change of a password",
	TypeTrailConcealment: "concealment of the trail",
	TypeFirstAction:      "sensitive calls never made before",
	TypeOutOfHours:       "unusual hour",
	TypeRisk:             "risk above its usual",
	TypeImpossibleTravel: "impossible travel",
	TypeLoginFailure:     "failed sign-ins",
	TypeMassDeletion:     "mass deletion",
	TypeLogGap:           "silence of the log",
}

// title says in a line who an incident is about and what happened, in order of
// start: "anna: unusual address, then unusual change of permissions (3)".
func title(in *Incident, told []*Insight) string {
	type thing struct {
		words string
		n     int
	}
	var things []thing
next:
	for _, i := range told {
		words := happened[i.Type]
		if i.Type == TypeRule && i.Rule != nil {
			words = uncapped(strings.TrimSuffix(i.Rule.Title, "."))
		}
		if words == "" {
			words = i.Type
		}
		for n := range things {
			if things[n].words == words {
				things[n].n++
				continue next
			}
		}
		things = append(things, thing{words, 1})
	}
	var b strings.Builder
	switch who := in.Identity; {
	case who != "":
		b.WriteString(ShortName(who))
	case in.Account != "":
		b.WriteString("account " + in.Account)
	default:
		b.WriteString(in.Provider)
	}
	for n, t := range things[:min(len(things), titleMost)] {
		b.WriteString([]string{": ", ", then "}[min(n, 1)])
		b.WriteString(t.words)
		if t.n > 1 {
			fmt.Fprintf(&b, " (%d)", t.n)
		}
	}
	if more := len(things) - titleMost; more > 0 {
		fmt.Fprintf(&b, ", and %d more", more)
	}
	return b.String()
}

// ShortName is an identity as people speak of it: the last part of its ARN.
func ShortName(identity string) string {
	if i := strings.LastIndexByte(identity, '/'); i >= 0 && i+1 < len(identity) {
		return identity[i+1:]
	}
	return identity
}

// uncapped is a sentence as it stands within another: "An access key" becomes "an
// access key", and "IAM users" stays.
func uncapped(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if next, _ := utf8.DecodeRuneInString(s[n:]); unicode.IsUpper(next) || unicode.IsDigit(next) {
		return s
	}
	return string(unicode.ToLower(r)) + s[n:]
}
