package engine

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// agreementSpan is for how long after it was raised an insight supports others of
// the same identity.
const agreementSpan = 120 // minutes

// supported is when an identity last had an insight of a type raised.
type supported struct {
	typ string
	at  models.Minute
}

// culprit is whom an insight names: its identity, or the one that did most of
// what the account sees.
func culprit(in *insight.Insight, found *evidence) string {
	if in.Identity != "" {
		return in.Identity
	}
	top, _ := found.top(attrIdentity)
	return top
}

// confide says how sure an insight is that starts in minute m: what share of such
// insights are right, by its type, its score and how many other types of insight
// the one whom it names had in the two hours before. Types that the shipped table
// does not know go by what the score says of itself; live is the number of series
// that could have raised the insight, 0 where it judges single events.
func (s *stream) confide(in *insight.Insight, who string, live int, m models.Minute) {
	agreeing := s.agreeing(in.Type, who, m)
	c, known := models.ShippedConfidence().Of(in.Type, in.Score, len(agreeing), s.thumbs)
	switch {
	case known:
	case live > 0:
		c = ofRate(in.Score, live)
	default:
		c = ofEvent(in.Score)
	}
	in.Confidence = math.Round(100*c) / 100
	in.Reasons = slices.DeleteFunc(slices.Clone(in.Reasons), func(r insight.Reason) bool {
		return r.Feature == insight.FeatureAgreement || r.Feature == insight.FeatureAutomation
	})
	if len(agreeing) > 0 {
		in.Reasons = append(in.Reasons, insight.Reason{
			Feature: insight.FeatureAgreement, Observed: float64(len(agreeing)), Usual: 0.0,
			Text: fmt.Sprintf("also within two hours: %s", strings.Join(agreeing, ", ")),
		})
	}
	if y, known := s.symbols.byName[who]; known && who != "" && s.identities[y] != nil {
		if r, ok := s.identities[y].likeProgram(m); ok {
			in.Reasons = append(in.Reasons, r)
		}
	}
}

// agreeing are the other types of insight that an identity had in the two hours
// before minute m, and in it.
func (s *stream) agreeing(typ, who string, m models.Minute) []string {
	if who == "" {
		return nil
	}
	var out []string
	add := func(other string, at models.Minute) {
		if other != typ && at <= m && m-at <= agreementSpan && !slices.Contains(out, other) {
			out = append(out, other)
		}
	}
	for _, a := range s.agreement[who] {
		add(a.typ, a.at)
	}
	if s.foreseeing {
		for _, t := range s.preview.told {
			if t.in.Identity == who {
				add(t.in.Type, t.at)
			}
		}
	}
	slices.Sort(out)
	return out
}

// support notes that an identity has an insight of a type, for those that follow.
func (s *stream) support(typ, who string, m models.Minute) {
	if who == "" {
		return
	}
	list := s.agreement[who]
	if i := slices.IndexFunc(list, func(a supported) bool { return a.typ == typ }); i >= 0 {
		list[i].at = m
		return
	}
	s.agreement[who] = append(list, supported{typ, m})
}

// keepAgreement forgets what is too old at minute m to support anything.
func (s *stream) keepAgreement(m models.Minute) {
	for who, list := range s.agreement {
		list = slices.DeleteFunc(list, func(a supported) bool { return m-a.at > agreementSpan })
		if len(list) == 0 {
			delete(s.agreement, who)
		} else {
			s.agreement[who] = list
		}
	}
}

// agreementFields are what insights support others.
func (s *stream) agreementFields(d *codec) {
	dict(d, &s.agreement, strings.Compare, func(who *string, l *[]supported) {
		d.text(who)
		list(d, l, func(a *supported) {
			d.text(&a.typ)
			integer(d, &a.at)
		})
	})
}

// incidentRate is how many true incidents an account is taken to see in a day
// before anything is known of it.
const incidentRate = 0.3

// ofRate is the probability that an insight of score f is right as the score
// itself says: true incidents at the given rate against the false insights of
// this size or more that n series are expected to raise in a day, n/7·10^-f. It
// stays within 0.05 and 0.99.
func ofRate(f float64, n int) float64 {
	falseADay := float64(max(n, 1)) / 7 * math.Pow(10, -f)
	return min(0.99, max(0.05, incidentRate/(incidentRate+falseADay)))
}

// ofEvent is the same for a single event, of which the score is −log₁₀ of how
// likely it is: 1 − 10^(−s/2), half way between taking the score at its word and
// knowing nothing. It stays within 0.05 and 0.99.
func ofEvent(s float64) float64 {
	return min(0.99, max(0.05, 1-math.Pow(10, -s/2)))
}

// countShare is the models of counts' share of what false insights may cost; the
// rest is for the detectors of single events.
const countShare = 0.5

// usualBudget is how many false insights a day an account may raise by default.
const usualBudget = 5

// threshold is the score from which n live series start insights, so that no
// more false ones are expected in a day than their share of the given number,
// n/7·10^-f, nor more than one in a thousand series-weeks where the number is the
// usual one: a small account is not to have all of it.
func threshold(n int, falseADay float64) float64 {
	if falseADay <= 0 {
		return models.DefaultThreshold
	}
	return max(models.DefaultThreshold-math.Log10(falseADay/usualBudget), math.Log10(float64(max(n, 1))/7/(countShare*falseADay)))
}

// ease is by how much the threshold of a type is lower, where its false insights
// are known to be fewer than its score says. Of errors an identity, an API and
// their breadth tell the same, each with series of its own, and the share has to
// have risen too; keys are so few that the rarest of them would take years.
var ease = map[string]float64{insight.TypeAPIErrorRate: 1, insight.TypeAk: 0.5}

// leastThreshold is one false insight in ten series-weeks.
const leastThreshold = 1

// round keeps three significant decimals, so that records do not carry noise.
func round(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return math.Round(x*1000) / 1000
}
