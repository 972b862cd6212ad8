package models

import "math"

const (
	weekHours = 168
	// weekLife is the half-life of what is known of a week's hours, in hours.
	weekLife = 8 * weekHours
	// weekRescale is after how many half-lives the weights begin anew, so that
	// they stay small.
	weekRescale = 16
	// workingDay is which part of the busiest day's hours a weekday has to have
	// to count as one of the same kind.
	workingDay = 0.3
	// hourPrior is how many weeks the identity's mean over all hours weighs.
	hourPrior = 0.25
	// weekWait is after how many hours a call counts, so that what is done in an
	// odd hour does not excuse what is done next.
	weekWait = 12
	// hourLimit bounds the hours that a Minute is in.
	hourLimit = math.MaxInt32/60 + 1
)

// Week is in which hours of the week an identity is active. A call says nothing
// but that its hour was one of activity, so a script weighs no more than a
// person. Older weeks weigh less. The zero value has seen nothing.
type Week struct {
	// seen sums, for each hour of the week, 2^((t−origin)/weekLife) over the hours
	// t with a call; hours are counted from 1970.
	seen         [weekHours]float32
	origin, from int32
	last         int32
	// waiting has bit i set where there was a call i hours before the last.
	waiting uint32
	begun   bool
}

// hourOf is the hour of the week, Monday 00:00 UTC being 0. The Unix epoch was a
// Thursday.
func hourOf(hour int32) int32 { return (hour + 72) % weekHours }

// Observe notes a call. What comes before the last one counts for nothing.
func (w *Week) Observe(m Minute) {
	h := m / 60
	if !w.begun {
		w.begun, w.origin, w.from, w.last = true, h, h, h-1
	}
	if h <= w.last {
		return
	}
	for i := int32(weekWait - 1); i >= 0; i-- {
		if at := w.last - i; w.waiting&(1<<i) != 0 && h-at >= weekWait {
			w.count(at)
		}
	}
	if n := h - w.last; n < weekWait {
		w.waiting = w.waiting<<n&(1<<weekWait-1) | 1
	} else {
		w.waiting = 1
	}
	w.last = h
}

// Fresh reports whether no call of the hour was observed yet.
func (w *Week) Fresh(m Minute) bool { return !w.begun || m/60 > w.last }

// count takes in an hour with a call.
func (w *Week) count(h int32) {
	for h-w.origin > weekRescale*weekLife {
		for i := range w.seen {
			w.seen[i] = float32(math.Ldexp(float64(w.seen[i]), -weekRescale))
		}
		w.origin += weekRescale * weekLife
	}
	w.seen[hourOf(h)] += float32(w.unit(h))
}

// unit is what an hour weighs that is seen now.
func (w *Week) unit(h int32) float64 { return math.Exp2(float64(h-w.origin) / weekLife) }

// weeks is how many weeks were observed by an hour, in units of then: the
// integral of 2^(−t/weekLife) over their hours.
func (w *Week) weeks(h int32) float64 {
	if !w.begun || h <= w.from {
		return 0
	}
	return (1 - math.Exp2(-float64(h-w.from)/weekLife)) * weekLife / math.Ln2 / weekHours
}

// Hour is what is known of one hour of the week.
type Hour struct {
	// P is how likely the identity is to be active in it.
	P float64
	// Weeks are those that were observed, older ones weighing less, and Share is
	// in which part of all hours the identity is active.
	Weeks, Share float64
}

// At says how likely the identity is to be active in an hour: in which share of
// the weeks it was, with the hours beside it (a week weighs 0.6) and the same
// hours of the other days of its kind (0.3 and 0.2) taken in, and its mean over
// all hours for a quarter of a week. Days are of a kind where both are working
// days or neither is, as the identity has them: nobody's weekend is assumed.
func (w *Week) At(m Minute) Hour {
	h := m / 60
	n := w.weeks(h)
	if n == 0 {
		return Hour{P: 1}
	}
	u := w.unit(h)
	var days [7]float64
	total, most := 0.0, 0.0
	for i, s := range w.seen {
		days[i/24] += float64(s) / u
		total += float64(s) / u
	}
	for _, d := range days {
		most = max(most, d)
	}
	working := func(day int32) bool { return days[day] > workingDay*most }
	out := Hour{Weeks: n, Share: min(1, total/(weekHours*n))}
	at := hourOf(h)
	hits, trials := 0.0, 0.0
	for day := range int32(7) {
		same := day == at/24
		if !same && working(day) != working(at/24) {
			continue
		}
		for off := int32(-1); off <= 1; off++ {
			weight := [...]float64{0.3, 0.2}[off&1]
			if same {
				weight = [...]float64{1, 0.6}[off&1]
			}
			i := (day*24 + at%24 + off + weekHours) % weekHours
			hits += weight * min(n, float64(w.seen[i])/u)
			trials += weight * n
		}
	}
	out.P = (hits + hourPrior*out.Share) / (trials + hourPrior)
	return out
}

// Usual are the hours of a day of the week, Monday being 0, in which the
// identity is active in a tenth of the weeks or more.
func (w *Week) Usual(day int, m Minute) (hours [24]bool) {
	n := w.weeks(m / 60)
	if n == 0 {
		return hours
	}
	u := w.unit(m / 60)
	for h := range hours {
		hours[h] = float64(w.seen[day*24+h])/u >= n/10
	}
	return hours
}

func (w *Week) fields(d *codec) {
	for i := range w.seen {
		d.f32(&w.seen[i])
	}
	d.minute(&w.origin, &w.from, &w.last)
	d.u32(&w.waiting)
	d.bool(&w.begun)
	d.bad = d.bad || w.waiting >= 1<<weekWait
	for _, s := range w.seen {
		d.bad = d.bad || s < 0
	}
	for _, h := range []int32{w.origin, w.from, w.last} {
		d.bad = d.bad || h < -hourLimit || h > hourLimit
	}
	// The last hour may be any time after the origin: it moves when an hour counts.
	d.bad = d.bad || w.begun && (w.from > w.last+1 || w.origin < w.from)
}

// AppendBinary appends the state to b.
func (w *Week) AppendBinary(b []byte) ([]byte, error) { return write(b, w.fields), nil }

// MarshalBinary is the state as AppendBinary writes it.
func (w *Week) MarshalBinary() ([]byte, error) { return w.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote. On an error the state is as it
// was.
func (w *Week) UnmarshalBinary(b []byte) error {
	var v Week
	if err := read(b, "week", v.fields); err != nil {
		return err
	}
	*w = v
	return nil
}
