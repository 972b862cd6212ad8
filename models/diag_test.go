package models

import (
	"fmt"
	"testing"
)

func TestDiag(t *testing.T) {
	by := map[string]int{}
	for seed := uint64(1); seed <= 4; seed++ {
		tr := generate(seed, 28, true)
		o := replay(tr, Calls())
		for _, e := range o.episodes {
			l := tr.lines[e.line]
			if e.detected < epoch+7*1440 {
				continue
			}
			bad := false
			for _, s := range append(append([]span{}, tr.incidents...), tr.benign...) {
				if s.who == l.who && e.detected >= s.start-90 && e.detected <= s.end+90 {
					bad = true
				}
			}
			if bad {
				continue
			}
			arch := ""
			switch k := l.who % 50; {
			case k < 25:
				arch = "person"
			case k < 31:
				arch = "ci"
			case k < 37:
				arch = "cron"
			case k < 39:
				arch = "scaler"
			case k < 40:
				arch = "poll"
			case k < 44:
				arch = "app"
			case k < 45:
				arch = "drift"
			case k < 47:
				arch = "etl"
			case k < 48:
				arch = "weekly"
			default:
				arch = "sparse"
			}
			by[fmt.Sprintf("%s w%d", arch, e.window)]++
			c := o.counts[e.line]
			if by[fmt.Sprintf("%s w%d", arch, e.window)] <= 14 {
				fmt.Printf("%-7s w%-4d f %5.2f line %d day %.2f dur %d o %.0f e %.2f parts %v %s total %.0f calls %d\n", arch, e.window, e.f, e.line, float64(e.detected-epoch)/1440, e.ended-e.start, e.first.Observed, e.first.Expected, e.first.Parts, e.first.Class, c.total, len(l.samples))
			}
		}
		if seed == 2 {
			for w := 0; w < windows; w++ {
				for c := 0; c < classes; c++ {
					e := &o.family.pool.cells[w][c]
					fmt.Printf("w %d class %d n %.0f weeks %.0f rate %.3f mean %.2f tails %.3f %.4f %.5f\n", w, c, e.n, e.weeks, e.rate(&o.family.prior[w][c]), e.sum/(e.n+1e-9), e.tail(2), e.tail(8), e.tail(30))
				}
			}
		}
	}
	fmt.Println(by)
}
