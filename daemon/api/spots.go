package api

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/insightd/insightd/daemon/event"
)

// Spot is where an address is: in degrees, with a city that may be empty and an
// ISO 3166-1 alpha-2 code.
type Spot struct {
	Latitude, Longitude float64
	City, Country       string
}

// Locator says where addresses are. It is safe for concurrent use.
type Locator interface {
	// Cities reports whether there is a database of cities.
	Cities() bool
	// Locate is false where it is not known where an address is.
	Locate(address string) (Spot, bool)
}

const (
	defaultPlaces = 1000
	// maxPlaceValues is how many addresses are told apart where places are asked
	// for by coordinates.
	maxPlaceValues = 1 << 20
)

// placeView is a place with what came from there. Latitude and longitude are
// absent where they are not known.
type placeView struct {
	Country   string   `json:"country"`
	City      string   `json:"city,omitempty"`
	Latitude  *float64 `json:"latitude,omitempty"`
	Longitude *float64 `json:"longitude,omitempty"`
	Events    uint64   `json:"events"`
	Errors    uint64   `json:"errors"`
}

// placeList is places, those with most events first. Events and Errors are of
// all, also of those beyond the limit.
type placeList struct {
	Places []placeView `json:"places"`
	Events uint64      `json:"events"`
	Errors uint64      `json:"errors"`
	// Omitted counts the places beyond the limit.
	Omitted int `json:"omitted"`
}

// spot tells places apart.
type spot struct {
	country, city       string
	latitude, longitude float64
	located             bool
}

// eventPlaces answers from where events came: by country, as it was when they
// came in, or by coordinates, which are looked up now.
func (a *API) eventPlaces(q *request) (any, error) {
	by := q.oneOf("by", "country", "coordinates")
	vq := event.VolumeQuery{Filter: q.filter(), By: "country", Top: maxPlaceValues}
	vq.From, vq.To = q.bounded(defaultSpan)
	vq.Step = max(1, vq.To.Sub(vq.From))
	limit := q.limit(defaultPlaces)
	if q.wrong != nil {
		return nil, q.wrong
	}
	of := func(country string) spot { return spot{country: country} }
	if by == "coordinates" {
		if a.o.Locator == nil || !a.o.Locator.Cities() {
			q.warn("no database of cities is configured (geoip.city), so these are countries without coordinates")
		} else {
			vq.By, of = "ip", a.spotOf
		}
	}
	if err := a.acquire(q.ctx, a.searches, "searches"); err != nil {
		return nil, err
	}
	defer func() { <-a.searches }()
	found := map[spot]*placeView{}
	for _, failed := range []bool{false, true} {
		if failed {
			vq.Filter = narrowed(vq.Filter, `outcome="error"`)
		}
		v, err := a.o.Events.Volume(q.ctx, vq)
		if err != nil {
			return nil, err
		}
		for _, s := range v.Series {
			at := of(s.Value)
			p := found[at]
			if p == nil {
				p = at.view()
				found[at] = p
			}
			for _, n := range s.Counts {
				if failed {
					p.Errors += n
				} else {
					p.Events += n
				}
			}
		}
	}
	return newPlaceList(found, limit), nil
}

// spotOf is where an address is. Coordinates are cut to a hundredth of a degree,
// a kilometre: databases know no better.
func (a *API) spotOf(address string) spot {
	s, ok := a.o.Locator.Locate(address)
	if !ok {
		return spot{}
	}
	cut := func(v float64) float64 { return math.Round(v*100) / 100 }
	return spot{country: s.Country, city: s.City, latitude: cut(s.Latitude), longitude: cut(s.Longitude), located: true}
}

func (s spot) view() *placeView {
	v := &placeView{Country: s.country, City: s.city}
	if s.located {
		v.Latitude, v.Longitude = &s.latitude, &s.longitude
	}
	return v
}

func newPlaceList(found map[spot]*placeView, limit int) placeList {
	out := placeList{Places: []placeView{}}
	keys := make([]spot, 0, len(found))
	for at, p := range found {
		out.Events += p.Events
		out.Errors += p.Errors
		if p.Events > 0 { // Otherwise they came between the two questions.
			keys = append(keys, at)
		}
	}
	slices.SortFunc(keys, func(a, b spot) int {
		return cmp.Or(cmp.Compare(found[b].Events, found[a].Events), strings.Compare(a.country, b.country), strings.Compare(a.city, b.city),
			cmp.Compare(a.latitude, b.latitude), cmp.Compare(a.longitude, b.longitude))
	})
	if len(keys) > limit {
		out.Omitted = len(keys) - limit
		keys = keys[:limit]
	}
	for _, at := range keys {
		out.Places = append(out.Places, *found[at])
	}
	return out
}
