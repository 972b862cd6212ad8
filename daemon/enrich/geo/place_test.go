package geo

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDistance(t *testing.T) {
	berlin, tokyo := Point{52.52, 13.405}, Point{35.6762, 139.6503}
	require.InDelta(t, 8918, berlin.Distance(tokyo), 20)
	require.InDelta(t, berlin.Distance(tokyo), tokyo.Distance(berlin), 1e-9)
	require.Zero(t, berlin.Distance(berlin))
	require.InDelta(t, 20015, Point{0, 0}.Distance(Point{0, 180}), 1)
	require.InDelta(t, 222, Point{0, 179}.Distance(Point{0, -179}), 1, "over the date line")
}

func TestCountriesApart(t *testing.T) {
	for _, near := range [][2]string{{"DE", "FR"}, {"DE", "DE"}, {"ZA", "LS"}, {"US", "CA"}, {"GB", "IE"}, {"CN", "HK"}, {"DE", "ZZ"}, {"", "DE"}} {
		require.Zero(t, Apart(near[0], near[1]), near)
	}
	for _, far := range []struct {
		a, b        string
		least, most float64 // Between the closest two places.
	}{
		{"DE", "JP", 6000, 8400}, {"DE", "BR", 3500, 7700}, {"GB", "SG", 9000, 10600}, {"DE", "SG", 8500, 9950}, {"US", "AU", 1000, 8000}, {"TR", "IN", 1500, 3300},
	} {
		km := Apart(far.a, far.b)
		require.Greater(t, km, far.least, far)
		require.Less(t, km, far.most, far)
		require.InDelta(t, km, Apart(far.b, far.a), 1e-9)
	}
	require.GreaterOrEqual(t, len(places()), 230)
}

func TestPlacesAreChecked(t *testing.T) {
	for _, bad := range []string{"DE,10", "DE,x,1 2", "DE,10,here", "\"DE"} {
		_, err := readPlaces(bad)
		require.Error(t, err, bad)
	}
}
