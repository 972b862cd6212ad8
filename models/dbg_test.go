package models

import (
	"fmt"
	"testing"
)

func TestDbg(t *testing.T) {
	r := newRig(t, Calls(), 12)
	show := func(rate float64, n int) {
		var best Verdict
		for range n {
			if v := r.step(r.g.poisson(rate)); v.F > best.F {
				best = v
			}
		}
		fmt.Printf("F %.2f w %d o %.0f e %.1f %v %s phi %.2f %.2f %.2f active %.0f pop %.2f\n %v\n", best.F, best.Window, best.Observed, best.Expected, best.Parts, best.Class, r.c.dispersed(0, 1), r.c.dispersed(1, 1), r.c.dispersed(2, 1), r.c.active, r.f.pool.dispersed(2), r.c.surprise)
	}
	r.poisson(2*weekMinutes, 0.5)
	show(3, 1440)
	show(3, 1440)
	show(3, 1440)
	show(3, 1440)
	show(30, 20)
	r = newRig(t, Calls(), 13)
	r.poisson(2*weekMinutes, 0.5)
	show(8, 13*60)
	show(.5, 13*60)
	show(8, 30)
}
