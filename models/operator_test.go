package models

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// account is an account of operators in which time passes day by day.
type account struct {
	t     *testing.T
	model *Operators
	who   map[string]*member
	day   Minute
}

type member struct {
	group string
	usual Usual
	habit *Habit
}

func newAccount(t *testing.T) *account {
	return &account{t: t, model: NewOperators(), who: map[string]*member{}, day: someDay}
}

// call lets somebody call something at a minute of the day.
func (a *account) call(name string, at Minute, place uint64) {
	x := a.who[name]
	c := Call{Minute: a.day + at, Place: place, Tool: 1}
	news := x.usual.Observe(c)
	if news.Day {
		a.model.Active(x.habit, x.group, c.Minute, x.usual.Days(), news.Halved)
	}
}

// do judges a sensitive operation, and learns it. held says that an insight is
// open.
func (a *account) do(name string, c Category, call uint64, at Minute, place uint64, held bool) Odds {
	x := a.who[name]
	op := Operation{Category: c, Call: call, Group: x.group, Minute: a.day + at}
	odds := a.model.Judge(x.habit, op, x.usual.Compare(Call{Minute: op.Minute, Place: place, Tool: 1, New: true}), true)
	sum := odds.Operator + odds.Place + odds.Tool + odds.Hour + odds.Call + odds.Alone + odds.New + odds.Many
	require.InDelta(a.t, odds.Score, sum, 1e-9)
	require.Equal(a.t, odds, a.model.Judge(x.habit, op, x.usual.Compare(Call{Minute: op.Minute, Place: place, Tool: 1, New: true}), true), "to judge changes nothing")
	a.call(name, at, place)
	if x.habit == nil {
		x.habit = new(Habit)
	}
	a.model.Learn(x.habit, op, true, held)
	return odds
}

// office is 20 developers, who work every day, and one role that changes
// policies on each of them.
func office(t *testing.T, days int) *account {
	a := newAccount(t)
	a.who["iac"] = &member{group: "roles"}
	for i := range 20 {
		a.who[fmt.Sprintf("dev%02d", i)] = &member{group: "developers"}
	}
	for range days {
		a.work()
	}
	return a
}

func (a *account) work() {
	for h := Minute(8); h < 18; h++ {
		for i := range 20 {
			for m := range Minute(5) {
				a.call(fmt.Sprintf("dev%02d", i), h*60+m*12, uint64(i+1))
			}
		}
		a.call("iac", h*60, 99)
		if h == 10 {
			a.do("iac", PolicyChange, 7, h*60+1, 99, false)
		}
	}
	a.day += dayMinutes
}

func TestOperators(t *testing.T) {
	a := office(t, 19)
	// Its own habit.
	odds := a.do("iac", PolicyChange, 7, 601, 99, false)
	require.Less(t, odds.Score, 0.5)
	require.False(t, odds.First)
	require.InDelta(t, 19, odds.Days, 0)

	// Somebody who never did, from his own place at his own hour.
	odds = a.do("dev03", PolicyChange, 7, 605, 4, true)
	require.True(t, odds.First)
	require.Greater(t, odds.Score, 2.5)
	require.Zero(t, odds.Place)

	// The same from elsewhere and by night weighs more.
	worse := a.do("dev04", PolicyChange, 7, 180, 77, true)
	require.Greater(t, worse.Score, odds.Score+1)
	require.InDelta(t, weighPlace, worse.Place, 1e-9)
	require.Positive(t, worse.Hour)
	require.Positive(t, worse.Alone)

	// One thing after the other.
	many := a.do("dev04", PolicyChange, 8, 190, 77, true)
	require.Equal(t, 2, many.Breadth)
	require.InDelta(t, weighMany, many.Many, 1e-9)

	// Where others are known to be, it is no new place.
	op := Operation{Category: PolicyChange, Call: 7, Group: "developers", Minute: a.day + 700, Shared: true}
	x := a.who["dev05"]
	require.Zero(t, a.model.Judge(nil, op, x.usual.Compare(Call{Minute: op.Minute, Place: 78}), true).Place)
}

// What happens under an open insight teaches nothing; once it is over the day
// counts in part, so that the second attack is odd and a new habit gets usual.
func TestOperatorsUnderAnInsight(t *testing.T) {
	a := office(t, 19)
	first := a.do("dev03", PolicyChange, 7, 605, 4, true)
	same := a.do("dev03", PolicyChange, 7, 615, 4, true)
	require.InDelta(t, first.Operator, same.Operator, 0.01, "nothing was learned but that a day began")
	require.True(t, same.First)
	a.day += dayMinutes

	a.work()
	second := a.do("dev03", PolicyChange, 7, 605, 4, true)
	require.False(t, second.First)
	require.InDelta(t, heldWeight, second.Days, 1e-6)
	require.Greater(t, second.Operator, 1.5, "the second is odd too")
	require.Less(t, second.Operator, first.Operator)

	// It becomes usual in time, even if every single one was reported.
	for range 12 {
		a.day += dayMinutes
		second = a.do("dev03", PolicyChange, 7, 605, 4, true)
	}
	require.Less(t, second.Operator, 1.1)
}

// In a group in which people begin to do so all the time, it says less.
func TestOperatorsOfAGroup(t *testing.T) {
	a := office(t, 5)
	b := office(t, 5)
	for i := range 10 {
		for range 2 {
			b.do(fmt.Sprintf("dev%02d", i), PasswordChange, uint64(i%3), 605, uint64(i+1), false)
			b.day += dayMinutes
		}
	}
	for range 20 {
		a.day += dayMinutes
	}
	for range 5 {
		a.work()
		b.work()
	}
	require.Greater(t, a.do("dev15", PasswordChange, 1, 605, 16, false).Operator, b.do("dev15", PasswordChange, 1, 605, 16, false).Operator+0.4)
}

func TestSelfService(t *testing.T) {
	a := office(t, 19)
	odds := a.do("dev03", SelfService, 5, 605, 4, false)
	require.InDelta(t, selfMost, odds.Operator, 1e-9)
	require.Less(t, odds.Score, 1.0, "one's own password alone is nothing")
	require.Greater(t, a.do("dev06", SelfService, 5, 180, 77, false).Score, 2.1, "by night and from elsewhere it is")
	require.True(t, a.do("dev03", PasswordChange, 5, 606, 4, false).First, "it is apart from others' passwords")
}

func TestFewest(t *testing.T) {
	a := office(t, 19)
	op := Operation{Category: PolicyChange, Call: 7, Group: "developers", Minute: a.day + 605}
	x := a.who["dev03"]
	by := x.usual.Compare(Call{Minute: op.Minute, Place: 4, Tool: 1})
	odds := a.model.Judge(nil, op, by, false)
	require.Greater(t, odds.Score, 2.1)
	n, ok := Fewest(op, odds, by, 2.1)
	require.True(t, ok)
	chance := func(days int) float64 {
		h := &Habit{}
		h.done[PolicyChange] = float32(days)
		return a.model.Judge(h, op, by, false).Score
	}
	require.Less(t, chance(n), 2.1)
	if n > 1 {
		require.GreaterOrEqual(t, chance(n-1), 2.1)
	}
	_, ok = Fewest(op, odds, by, 0.01)
	require.False(t, ok)
}

// The model is bounded whatever it is shown.
func TestOperatorsAreBounded(t *testing.T) {
	o := NewOperators()
	h := new(Habit)
	for i := range 3 * callsKept {
		g := fmt.Sprintf("g%d", i%(2*groupsKept))
		o.Active(h, g, someDay+Minute(i), 3, false)
		o.Learn(h, Operation{Category: PolicyChange, Call: uint64(i + 1), Group: g, Minute: someDay + Minute(i)}, true, i%2 == 0)
		require.LessOrEqual(t, len(o.groups), groupsKept)
		require.LessOrEqual(t, len(o.calls), callsKept)
	}
}

func TestOperatorsAreWrittenAndRead(t *testing.T) {
	a := office(t, 3)
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		a.do(fmt.Sprintf("dev%02d", r.IntN(20)), Category(r.IntN(int(categories))), uint64(1+r.IntN(30)), Minute(r.IntN(1400)), uint64(r.IntN(9)), r.IntN(2) == 0)
		if r.IntN(5) == 0 {
			a.day += dayMinutes
		}
	}
	b, err := a.model.MarshalBinary()
	require.NoError(t, err)
	o := NewOperators()
	require.NoError(t, o.UnmarshalBinary(b))
	require.Equal(t, a.model, o)
	again, err := o.MarshalBinary()
	require.NoError(t, err)
	require.Equal(t, b, again)
	for n := range b {
		require.Error(t, o.UnmarshalBinary(b[:n]))
	}
	require.Equal(t, a.model, o)

	for _, x := range a.who {
		if x.habit == nil {
			continue
		}
		b, err := x.habit.MarshalBinary()
		require.NoError(t, err)
		var h Habit
		require.NoError(t, h.UnmarshalBinary(b))
		require.Equal(t, *x.habit, h)
		require.Error(t, h.UnmarshalBinary(b[:len(b)-1]))
	}
}

func FuzzOperators(f *testing.F) {
	a := office(&testing.T{}, 2)
	b, _ := a.model.MarshalBinary()
	f.Add(b)
	f.Add([]byte{stateVersion})
	f.Fuzz(func(t *testing.T, p []byte) {
		o := NewOperators()
		if o.UnmarshalBinary(p) != nil {
			require.Equal(t, NewOperators(), o)
			return
		}
		odds := o.Judge(new(Habit), Operation{Call: 1, Group: "g", Minute: someDay}, Circumstances{Days: 3}, true)
		require.False(t, math.IsNaN(odds.Score))
		o.Learn(new(Habit), Operation{Call: 1, Group: "g", Minute: someDay}, true, false)
	})
}

func BenchmarkOperatorsJudge(b *testing.B) {
	a := office(&testing.T{}, 10)
	x := a.who["iac"]
	op := Operation{Category: PolicyChange, Call: 7, Group: x.group, Minute: a.day + 605}
	b.ReportAllocs()
	for b.Loop() {
		a.model.Judge(x.habit, op, x.usual.Compare(Call{Minute: op.Minute, Place: 99, Tool: 1}), false)
	}
}
