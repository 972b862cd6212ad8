package geo

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
)

// earthRadius is the mean radius of the earth in kilometres.
const earthRadius = 6371.0

// Point is a place on earth, in degrees.
type Point struct{ Latitude, Longitude float64 }

// Distance is how far two places are from one another on the surface, in
// kilometres: the haversine formula (R. W. Sinnott, Virtues of the Haversine,
// Sky and Telescope 68, 1984).
func (p Point) Distance(q Point) float64 {
	const degree = math.Pi / 180
	sin := func(x float64) float64 { s := math.Sin(x * degree / 2); return s * s }
	a := sin(q.Latitude-p.Latitude) + math.Cos(p.Latitude*degree)*math.Cos(q.Latitude*degree)*sin(q.Longitude-p.Longitude)
	return 2 * earthRadius * math.Asin(min(1, math.Sqrt(a)))
}

//go:embed data/places.csv
var placesCSV string

// outline is where a country is: points of its outline, and how far from the
// nearest of them any other point of it is at the most.
type outline struct {
	points []Point
	cover  float64
}

// places are the countries by their code.
var places = sync.OnceValue(func() map[string]outline {
	out, err := readPlaces(placesCSV)
	if err != nil {
		panic(fmt.Sprintf("geo: the table of places that is built in: %v", err))
	}
	return out
})

func readPlaces(text string) (map[string]outline, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	out := make(map[string]outline, len(rows))
	for i, row := range rows {
		if len(row) < 3 {
			return nil, fmt.Errorf("line %d: a code, a distance and a place are needed", i+1)
		}
		var o outline
		if o.cover, err = strconv.ParseFloat(row[1], 64); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		for _, cell := range row[2:] {
			var p Point
			if _, err := fmt.Sscanf(cell, "%f %f", &p.Latitude, &p.Longitude); err != nil {
				return nil, fmt.Errorf("line %d: %q is no place: %w", i+1, cell, err)
			}
			o.points = append(o.points, p)
		}
		out[row[0]] = o
	}
	return out, nil
}

// Apart is how far two countries are from one another at the least, in
// kilometres, by their codes: no two places in them are closer. It is 0 for
// neighbours, and for countries that are not known.
func Apart(a, b string) float64 {
	x, known := places()[a]
	y, also := places()[b]
	if !known || !also || a == b {
		return 0
	}
	least := math.Inf(1)
	for _, p := range x.points {
		for _, q := range y.points {
			least = min(least, p.Distance(q))
		}
	}
	return max(0, least-x.cover-y.cover)
}
