package daemon

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/simulate"
)

// TestWhatADashboardAsks asks a daemon with two weeks of history what panels and
// editors do, and holds the answers against each other.
func TestWhatADashboardAsks(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Minute)
	folder := t.TempDir()
	_, err := simulate.WriteS3(context.Background(), folder, traffic(t, 16, now), time.Hour, nil)
	require.NoError(t, err)
	c := config.Default()
	c.Sources = []config.Source{{Type: "file", Name: "trail", Path: folder}}
	s := start(t, Options{Config: c})
	select {
	case <-s.CaughtUp():
	case <-time.After(5 * time.Minute): // Under the race detector sixteen days take a while.
		require.Fail(t, "the history was not read")
	}
	span := url.Values{"start": {now.Add(-17 * 24 * time.Hour).Format(time.RFC3339)}, "end": {now.Add(time.Hour).Format(time.RFC3339)}}
	with := func(more url.Values) url.Values {
		v := url.Values{}
		for _, from := range []url.Values{span, more} {
			maps.Copy(v, from)
		}
		return v
	}

	// Fields and their values lead to the insights that have them.
	var values struct {
		Values []struct {
			Value string
			Count int
		}
	}
	s.data("/api/v1/insights/field/type/values", url.Values{}, &values)
	require.NotEmpty(t, values.Values)
	var page struct {
		Insights []struct{ SharedEventID string }
	}
	for _, v := range values.Values {
		s.data("/api/v1/insights", url.Values{"filter": {fmt.Sprintf("type=%q", v.Value)}, "limit": {"1000"}}, &page)
		require.Len(t, page.Insights, v.Count, v.Value)
	}

	// An insight of calls has a series, whose bands say that it was unusual.
	s.data("/api/v1/insights", url.Values{"filter": {`type="ApiCallRateInsight" identity!=""`}}, &page)
	require.NotEmpty(t, page.Insights)
	var one struct {
		Selector string
		Insight  struct {
			InsightDetails struct{ StartTime, EndTime time.Time }
		}
	}
	s.data("/api/v1/insights/"+page.Insights[0].SharedEventID, url.Values{}, &one)
	require.NotEmpty(t, one.Selector)
	var bands struct {
		Bands []struct{ Observed, Upper []float64 }
	}
	at := one.Insight.InsightDetails.StartTime.Truncate(time.Minute)
	s.data("/api/v1/bands", url.Values{
		"selector": {one.Selector}, "step": {"5m"}, "start": {at.Format(time.RFC3339)}, "end": {at.Add(5 * time.Minute).Format(time.RFC3339)},
	}, &bands)
	require.Len(t, bands.Bands, 1)
	require.Greater(t, bands.Bands[0].Observed[0], bands.Bands[0].Upper[0])

	// Programs are told apart, and so are their events.
	var list struct {
		Identities []struct {
			Identity, IdentityClassReason string
		}
	}
	s.data("/api/v1/identities", url.Values{"class": {"Automation"}, "sort": {"-activity"}}, &list)
	require.NotEmpty(t, list.Identities)
	var names []string
	for _, p := range list.Identities {
		require.NotEmpty(t, p.IdentityClassReason)
		names = append(names, regexp.QuoteMeta(p.Identity))
	}
	var volume, named struct{ Total float64 }
	s.data("/api/v1/events/volume", with(url.Values{"filter": {`user_type="Automation"`}, "step": {"1d"}}), &volume)
	s.data("/api/v1/events/volume", with(url.Values{"filter": {fmt.Sprintf("identity=~%q", strings.Join(names, "|"))}, "step": {"1d"}}), &named)
	require.Positive(t, volume.Total)
	require.Equal(t, named.Total, volume.Total)
	s.data("/api/v1/events/field/identity_class/values", span, &values)
	require.Len(t, values.Values, 1)
	require.InDelta(t, volume.Total, values.Values[0].Count, 0)

	// Places add up to all events.
	var places struct {
		Events float64
		Places []struct {
			Country string
			Events  float64
		}
	}
	s.data("/api/v1/events/places", span, &places)
	s.data("/api/v1/events/volume", with(url.Values{"step": {"1d"}}), &volume)
	require.Equal(t, volume.Total, places.Events)
	require.Greater(t, len(places.Places), 1)

	// The daemon tells of itself in PromQL.
	require.Positive(t, s.sum("process_start_time_seconds", time.Now()))
	require.Equal(t, 1.0, s.sum("insightd_build_info", time.Now()))
	var metadata map[string][]struct{ Type string }
	s.data("/api/v1/metadata", url.Values{"metric": {"insightd_vitals_series"}}, &metadata)
	require.Equal(t, "gauge", metadata["insightd_vitals_series"][0].Type)
}
