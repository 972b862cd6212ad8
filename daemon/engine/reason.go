package engine

import (
	"fmt"
	"math"
	"strings"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// severity says how bad an insight would be if it were true: by the risk tier
// of what was called and by who did it from where.
func severity(typ string, risk uint8, k event.Kind, found *evidence) insight.Severity {
	level := 0
	switch {
	case risk >= 3:
		level = 2
	case risk == 2 || typ == insight.TypeAk:
		level = 1
	}
	if k == event.KindRoot {
		level++
	}
	if n := found.networks[event.NetworkTor] + found.networks[event.NetworkVPN] + found.networks[event.NetworkHosting]; n*2 > found.total {
		level++
	}
	return [...]insight.Severity{insight.SeverityLow, insight.SeverityMedium, insight.SeverityHigh, insight.SeverityCritical}[min(level, 3)]
}

// attack names the MITRE ATT&CK techniques that an insight of the kind may be.
func attack(k kind, found *evidence) []string {
	var out []string
	switch k {
	case kindBreadth, kindErrors, kindAPIErrors:
		out = append(out, "T1580") // Cloud infrastructure discovery.
	case kindKey, kindNewAPIs:
		out = append(out, "T1078.004") // Valid accounts: cloud accounts.
	}
	for class := range found.classes {
		if strings.Contains(class, "mass_deletion") {
			out = append(out, "T1485") // Data destruction.
			break
		}
	}
	return out
}

// summary says in one sentence who did what in a span of minutes, how much more
// than usual.
func (s *stream) summary(x *modelled, span int, observed, expected float64, in insight.Insight) string {
	t := s.symbols
	who := insight.ShortName(in.Identity)
	during := "in " + minutes(span)
	usual := "usually " + number(expected)
	if expected < 0.05 {
		usual = "usually none"
	}
	switch x.key.kind {
	case kindCalls:
		return fmt.Sprintf("%s called %s %s times %s, %s", who, t.name(x.key.y), number(observed), during, usual)
	case kindKey:
		return fmt.Sprintf("key %s of %s wrote %s times %s, %s", in.Object, who, number(observed), during, usual)
	case kindNewAPIs:
		return fmt.Sprintf("key %s of %s wrote %s times %s through APIs that are new to it", in.Object, who, number(observed), during)
	case kindErrors:
		return fmt.Sprintf("%s got %s errors %s, %s; most from %s", who, number(observed), during, usual, in.Object)
	case kindAPIErrors:
		return fmt.Sprintf("%s got %s errors from %s %s, %s", who, number(observed), t.name(x.key.y), during, usual)
	case kindBreadth:
		return fmt.Sprintf("%s was denied %s APIs that it never used before %s", who, number(observed), during)
	case kindAccountCalls:
		return fmt.Sprintf("%s was called %s times %s, %s", t.name(x.key.x), number(observed), during, usual)
	case kindAccountCode:
		return fmt.Sprintf("%s calls failed with %s %s, %s", number(observed), t.name(x.key.x), during, usual)
	case kindAccountErrors:
		return fmt.Sprintf("%s calls of %s failed %s, %s", number(observed), t.name(x.key.x), during, usual)
	}
	return ""
}

// reasons say why in words and numbers. The contributions add up to the score.
func reasons(x *modelled, v models.Verdict) []insight.Reason {
	var out []insight.Reason
	add := func(r insight.Reason) {
		r.Contribution = round(r.Contribution)
		out = append(out, r)
	}
	gate := 0.0
	for _, p := range v.Parts {
		if p.Feature == "gate" {
			gate = round(p.Contribution)
		}
	}
	add(insight.Reason{
		Feature: "rate", Observed: round(v.Observed), Usual: round(v.Expected), Contribution: round(v.F) - gate,
		Text: fmt.Sprintf("%s in %s, where %s are expected at this hour of the week; a surprise of that size comes about once in %s weeks on this series",
			number(v.Observed), minutes(v.Window), number(v.Expected), number(math.Pow(10, min(v.F-gate, 12)))),
	})
	if gate != 0 {
		add(insight.Reason{
			Feature: "size", Observed: round(v.Observed), Usual: round(v.Expected), Contribution: gate,
			Text: "far beyond anything that the past of such series could excuse",
		})
	}
	add(insight.Reason{
		Feature: "history", Observed: v.Class, Usual: days(v.HistoryMinutes) + " of history", Contribution: 0,
		Text: fmt.Sprintf("judged by %s and by series like it: %s; %d earlier bursts", days(v.HistoryMinutes), v.Class, v.Clusters),
	})
	if v.Upper > 0 {
		add(insight.Reason{
			Feature: "threshold", Observed: round(v.Observed), Usual: round(v.Upper), Contribution: 0,
			Text: fmt.Sprintf("would not have started below %s in %s", number(math.Ceil(v.Upper)), minutes(v.Window)),
		})
	}
	if x.share != nil {
		now, usual := x.share.Now(), x.share.Usual()
		add(insight.Reason{
			Feature: "errorShare", Observed: round(now), Usual: round(usual), Contribution: 0,
			Text: fmt.Sprintf("%.0f %% of calls in the last hour failed; usually %.1f %%", now*100, usual*100),
		})
	}
	if v.Adopted {
		add(insight.Reason{
			Feature: "levelShift", Observed: "adopted", Usual: "", Contribution: 0,
			Text: "has lasted more than twelve hours and is taken as the new level, unless it falls back",
		})
	}
	return out
}

// number writes a count for reading: whole where it is large, with two digits
// where it is small.
func number(x float64) string {
	switch {
	case x > 0 && x < 0.005:
		return "next to none"
	case x >= 1e6:
		return "more than a million"
	case x >= 10 || x == math.Trunc(x):
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.2g", x)
}

// minutes writes a window's width.
func minutes(n int) string {
	switch {
	case n == 1:
		return "1 minute"
	case n < 60:
		return fmt.Sprintf("%d minutes", n)
	case n == 60:
		return "1 hour"
	case n < 120:
		return fmt.Sprintf("1 hour %d minutes", n-60)
	}
	return fmt.Sprintf("%d hours", n/60)
}

// days writes a length of history.
func days(minutes int) string {
	switch d := minutes / 1440; d {
	case 0:
		return "less than a day"
	case 1:
		return "1 day"
	default:
		return fmt.Sprintf("%d days", d)
	}
}
