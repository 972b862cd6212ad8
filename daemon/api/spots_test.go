package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlaces(t *testing.T) {
	w := newWorld(t, nil)
	f := func(query string) (placeList, []string) {
		t.Helper()
		code, a := w.ask("/api/v1/events/places?start=2026-03-09T00:00:00Z&end=2026-03-09T12:00:00Z&" + query)
		require.Equal(t, http.StatusOK, code, a.Error)
		var l placeList
		require.NoError(t, json.Unmarshal(a.Data, &l))
		return l, a.Warnings
	}
	l, _ := f("by=country")
	require.Equal(t, []placeView{{Country: "", Events: 30}, {Country: "DE", Events: 30, Errors: 30}}, l.Places)
	require.Equal(t, uint64(60), l.Events)
	require.Equal(t, uint64(30), l.Errors)

	l, _ = f("limit=1&filter=" + url.QueryEscape(`{country!="",}`))
	require.Equal(t, []placeView{{Country: "DE", Events: 30, Errors: 30}}, l.Places)
	l, _ = f("limit=1")
	require.Len(t, l.Places, 1)
	require.Equal(t, 1, l.Omitted)
	require.Equal(t, uint64(60), l.Events, "of all places")

	l, _ = f("by=coordinates&filter=" + url.QueryEscape(`outcome="error"`))
	lat, lon := 52.52, 13.41
	require.Equal(t, []placeView{{Country: "DE", City: "Berlin", Latitude: &lat, Longitude: &lon, Events: 30, Errors: 30}}, l.Places)

	l, _ = f("filter=" + url.QueryEscape(`identity="nobody"`))
	require.NotNil(t, l.Places)
	require.Empty(t, l.Places)

	bare := newWorld(t, func(o *Options) { o.Locator = nil })
	code, a := bare.ask("/api/v1/events/places?by=coordinates")
	require.Equal(t, http.StatusOK, code)
	require.Len(t, a.Warnings, 1)
	require.Contains(t, a.Warnings[0], "geoip.city")
	for _, wrong := range []string{"by=city", "filter=" + url.QueryEscape(`{country="DE"`), "start=2026-03-10T00:00:00Z"} {
		code, _ := bare.ask("/api/v1/events/places?" + wrong)
		require.Equal(t, http.StatusBadRequest, code, wrong)
	}
}
