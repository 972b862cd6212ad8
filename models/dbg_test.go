package models

import (
	"fmt"
	"testing"
)

func TestDbg(t *testing.T) {
	for seed := uint64(0); seed < 6; seed++ {
		r := newRig(t, Calls(), seed)
		for range 15 * 24 { // A call now and then, by day.
			h := (r.m - epoch) / 60 % 24
			rate := 0.0
			if h >= 8 && h < 18 {
				rate = 0.005
			}
			r.poisson(60, rate)
		}
		start := r.m
		var best Verdict
		for r.m < start+16*60 {
			n := 0.0
			if (r.m-start)%11 == 0 {
				n = 1
			}
			if v := r.step(n); v.F > best.F {
				best = v
			}
		}
		fmt.Printf("F %.2f w %d o %.0f e %.1f %v %s  phi %.2f pop %.2f %v\n", best.F, best.Window, best.Observed, best.Expected, best.Parts, best.Class, r.c.dispersed(3, 1), r.f.pool.dispersed(3), r.c.surprise)
	}
	for w := range windows {
		fmt.Println(NewFamily(Calls()).prior[w][classCore])
	}
	for _, idle := range []Minute{5 * weekMinutes} {
		a, b := newRig(t, Calls(), 9), newRig(t, Calls(), 9)
		a.poisson(3*weekMinutes, 0.5)
		b.poisson(3*weekMinutes, 0.5)
		fmt.Println(a.c.disp)
		for m := b.m; m < b.m+idle; m += 7 {
			b.c.advance(b.f, m)
		}
		to := a.m + idle
		a.f.Add(&a.c, a.who, to, 40)
		b.f.Add(&b.c, b.who, to, 40)
		fmt.Println(a.c.disp, b.c.disp)
	}
}
