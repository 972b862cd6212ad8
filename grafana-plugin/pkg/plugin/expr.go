package plugin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// promParser takes whatever some daemon may: refusing is up to the daemon.
var promParser = parser.NewParser(parser.Options{
	EnableExperimentalFunctions: true, ExperimentalDurationExpr: true,
	EnableExtendedRangeSelectors: true, EnableBinopFillModifiers: true,
})

const (
	// sampleInterval is how far apart the daemon's samples are.
	sampleInterval = time.Minute
	// activityPrefix begins the names of series that hold counts of a minute.
	activityPrefix = "activity_"
	insightPrefix  = "insight_"
	// ownPrefix begins those of the daemon's own metrics.
	ownPrefix = "insightd_"
)

// interpolate puts values in the place of Grafana's macros. Frontends do so
// themselves, except for alert rules.
func (r *request) interpolate(expr string, step time.Duration) string {
	if !strings.Contains(expr, "$") {
		return expr
	}
	span := r.to.Sub(r.from)
	rate := max(step+sampleInterval, 4*sampleInterval)
	var pairs []string
	// Longer names stand first, or $__range would eat the beginning of $__range_s.
	for _, m := range []struct{ name, value string }{
		{"__rate_interval_ms", strconv.FormatInt(rate.Milliseconds(), 10)},
		{"__rate_interval", duration(rate)},
		{"__interval_ms", strconv.FormatInt(step.Milliseconds(), 10)},
		{"__interval", duration(step)},
		{"__range_ms", strconv.FormatInt(span.Milliseconds(), 10)},
		{"__range_s", strconv.FormatInt(int64(span.Round(time.Second)/time.Second), 10)},
		{"__range", duration(span.Round(time.Second))},
	} {
		pairs = append(pairs, "${"+m.name+"}", m.value, "$"+m.name, m.value)
	}
	return strings.NewReplacer(pairs...).Replace(expr)
}

// duration writes a duration as PromQL takes it.
func duration(d time.Duration) string {
	if d <= 0 {
		d = time.Second
	}
	if d%time.Second != 0 {
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	}
	return strconv.FormatInt(int64(d/time.Second), 10) + "s"
}

// expression is the expression to ask for: with macros filled in and the ad-hoc
// filters in every selector. Notes are what its writer should know.
func (r *request) expression(step time.Duration) (expr string, notes []string, err error) {
	expr = strings.TrimSpace(r.interpolate(r.Expr, step))
	if expr == "" {
		return "", nil, nil
	}
	e, err := promParser.ParseExpr(expr)
	if err != nil {
		if len(r.Filters) == 0 {
			return expr, nil, nil // The daemon says what is wrong with it.
		}
		return "", nil, wrongf("the expression cannot be read, so that no filter can be added to it: %v", err)
	}
	ms, err := r.matchers()
	if err != nil {
		return "", nil, err
	}
	narrow(e, ms)
	if len(ms) > 0 {
		expr = e.String()
	}
	if names := rated(e); len(names) > 0 {
		notes = append(notes, fmt.Sprintf("%s on %s is wrong: its samples are counts of a minute, not a counter. Use sum_over_time(…[5m]) for events in five minutes, and divide by 300 for a rate", names[0].function, names[0].metric))
	}
	return expr, notes, nil
}

// insightNames are fields of insights whose labels are called otherwise.
var insightNames = map[string]string{"type": "insight_type"}

// narrow adds matchers to every selector of an expression. One that is there
// already is not added twice.
func narrow(e parser.Expr, ms []*labels.Matcher) {
	if len(ms) == 0 {
		return
	}
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		s, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		for _, m := range ms {
			if as, ok := insightNames[m.Name]; ok && strings.HasPrefix(metricOf(s), insightPrefix) {
				if renamed, err := labels.NewMatcher(m.Type, as, m.Value); err == nil {
					m = renamed
				}
			}
			if !slices.ContainsFunc(s.LabelMatchers, func(o *labels.Matcher) bool { return o.String() == m.String() }) {
				s.LabelMatchers = append(s.LabelMatchers, m)
			}
		}
		return nil
	})
}

// metricOf is the name of the metric that a selector selects, empty where it
// names none.
func metricOf(s *parser.VectorSelector) string {
	if s.Name != "" {
		return s.Name
	}
	for _, m := range s.LabelMatchers {
		if m.Name == labels.MetricName && m.Type == labels.MatchEqual {
			return m.Value
		}
	}
	return ""
}

// asksFor reports whether an expression selects a metric whose name begins so.
// The macros of the expression are filled in.
func asksFor(expr, prefix string) bool {
	e, err := promParser.ParseExpr(expr)
	if err != nil {
		return false
	}
	found := false
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok {
			found = found || strings.HasPrefix(metricOf(s), prefix)
		}
		return nil
	})
	return found
}

// counterFunctions are right for counters only.
var counterFunctions = []string{"rate", "irate", "increase", "resets"}

type ratedMetric struct{ function, metric string }

// rated finds functions of counters around our counts.
func rated(e parser.Expr) []ratedMetric {
	var found []ratedMetric
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		c, ok := n.(*parser.Call)
		if !ok || !slices.Contains(counterFunctions, c.Func.Name) || len(c.Args) == 0 {
			return nil
		}
		m, ok := c.Args[0].(*parser.MatrixSelector)
		if !ok {
			return nil
		}
		if s, ok := m.VectorSelector.(*parser.VectorSelector); ok && strings.HasPrefix(metricOf(s), activityPrefix) {
			found = append(found, ratedMetric{c.Func.Name, metricOf(s)})
		}
		return nil
	})
	return found
}
