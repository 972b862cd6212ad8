package daemon

import (
	"time"

	"github.com/insightd/insightd/daemon/insight"
)

// highRiskTypes are the insights that are about somebody who does what he never did
// before, or hardly ever: of a FirstActionInsight the operation is always one of risk.
var highRiskTypes = insight.Words{insight.TypeFirstAction, insight.TypePolicyChange, insight.TypePasswordChange, insight.TypeTrailConcealment}

// highRisk are the ids of the events that were not done before and are of high risk,
// within a span of time: the first use that a FirstActionInsight tells, and what the
// insights on permissions, passwords and trails name that are of high risk.
func (d *Daemon) highRisk(from, to time.Time) map[string]bool {
	out := map[string]bool{}
	q := insight.Query{Types: highRiskTypes, From: from, To: to, Limit: 1000}
	for {
		page, err := d.insights.List(q)
		if err != nil {
			d.logger.Error("Looking up which events are of high risk; filters that name high_risk find none", "err", err)
			return nil
		}
		for i := range page.Insights {
			in := &page.Insights[i]
			uids := in.SampleEventIDs
			switch {
			case in.Type == insight.TypeFirstAction:
				uids = uids[:min(1, len(uids))] // The others were done before by then.
			case !in.HighRisk:
				continue
			}
			for _, uid := range uids {
				out[uid] = true
			}
		}
		if q.Next = page.Next; q.Next == "" {
			return out
		}
	}
}
