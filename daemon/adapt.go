package daemon

import (
	"github.com/prometheus/prometheus/model/labels"

	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/daemon/vitals"
	"github.com/insightd/insightd/tsdb"
)

// insightSeries shows the insights as series: the rooms of insights and of
// series do not know each other.
type insightSeries struct{ store *insight.Store }

// LiveSeries makes insightSeries a tsdb.LiveSource.
func (s insightSeries) LiveSeries(mint, maxt int64, ms ...*labels.Matcher) []tsdb.LiveSeries {
	found := s.store.LiveSeries(mint, maxt, ms...)
	out := make([]tsdb.LiveSeries, len(found))
	for i, f := range found {
		out[i] = tsdb.LiveSeries{Labels: f.Labels, T: f.T, V: f.V}
	}
	return out
}

// vitalSeries shows the daemon's own metrics as series.
type vitalSeries struct{ r *vitals.Recorder }

// LiveSeries makes vitalSeries a tsdb.LiveSource.
func (s vitalSeries) LiveSeries(mint, maxt int64, ms ...*labels.Matcher) []tsdb.LiveSeries {
	found := s.r.LiveSeries(mint, maxt, ms...)
	out := make([]tsdb.LiveSeries, len(found))
	for i, f := range found {
		out[i] = tsdb.LiveSeries{Labels: f.Labels, T: f.T, V: f.V}
	}
	return out
}
