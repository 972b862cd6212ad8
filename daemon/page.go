package daemon

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/prometheus/common/version"

	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/daemon/source"
	"github.com/insightd/insightd/daemon/web"
)

// shownInsights is how many insights of each sort the page lists.
const shownInsights = 20

// pageData is what the built-in page shows.
func (d *Daemon) pageData(ctx context.Context) web.Data {
	c := d.config.Load()
	data := web.Data{Version: cmp.Or(version.Version, "of development"), Now: d.o.Now(), Started: d.started}
	data.Ready, data.Waiting = d.readiness()
	st := d.log.Stats()
	events := web.Store{Name: "Event log", Holds: "no events yet", Bytes: st.Bytes, Retention: c.Storage.Events.Retention}
	if st.Events > 0 {
		events.Holds = fmt.Sprintf("%d events since %s", st.Events, st.Oldest.Format("2006-01-02"))
	}
	if n := d.intake.tooOld.Load(); n > 0 {
		events.Holds += fmt.Sprintf("; %d older than its retention were refused", n)
	}
	series := web.Store{Name: "Series", Holds: "no samples yet", Retention: c.Storage.Series.Retention}
	if mint, _, ok := d.series.Bounds(); ok {
		series.Holds = "samples since " + time.UnixMilli(mint).UTC().Format("2006-01-02")
	}
	found := web.Store{Name: "Insights", Holds: fmt.Sprintf("%d active", len(d.insights.Active())), Retention: c.Storage.Insights.Retention}
	data.Storage = []web.Store{events, series, found}
	for _, s := range d.sources.status() {
		data.Sources = append(data.Sources, pageSource(s))
	}
	if cov, err := d.engine.Coverage(ctx); err == nil {
		data.Streams = cov.Streams
	}
	if page, err := d.insights.List(insight.Query{State: insight.StateStart, Limit: shownInsights}); err == nil {
		data.Active = page.Insights
	}
	if page, err := d.insights.List(insight.Query{State: insight.StateEnd, Sort: "-end", Limit: shownInsights}); err == nil {
		data.Recent = page.Insights
	}
	return data
}

func pageSource(s source.Status) web.Source {
	out := web.Source{Name: s.Name, Kind: s.Kind, Healthy: s.Err == "", Detail: s.Err, Events: s.Events, Frontier: s.Frontier}
	switch {
	case s.Err != "":
		out.State = "failing"
	case s.AtEnd:
		out.State = "at its end"
	default:
		out.State = fmt.Sprintf("reading, %d files to go", s.Backlog)
	}
	if out.Detail == "" && s.Failures > 0 {
		out.Detail = fmt.Sprintf("%d records could not be read", s.Failures)
	}
	return out
}
