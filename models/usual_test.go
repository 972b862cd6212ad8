package models

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

const someDay Minute = 20_515 * dayMinutes // a Thursday

// worker makes ten calls an hour from 8 to 12 on so many days.
func worker(u *Usual, from Minute, days int, place, tool uint64) Minute {
	for d := range Minute(days) {
		for h := Minute(8); h < 12; h++ {
			for i := range Minute(10) {
				u.Observe(Call{Minute: from + d*dayMinutes + h*60 + i*6, Place: place, Tool: tool})
			}
		}
	}
	return from + Minute(days)*dayMinutes
}

func TestUsual(t *testing.T) {
	var u Usual
	require.Equal(t, Circumstances{Days: 1}, u.Compare(Call{Minute: someDay, Place: 1, Tool: 1}))
	next := worker(&u, someDay, 20, 1, 1)
	require.InDelta(t, 20, u.Days(), 0)

	at := next + 9*60 + 3
	usual := u.Compare(Call{Minute: at, Place: 1, Tool: 1})
	require.InDelta(t, 21, usual.Days, 0)
	require.False(t, usual.NewPlace)
	require.False(t, usual.NewTool)
	require.Zero(t, usual.HourRarity)
	require.True(t, usual.Alone, "it is the first of the day")
	require.Greater(t, usual.AloneRarity, 1.0, "one call in forty comes so")
	require.InDelta(t, 0.75, usual.HourShare, 0.01, "three of four hours")

	odd := u.Compare(Call{Minute: next + 3*60, Place: 2, Tool: 3, New: true})
	require.True(t, odd.NewPlace)
	require.True(t, odd.NewTool)
	require.Greater(t, odd.PlaceRarity, 1.5)
	require.Greater(t, odd.ToolRarity, 1.5)
	require.Greater(t, odd.NewRarity, 1.5)
	require.InDelta(t, 1.5, odd.HourRarity, 1e-9)
	require.Zero(t, odd.HourShare)

	// A place stays new for a day, and then it is known.
	require.Equal(t, News{Day: true, Place: true}, u.Observe(Call{Minute: at, Place: 2, Tool: 1}))
	require.Equal(t, News{}, u.Observe(Call{Minute: at + 1, Place: 2, Tool: 1}))
	again := u.Compare(Call{Minute: at + 100, Place: 2, Tool: 1})
	require.True(t, again.NewPlace)
	require.Greater(t, again.PlaceRarity, 1.5, "today's does not excuse itself")
	require.True(t, u.Compare(Call{Minute: at + 1439, Place: 2}).NewPlace)
	require.False(t, u.Compare(Call{Minute: at + 1440, Place: 2}).NewPlace)
	require.False(t, u.Compare(Call{Minute: at + 1}).NewPlace, "no address is no new one")
	require.False(t, u.Compare(Call{Minute: at + 5}).Alone)
}

// Who is somewhere new every day surprises nobody with it.
func TestUsualOfARover(t *testing.T) {
	var u Usual
	for d := range Minute(20) {
		for i := range Minute(100) {
			u.Observe(Call{Minute: someDay + d*dayMinutes + i*14, Place: uint64(100 + d), Tool: 1, New: i == 50})
		}
	}
	by := u.Compare(Call{Minute: someDay + 20*dayMinutes + 5, Place: 999, Tool: 1, New: true})
	require.True(t, by.NewPlace)
	require.Less(t, by.PlaceRarity, 0.15)
	require.Less(t, by.NewRarity, 0.15)
	require.InDelta(t, 18, by.PlaceDays, 1)
}

func TestUsualFirstDay(t *testing.T) {
	var u Usual
	u.Observe(Call{Minute: someDay, Place: 1, Tool: 1})
	by := u.Compare(Call{Minute: someDay + 600, Place: 2, Tool: 2, New: true})
	require.False(t, by.NewPlace, "everything is new on the first day")
	require.False(t, by.NewTool)
	require.Zero(t, by.HourRarity)
}

// The past ages, and what is kept is bounded.
func TestUsualAges(t *testing.T) {
	var u Usual
	halved := 0
	for d := range Minute(3 * agedDays) {
		if u.Observe(Call{Minute: someDay + d*dayMinutes, Place: uint64(d%3 + 1)}).Halved {
			halved++
		}
		require.LessOrEqual(t, u.Days(), float64(agedDays))
	}
	require.Greater(t, halved, 2)
	for i := range 3 * placesKept {
		u.Observe(Call{Minute: someDay + 4*agedDays*dayMinutes + Minute(i), Place: uint64(1000 + i), Tool: uint64(i)})
	}
	require.True(t, u.Compare(Call{Minute: someDay + 5*agedDays*dayMinutes, Place: 1}).NewPlace, "the idle make room")
}

func TestUsualIsWrittenAndRead(t *testing.T) {
	var u, v Usual
	r := rand.New(rand.NewPCG(1, 2))
	at := someDay
	for range 5000 {
		at += Minute(r.IntN(90))
		u.Observe(Call{Minute: at, Place: uint64(r.IntN(20)), Tool: uint64(r.IntN(9)), New: r.IntN(50) == 0})
	}
	b, err := u.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, v.UnmarshalBinary(b))
	require.Equal(t, u, v)
	require.Error(t, v.UnmarshalBinary(b[:len(b)-1]))
	require.Error(t, v.UnmarshalBinary(append(b, 0)))
	require.Equal(t, u, v)
}

func BenchmarkUsualObserve(b *testing.B) {
	f := func(name string, places int) {
		b.Run(name, func(b *testing.B) {
			var u Usual
			at := someDay
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				i++
				if i%10 == 0 {
					at++
				}
				u.Observe(Call{Minute: at, Place: uint64(i%places + 1), Tool: 1})
			}
		})
	}
	f("one place", 1)
	f("ten places", 10)
	f("a hundred places", 100)
}
