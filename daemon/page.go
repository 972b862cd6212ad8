package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/prometheus/common/version"

	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/daemon/web"
)

// shownIncidents is how many incidents of each sort the page lists.
const shownIncidents = 20

// pageData is what the built-in page shows.
func (d *Daemon) pageData(ctx context.Context) web.Data {
	c := d.config.Load()
	data := web.Data{Version: cmp.Or(version.Version, "of development"), Now: d.o.Now()}
	data.Started = data.Now.Add(-time.Since(d.started)) // The clock of the events may be another.
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
	found := web.Store{Name: "Insights", Holds: fmt.Sprintf("%d active", d.insights.Totals().Active), Retention: c.Storage.Insights.Retention}
	data.Storage = []web.Store{events, series, found}
	if cov, err := (knowledge{d}).Coverage(ctx); err == nil {
		data.Streams = cov.Streams
		for _, s := range cov.Sources {
			data.Sources = append(data.Sources, web.NewSource(s))
		}
	}
	data.Tally = d.insights.Totals()
	if err := d.log.Standing(); err != nil {
		data.Stopped = err.Error()
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			data.Stopped = "the disk is full; push clients are told to come back and sources wait, and all goes on by itself when there is room"
		}
	}
	open := d.insights.OpenIncidents()
	slices.Reverse(open) // The newest first.
	data.Active = d.shown(open)
	if f, err := insight.ParseFilter(`suppressed="false"`, nil); err == nil {
		if over, _, err := d.insights.Incidents(insight.IncidentQuery{State: insight.StateEnd, Filter: f, Limit: shownIncidents}); err == nil {
			data.Recent = d.shown(over)
		}
	}
	return data
}

// shown are the first of a list of incidents, as the page shows them.
func (d *Daemon) shown(list []insight.Incident) []web.Incident {
	out := make([]web.Incident, 0, shownIncidents)
	for _, in := range list[:min(len(list), shownIncidents)] {
		_, members, _ := d.insights.Incident(in.ID)
		out = append(out, web.NewIncident(in, members))
	}
	return out
}
