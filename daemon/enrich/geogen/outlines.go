package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/insightd/insightd/daemon/enrich/geo"
)

// outlinePoints is how many points stand for a country's outline.
const outlinePoints = 20

// topology is a TopoJSON file of countries, as far as it is needed: arcs are
// lists of steps on a grid, and a ring is a list of arcs, ^n being arc n
// backwards.
type topology struct {
	Transform struct {
		Scale, Translate [2]float64
	}
	Arcs    [][][2]float64
	Objects struct {
		Countries struct {
			Geometries []struct {
				ID   string
				Type string
				Arcs json.RawMessage
			}
		}
	}
}

// outlines makes the table of where countries are: of each some points that are
// far from one another, and how far any other of its outline is from the nearest
// of them.
func outlines(path, codes, out string) error {
	var topo topology
	if err := readJSON(path, &topo); err != nil {
		return err
	}
	var list [][]string // alpha-2, alpha-3, number
	if err := readJSON(codes, &list); err != nil {
		return err
	}
	alpha := map[string]string{}
	for _, c := range list {
		if len(c) > 2 {
			alpha[strings.TrimLeft(c[2], "0")] = c[0]
		}
	}
	points := map[string][]geo.Point{}
	for _, g := range topo.Objects.Countries.Geometries {
		code := alpha[strings.TrimLeft(g.ID, "0")]
		if code == "" {
			continue // Disputed areas without a code.
		}
		for _, arc := range arcsOf(g.Arcs) {
			points[code] = append(points[code], topo.line(arc)...)
		}
	}
	f, err := os.Create(out)
	if err != nil {
		return fmt.Errorf("writing the table of outlines: %w", err)
	}
	w := csv.NewWriter(f)
	names := make([]string, 0, len(points))
	for c := range points {
		names = append(names, c)
	}
	slices.Sort(names)
	for _, c := range names {
		kept, cover := spread(points[c])
		row := []string{c, strconv.Itoa(int(math.Ceil(cover)))}
		for _, p := range kept {
			row = append(row, fmt.Sprintf("%.2f %.2f", p.Latitude, p.Longitude))
		}
		if err := w.Write(row); err != nil {
			return fmt.Errorf("writing the table of outlines: %w", err)
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return fmt.Errorf("writing the table of outlines: %w", err)
	}
	return f.Close()
}

func readJSON(path string, to any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, to); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

// arcsOf lists the numbers in nested lists of arcs.
func arcsOf(raw json.RawMessage) (out []int) {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return nil
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x)
			}
		case float64:
			out = append(out, int(v))
		}
	}
	walk(v)
	return out
}

// line are the points of an arc.
func (t *topology) line(arc int) (out []geo.Point) {
	if arc < 0 {
		arc = ^arc
	}
	x, y := 0.0, 0.0
	for _, step := range t.Arcs[arc] {
		x, y = x+step[0], y+step[1]
		out = append(out, geo.Point{
			Latitude:  y*t.Transform.Scale[1] + t.Transform.Translate[1],
			Longitude: x*t.Transform.Scale[0] + t.Transform.Translate[0],
		})
	}
	return out
}

// spread picks points that are far from one another, each time the one farthest
// from those that were picked, and says how far the farthest of the rest is.
func spread(all []geo.Point) (kept []geo.Point, cover float64) {
	near := make([]float64, len(all))
	for i := range near {
		near[i] = math.Inf(1)
	}
	next := 0
	for len(kept) < outlinePoints {
		p := all[next]
		kept = append(kept, p)
		next, cover = 0, 0
		for i, q := range all {
			near[i] = min(near[i], p.Distance(q))
			if near[i] > cover {
				next, cover = i, near[i]
			}
		}
		if cover == 0 {
			break
		}
	}
	return kept, cover
}
