package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
)

// Labels are what the configuration calls identities and resources. They are never
// written to once they are in Settings.
type Labels struct {
	Identities []IdentityLabel `json:"identities,omitempty"`
	Resources  []ResourceLabel `json:"resources,omitempty"`
}

// IdentityLabel is a label of the identities that fit a pattern.
type IdentityLabel struct {
	Pattern string `json:"pattern"`
	Label   string `json:"label"`
}

// ResourceLabel is the sensitivity of the resources that fit a pattern.
type ResourceLabel struct {
	Pattern     string              `json:"pattern"`
	Sensitivity insight.Sensitivity `json:"sensitivity"`
}

// labelled remembers the labels of identities, of which patterns are many.
type labelled struct {
	by *Labels
	of map[string][]string
}

// labelledLimit bounds how many identities' labels are remembered.
const labelledLimit = 1 << 16

// labelsOf are the labels of an identity, sorted. They are not written to.
func (s *stream) labelsOf(identity string) []string {
	l := s.set.Labels
	if l == nil || len(l.Identities) == 0 || identity == "" {
		return nil
	}
	c := &s.labelled
	if c.by != l || len(c.of) >= labelledLimit {
		*c = labelled{by: l, of: map[string][]string{}}
	}
	list, known := c.of[identity]
	if !known {
		for _, x := range l.Identities {
			if event.Glob(x.Pattern, identity) && !slices.Contains(list, x.Label) {
				list = append(list, x.Label)
			}
		}
		slices.Sort(list)
		c.of[strings.Clone(identity)] = list
	}
	return list
}

// breakGlass reports whether an event is a use of an identity for emergencies: a
// call of its own.
func (s *stream) breakGlass(e *event.Event) bool {
	return slices.Contains(s.labelsOf(e.Actor.Identity), insight.LabelBreakGlass) && e.Call() && !forwarded(e)
}

// sensitivities are in rising order.
var sensitivities = []insight.Sensitivity{"", insight.SensitivityLow, insight.SensitivityMedium, insight.SensitivityHigh}

// sensitive is the most sensitive of some resources, and how sensitive it is.
func (l *Labels) sensitive(resources []string) (resource string, level insight.Sensitivity) {
	for _, r := range resources {
		for _, x := range l.Resources {
			if slices.Index(sensitivities, x.Sensitivity) > slices.Index(sensitivities, level) && event.Glob(x.Pattern, r) {
				resource, level = r, x.Sensitivity
			}
		}
	}
	return resource, level
}

// label puts into a new insight what the configuration calls its identity and its
// resources. That one of them matters makes it a step more severe.
func (s *stream) label(in *insight.Insight) {
	l := s.set.Labels
	if l == nil {
		return
	}
	in.Reasons = slices.DeleteFunc(slices.Clone(in.Reasons), ofCritical)
	in.IdentityLabels = s.labelsOf(in.Identity)
	resource, level := l.sensitive(in.Resources)
	in.Sensitivity = level
	if in.Rule != nil && in.Rule.ID == insight.RuleBreakGlass || rank(in.Severity) >= rank(insight.SeverityCritical) {
		return
	}
	why := ""
	switch {
	case len(in.IdentityLabels) > 0:
		why = fmt.Sprintf("the configuration calls %s %s", insight.ShortName(in.Identity), strings.Join(in.IdentityLabels, " and "))
	case level == insight.SensitivityHigh:
		why = fmt.Sprintf("the configuration gives %s high sensitivity", resource)
	default:
		return
	}
	from := in.Severity
	in.Severity = severityOf(rank(from) + 1)
	in.Reasons = append(in.Reasons, insight.Reason{
		Feature: insight.FeatureCritical, Observed: string(in.Severity), Usual: string(from),
		Text: fmt.Sprintf("%s, so the severity is %s rather than %s", why, in.Severity, from),
	})
}

func ofCritical(r insight.Reason) bool { return r.Feature == insight.FeatureCritical }

// graded is the severity of an insight as its detector said it, before label.
func graded(in *insight.Insight) insight.Severity {
	for _, r := range in.Reasons {
		if was, ok := r.Usual.(string); ok && r.Feature == insight.FeatureCritical {
			return insight.Severity(was)
		}
	}
	return in.Severity
}
