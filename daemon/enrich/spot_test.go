package enrich

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

func TestLocate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "city.mmdb")
	require.NoError(t, os.WriteFile(file, mmdb{"Test-City", map[string]any{
		"88.198.0.0/16": map[string]any{
			"country": map[string]any{"iso_code": "DE"}, "city": map[string]any{"names": map[string]any{"en": "Nuremberg"}},
			"location": map[string]any{"latitude": 49.4478, "longitude": 11.0683},
		},
		"9.0.0.0/8":      map[string]any{"country_code": "ES", "city": "Madrid", "latitude": 40.4, "longitude": -3.7},
		"7.0.0.0/8":      map[string]any{"country": "IT", "city": "Rome", "lat": "41.9", "lng": "12.5"},
		"6.0.0.0/8":      map[string]any{"country": "US", "location": map[string]any{"latitude": 0.0, "longitude": 0.0}},
		"5.0.0.0/8":      map[string]any{"latitude": 91.0, "longitude": 1.0},
		"10.0.0.0/8":     map[string]any{"latitude": 1.0, "longitude": 1.0},
		"203.0.113.0/24": map[string]any{"latitude": 1.0, "longitude": 1.0},
	}}.bytes(), 0o600))
	x := newEnricher(t, Options{CityDB: file})
	require.True(t, x.Cities())
	f := func(address string, want Spot, known bool) {
		t.Helper()
		got, ok := x.Locate(address)
		require.Equal(t, known, ok, address)
		require.Equal(t, want, got, address)
	}
	f("88.198.0.1", Spot{49.4478, 11.0683, "Nuremberg", "DE"}, true)
	f("88.198.0.1:443", Spot{49.4478, 11.0683, "Nuremberg", "DE"}, true)
	f("9.1.1.1", Spot{40.4, -3.7, "Madrid", "ES"}, true)
	f("7.1.1.1", Spot{41.9, 12.5, "Rome", "IT"}, true)
	for _, nowhere := range []string{"6.1.1.1", "5.1.1.1", "10.1.1.1", "203.0.113.7", "1.1.1.1", "AWS Internal", ""} {
		f(nowhere, Spot{}, false)
	}
	e := event.Event{Source: event.Source{Address: "9.1.1.1"}}
	x.Enrich(&e)
	require.Equal(t, "ES", e.Source.Country, "it tells countries too")

	none := newEnricher(t, Options{})
	require.False(t, none.Cities())
	_, ok := none.Locate("88.198.0.1")
	require.False(t, ok)
	_, err := New(Options{CityDB: filepath.Join(t.TempDir(), "none.mmdb")})
	require.ErrorContains(t, err, "opening the database of cities")
}
