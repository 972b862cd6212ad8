package enrich

import (
	"net/netip"
	"strconv"
)

// Spot is where a city database has an address.
type Spot struct {
	// Latitude and Longitude are in degrees.
	Latitude, Longitude float64
	// City is in English, and may be empty. Country is an ISO 3166-1 alpha-2 code.
	City, Country string
}

// Cities reports whether a database of cities is configured.
func (x *Enricher) Cities() bool { return x.place.city != nil }

// Locate looks up where an address is. It is not where that is not known, and for
// addresses that are internal or of documentation.
func (x *Enricher) Locate(address string) (Spot, bool) {
	p := x.place
	if p.city == nil {
		return Spot{}, false
	}
	ip := parseAddr(address)
	if !ip.IsValid() {
		return Spot{}, false
	}
	ip = ip.Unmap().WithZone("")
	if isInternal(ip) || isExample(ip) {
		return Spot{}, false
	}
	return p.city.spot(ip)
}

// spot tells coordinates and city in the forms that are about: location.latitude
// and city.names.en of MaxMind and DB-IP, latitude and city of ip-location-db,
// lat and lng, as texts, of IPinfo.
func (d *database) spot(ip netip.Addr) (Spot, bool) {
	r := d.r.Lookup(ip)
	number := func(paths ...[]any) (float64, bool) {
		for _, path := range paths {
			var v float64
			if r.DecodePath(&v, path...) == nil && v != 0 {
				return v, true
			}
			var s string
			if r.DecodePath(&s, path...) == nil {
				if v, err := strconv.ParseFloat(s, 64); err == nil {
					return v, true
				}
			}
		}
		return 0, false
	}
	lat, north := number([]any{"location", "latitude"}, []any{"latitude"}, []any{"lat"})
	lon, east := number([]any{"location", "longitude"}, []any{"longitude"}, []any{"lng"})
	// Coordinates that are both zero are how some say that they do not know.
	if !north && !east || lat < -90 || lat > 90 || lon < -180 || lon > 180 {
		return Spot{}, false
	}
	s := Spot{Latitude: lat, Longitude: lon, Country: d.country(ip)}
	for _, path := range [][]any{{"city", "names", "en"}, {"city"}} {
		if r.DecodePath(&s.City, path...) == nil && s.City != "" {
			break
		}
	}
	return s, true
}
