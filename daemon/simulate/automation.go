package simulate

import "math"

// wave is the course of a working day at the account's home, 0 to 1.
func (w *walker) wave(t float64) float64 {
	h := math.Mod(t/3600+float64(sites[w.a.acct.site].offset)+48, 24)
	return 0.5 + float64(0.5*math.Cos((h-14.5)*math.Pi/12))
}

func (w *walker) workday() bool {
	wd := w.weekday(w.day)
	return wd != 0 && wd != 6 && !w.a.acct.holidays[[2]int{w.a.acct.site, w.day}]
}

func (w *walker) midnight() float64 { return float64(w.day) * daySeconds }

// ci runs a pipeline for every change that people make, and one at night.
func (w *walker) ci() {
	r := &w.rng
	mean := w.a.rate * w.t.o.Activity * w.a.level(int32(w.midnight())+43200)
	if !w.workday() {
		mean *= 0.12
	}
	run := func(t float64) {
		from := w.a.at(r, int32(t))
		step := r.uniform(1.5, 6)
		for i, n := 0, r.between(20, 100); i < n; i++ {
			w.one(t, i > n/4 && r.chance(0.45), from)
			t += r.exp(step)
		}
		for range r.poisson(w.a.ops[policy]) {
			w.emit(t, usualOp(w.a, policy, r), from)
			t += r.exp(3)
		}
	}
	for range r.poisson(mean) {
		t := w.midnight() + float64(r.float()*daySeconds)
		for r.float() > float64(w.wave(t)*w.wave(t)) {
			t = w.midnight() + float64(r.float()*daySeconds)
		}
		run(t)
	}
	run(w.midnight() + float64(w.a.phase%18000) + r.uniform(0, 60))
}

// cron runs at fixed times; some run eight times as long once a month.
func (w *walker) cron() {
	r, a := &w.rng, w.a
	first := w.midnight() + float64(a.phase%a.period)
	for t := first; t < w.midnight()+daySeconds; t += float64(a.period) {
		n := float64(a.size) * w.t.o.Activity * a.level(int32(t)) * r.uniform(0.85, 1.15)
		if a.monthly > 0 && t == first && w.t.base.AddDate(0, 0, w.day).Day() == a.monthly {
			n *= 8
		}
		at := t + r.uniform(0, 20)
		from := a.at(r, int32(at))
		for i := range int(math.Round(n)) {
			w.one(at, i%5 > 1, from)
			at += r.exp(1.5)
		}
		for c := policy; c <= trail; c++ {
			if t == first && r.chance(a.ops[c]) {
				w.emit(at+1, usualOp(a, c, r), from)
			}
		}
	}
}

// autoscale follows a demand that wanders: a first-order autoregression of its
// logarithm in steps of ten minutes, times the course of the day.
func (w *walker) autoscale() {
	r, a := &w.rng, w.a
	const step = 600
	for t := w.midnight(); t < w.midnight()+daySeconds; t += step {
		w.ar = float64(0.93*w.ar) + float64(0.22*r.norm())
		rate := a.rate * w.t.o.Activity * a.level(int32(t)) * (0.3 + float64(1.1*w.wave(t))) * math.Exp(w.ar) / (3600 / step)
		for range r.poisson(rate) {
			at := t + r.uniform(0, step)
			from := a.at(r, int32(at))
			for range r.between(3, 7) {
				w.one(at, r.chance(0.6), from)
				at += r.exp(2)
			}
		}
	}
}

// poll asks the same at a fixed rate.
func (w *walker) poll() {
	r, a := &w.rng, w.a
	t := w.midnight() + float64(a.phase%a.period)
	for t < w.midnight()+daySeconds {
		at := t + r.uniform(0, 1)
		from := a.at(r, int32(at))
		for i := range a.size {
			_, extra := w.reps(int32(at))
			api := a.rep.reads[i%len(a.rep.reads)]
			if extra != nil && r.chance(0.1) {
				api = pick(r, extra.reads)
			}
			w.emit(at, api, from)
			at += 0.3
		}
		t += float64(a.period) / (w.t.o.Activity * a.level(int32(t)))
	}
}

// app makes calls at random, more by day; drift likewise, and from day to day
// some per cent more or fewer.
func (w *walker) app() {
	r, a := &w.rng, w.a
	const step = 300
	rate := a.rate * w.t.o.Activity / (daySeconds / step)
	if a.growth != 0 {
		rate *= math.Pow(1+a.growth, float64(max(-60, min(60, w.day-15))))
	}
	if !w.workday() {
		rate *= 0.75
	}
	for t := w.midnight(); t < w.midnight()+daySeconds; t += step {
		for range r.poisson(rate * a.level(int32(t)) * (0.4 + float64(1.2*w.wave(t)))) {
			at := t + r.uniform(0, step)
			w.one(at, r.chance(0.4), a.at(r, int32(at)))
		}
	}
}

// etl is a job at night, which starts things and asks until they are done.
func (w *walker) etl() {
	r, a := &w.rng, w.a
	t := w.midnight() + float64(a.phase%21600) + r.uniform(0, 300)
	from := a.at(r, int32(t))
	n := int(float64(a.size) * w.t.o.Activity * a.level(int32(t)) * r.uniform(0.8, 1.2))
	for range n {
		w.one(t, r.chance(0.35), from)
		t += r.exp(8)
	}
}

// weekly deploys once a week.
func (w *walker) weekly() {
	r, a := &w.rng, w.a
	if w.weekday(w.day) != 1+int(a.seed%5) {
		return
	}
	t := w.midnight() + float64((8+a.phase%9)*3600) + r.uniform(0, 1800)
	from := a.at(r, int32(t))
	for range int(float64(a.size) * w.t.o.Activity * r.uniform(0.8, 1.2)) {
		w.one(t, r.chance(0.6), from)
		t += r.exp(3.5)
	}
}

// sparse does a little, every few days.
func (w *walker) sparse() {
	r := &w.rng
	for range r.poisson(0.5 * w.a.rate * w.t.o.Activity) {
		t := w.midnight() + float64(r.float()*daySeconds)
		from := w.a.at(r, int32(t))
		for range r.between(1, 6) {
			w.one(t, r.chance(0.3), from)
			t += r.exp(20)
		}
	}
}

// service is AWS acting for the account.
func (w *walker) service() {
	r := &w.rng
	const step = 600
	for t := w.midnight(); t < w.midnight()+daySeconds; t += step {
		for range r.poisson(700 * w.t.o.Activity * float64(w.t.o.Identities) / 100 / (daySeconds / step) * (0.5 + w.wave(t))) {
			at := t + r.uniform(0, step)
			w.one(at, r.chance(0.25), where{sess: int32(at)})
		}
	}
}
