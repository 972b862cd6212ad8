package models

import "math"

// Bounds of what is kept of an identity's circumstances.
const (
	placesKept = 12
	toolsKept  = 8
	// freshFor is for how many minutes a place or a tool counts as new.
	freshFor = dayMinutes
	// silence is after how many minutes without a call one stands alone.
	silence = 15
	// agedDays is at how many days the past of an identity is halved.
	agedDays = 180
)

// trace is a place or a tool with when it was seen.
type trace struct {
	key         uint64 // 0 where there is none
	first, last Minute
}

// Usual is in which circumstances an identity makes its calls: from which
// networks, with which tools, at which hours, after what silence, and how often
// something of that is new. The zero value has seen nothing.
type Usual struct {
	places [placesKept]trace
	tools  [toolsKept]trace
	hours  [24]float32
	calls  float32
	alone  float32 // calls that came after a silence
	days   float32
	// Days on which a place, a tool or an operation was new.
	newPlaces, newTools, newCalls float32
	begin, last                   Minute
	day, placeDay, toolDay        int32
	callDay                       int32
}

// Call is a call as far as its circumstances go.
type Call struct {
	Minute Minute
	// Place and Tool stand for the network and the program that it came from; 0
	// is none.
	Place, Tool uint64
	// New says that the identity never made it before.
	New bool
}

// Circumstances say how a call differs from an identity's usual ones. The
// rarities are in powers of ten, and 0 where nothing is rare about it.
type Circumstances struct {
	// Days are those on which the identity was active, this one included.
	Days float64
	// NewPlace and NewTool say that it was first there, or first used it, within
	// a day. PlaceRarity and ToolRarity say how rarely that happens, by days.
	NewPlace, NewTool       bool
	PlaceRarity, ToolRarity float64
	// PlaceDays, ToolDays and CallDays are on how many days before there was a
	// new place, a new tool, a call never made before.
	PlaceDays, ToolDays, CallDays float64
	// HourRarity says how rarely the identity calls around this hour, and
	// HourShare which part of its calls are within an hour of it.
	HourRarity, HourShare float64
	// Alone says that nothing of the identity was seen for a quarter of an hour,
	// and AloneRarity how rarely one of its calls comes so; AloneShare is which
	// part of them do.
	Alone                   bool
	AloneRarity, AloneShare float64
	// New says that the identity never made the call before, and NewRarity how
	// rarely it begins anything.
	New       bool
	NewRarity float64
}

// Compare says how a call differs from what was observed so far.
func (u *Usual) Compare(c Call) Circumstances {
	day := c.Minute / dayMinutes
	out := Circumstances{
		Days: float64(u.days), New: c.New,
		PlaceDays: float64(u.newPlaces), ToolDays: float64(u.newTools), CallDays: float64(u.newCalls),
	}
	if u.calls == 0 || u.day != day {
		out.Days++
	}
	if u.calls == 0 {
		return out
	}
	// rare is how rarely something happens that did on n of the days.
	rare := func(n float32, today bool) float64 {
		if today {
			n--
		}
		return max(0, -math.Log10(min(1, (max(0, float64(n))+0.3)/(out.Days+2))))
	}
	// On the first day everything is new.
	if c.Minute-u.begin > dayMinutes {
		out.NewPlace = c.Place != 0 && fresh(u.places[:], c.Place, c.Minute)
		out.NewTool = c.Tool != 0 && fresh(u.tools[:], c.Tool, c.Minute)
	}
	if out.NewPlace {
		out.PlaceRarity = rare(u.newPlaces, u.placeDay == day)
	}
	if out.NewTool {
		out.ToolRarity = rare(u.newTools, u.toolDay == day)
	}
	if c.New {
		out.NewRarity = rare(u.newCalls, u.callDay == day)
	}
	h := int(c.Minute/60) % 24
	near := float64(u.hours[(h+23)%24] + u.hours[h] + u.hours[(h+1)%24])
	out.HourShare = near / float64(u.calls)
	if u.calls >= 50 {
		// Twice the hour and its neighbours, over what an even day would have.
		p := (near + float64(u.hours[h]) + 0.5) / (4*float64(u.calls) + 12)
		out.HourRarity = max(0, min(1.5, -math.Log10(24*p)-0.3))
	}
	out.AloneShare = float64(u.alone) / float64(u.calls)
	if out.Alone = c.Minute-u.last >= silence; out.Alone {
		out.AloneRarity = max(0, min(1.5, -math.Log10(float64(u.alone+1)/float64(u.calls+10))-0.3))
	}
	return out
}

// fresh reports whether a place is not known, or not for a day.
func fresh(list []trace, key uint64, m Minute) bool {
	for i := range list {
		if list[i].key == key {
			return m-list[i].first < freshFor
		}
	}
	return true
}

// News is what a call began.
type News struct {
	// Day says that the identity's day began, and Halved that its past was.
	Day, Halved bool
	// Place says that the identity is not known from there.
	Place bool
}

// Days are those on which the identity was active.
func (u *Usual) Days() float64 { return float64(u.days) }

// Observe learns a call. Calls come in order of time.
func (u *Usual) Observe(c Call) (news News) {
	day := c.Minute / dayMinutes
	if u.calls == 0 {
		u.begin, u.last, u.day, u.placeDay, u.toolDay, u.callDay = c.Minute, c.Minute-silence, day-1, day-1, day-1, day-1
	}
	if news.Day = u.day != day; news.Day {
		if news.Halved = u.days >= agedDays; news.Halved {
			for _, n := range [...]*float32{&u.days, &u.newPlaces, &u.newTools, &u.newCalls} {
				*n /= 2
			}
		}
		u.day = day
		u.days++
	}
	first := c.Minute-u.begin <= dayMinutes
	if news.Place = see(u.places[:], c.Place, c.Minute); news.Place && !first && u.placeDay != day {
		u.placeDay = day
		u.newPlaces++
	}
	if see(u.tools[:], c.Tool, c.Minute) && !first && u.toolDay != day {
		u.toolDay = day
		u.newTools++
	}
	if c.New && !first && u.callDay != day {
		u.callDay = day
		u.newCalls++
	}
	u.calls++
	if c.Minute-u.last >= silence {
		u.alone++
	}
	u.last = c.Minute
	u.hours[c.Minute/60%24]++
	if u.calls >= 1<<20 {
		u.calls /= 2
		u.alone /= 2
		for h := range u.hours {
			u.hours[h] /= 2
		}
	}
	return news
}

// see notes a place. The one that was idle longest makes room. It reports
// whether it was not known.
func see(list []trace, key uint64, m Minute) bool {
	if key == 0 {
		return false
	}
	oldest := 0
	for i := range list {
		if list[i].key == key {
			list[i].last = m
			if i > 0 && list[i-1].last < m { // What is seen often is found soon.
				list[i-1], list[i] = list[i], list[i-1]
			}
			return false
		}
		if list[i].key == 0 || list[i].last < list[oldest].last {
			oldest = i
			if list[i].key == 0 {
				break
			}
		}
	}
	list[oldest] = trace{key, m, m}
	return true
}

func (u *Usual) fields(d *codec) {
	for _, list := range [...][]trace{u.places[:], u.tools[:]} {
		for i := range list {
			d.u64(&list[i].key)
			d.minute(&list[i].first, &list[i].last)
		}
	}
	for h := range u.hours {
		d.f32(&u.hours[h])
		d.bad = d.bad || u.hours[h] < 0
	}
	d.f32(&u.calls, &u.alone, &u.days, &u.newPlaces, &u.newTools, &u.newCalls)
	d.minute(&u.begin, &u.last, &u.day, &u.placeDay, &u.toolDay, &u.callDay)
	for _, n := range [...]float32{u.calls, u.alone, u.days, u.newPlaces, u.newTools, u.newCalls} {
		d.bad = d.bad || n < 0
	}
}

// AppendBinary appends the state to b.
func (u *Usual) AppendBinary(b []byte) ([]byte, error) { return write(b, u.fields), nil }

// MarshalBinary is the state as AppendBinary writes it.
func (u *Usual) MarshalBinary() ([]byte, error) { return u.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote. On an error the state is as it
// was.
func (u *Usual) UnmarshalBinary(b []byte) error {
	var v Usual
	if err := read(b, "usual", v.fields); err != nil {
		return err
	}
	*u = v
	return nil
}

// count is how many there are of something, at most most.
func (d *codec) count(n, most int) int {
	u := uint32(n)
	d.u32(&u)
	if d.reading && int64(u) > int64(most) {
		d.bad = true
		return 0
	}
	return int(u)
}
