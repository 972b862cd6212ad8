package models

import (
	"cmp"
	"math"
	"slices"
)

// Category is a class of sensitive operations.
type Category uint8

// The categories. What somebody does to his own password is apart: everybody
// does it now and then.
const (
	PolicyChange Category = iota
	PasswordChange
	TrailConcealment
	SelfService
	categories
)

const (
	// priorDays is how many days of an identity the rate of its group weighs.
	priorDays = 4
	// heldWeight is what a day counts on which operations fell under an open
	// insight, once it is over: by itself they taught nothing.
	heldWeight = 0.3
	// groupLife is the half-life of what is known of groups, in days.
	groupLife = 28
	// firstRate over the identity's active days plus firstDays is the shipped
	// rate of first operations: those who do such things begin early.
	firstRate, firstDays = 0.04, 2
	// firstPrior is how many first operations the shipped rate weighs.
	firstPrior = 2
	// selfMost bounds what self-service weighs by itself. It takes a strange place
	// and a strange tool or hour to make it odd.
	selfMost = 0.8

	weighPlace = 1.0
	mostTool   = 0.7
	weighHour  = 0.5
	weighCall  = 0.3 // the operation among those of its category
	weighAlone = 0.5
	weighNew   = 0.3
	weighMany  = 0.5 // each doubling of operations new to the identity

	ownCalls   = 8    // operations kept of an identity
	recentKept = 8    // of the last hour
	groupsKept = 256  // of an account
	callsKept  = 2048 // likewise
)

// Habit is what is known of an identity's sensitive operations. The zero value
// has done none.
type Habit struct {
	// done counts days, held those under an open insight that are over.
	done, held [categories]float32
	doneDay    [categories]int32 // the last one, plus 1
	pending    [categories]bool  // an operation under an insight waits for the next day
	pendingOf  [categories]string
	calls      [ownCalls]weighed // by operation, those of all categories
	total      [categories]float32
	recent     [recentKept]trace // operations new to the identity
}

// weighed is an operation with how often it was called.
type weighed struct {
	key uint64
	n   float32
}

// Days is on how many days the identity did something of a category, those
// under open insights in part.
func (h *Habit) Days(c Category) float64 {
	if h == nil {
		return 0
	}
	return float64(h.done[c]) + heldWeight*float64(h.held[c])
}

// halve halves the past, as Usual does.
func (h *Habit) halve() {
	for c := range h.done {
		h.done[c] /= 2
		h.held[c] /= 2
	}
}

// grouped is what is known of a group of identities.
type grouped struct {
	days  float64 // identities times days
	done  [categories]float64
	first [categories]float64 // operations of identities that had done none
	due   [categories]float64 // those that the shipped rate expects
}

func (g *grouped) decay(f float64) {
	g.days *= f
	for c := range g.done {
		g.done[c] *= f
		g.first[c] *= f
		g.due[c] *= f
	}
}

// Operators is what an account's identities have in common: how often each
// group does sensitive operations, who begins to, and which operations they are.
type Operators struct {
	day    int32
	all    grouped
	groups map[string]*grouped
	calls  map[uint64]float64
	total  [categories]float64
}

// NewOperators returns the operators of an account of which nothing is known.
func NewOperators() *Operators {
	return &Operators{groups: map[string]*grouped{}, calls: map[uint64]float64{}}
}

// Operation is a sensitive operation that is to be judged or learned.
type Operation struct {
	Category Category
	// Call stands for what was called.
	Call uint64
	// Group is of what kind the identity is.
	Group  string
	Minute Minute
	// Shared says that another identity uses the network.
	Shared bool
}

// Odds say how unusual it is that an identity does an operation. The parts add
// up to Score; all are in powers of ten.
type Odds struct {
	Score float64
	// Operator is -log10 of P, the chance that the identity does something of the
	// category on a day.
	Operator, P float64
	// First says that it never did before. Days are those on which it did.
	First bool
	Days  float64
	// Group is the rate in the identity's group and Account that of all, by days.
	Group, Account float64
	// What the circumstances add.
	Place, Tool, Hour, Call, Alone, New, Many float64
	// Breadth is how many operations new to the identity there were in an hour.
	Breadth int
}

// Judge says how unusual an operation is. h may be nil for an identity that has
// done none, and fresh says that it has not done this one a day ago. It changes
// nothing.
func (o *Operators) Judge(h *Habit, x Operation, by Circumstances, fresh bool) Odds {
	c := x.Category
	g := o.groups[x.Group]
	if g == nil {
		g = &grouped{}
	}
	out := Odds{Days: h.Days(c)}
	out.Account = (o.all.done[c] + 0.2) / (o.all.days + 10)
	out.Group = (g.done[c] + 5*out.Account) / (g.days + 5)
	out.First = out.Days == 0
	if h == nil || h.done[c] == 0 {
		// The rate of those who do it daily says nothing of a first time. What
		// counts is how often identities begin, after so many days without,
		// against the shipped rate, and what happened under insights.
		begins := firstChance(by.Days) * beginners(g.first[c], g.due[c], beginners(o.all.first[c], o.all.due[c], 1))
		out.P = max(min(0.5, begins), out.Days/(by.Days+priorDays))
	} else {
		prior := min(out.Group, 20*out.Account+0.01)
		out.P = min(1, (out.Days+priorDays*prior)/(by.Days+priorDays))
	}
	out.Operator = -math.Log10(out.P)
	if c == SelfService {
		out.Operator = min(out.Operator, selfMost)
	}
	if by.NewPlace && !x.Shared {
		out.Place = weighPlace * min(1, by.PlaceRarity)
	}
	out.Tool = min(mostTool, by.ToolRarity)
	// Little is rare about an identity of which little is known.
	settled := min(1, max(0, (by.Days-1)/3))
	out.Hour = settled * weighHour * by.HourRarity
	if c != SelfService {
		out.Call = settled * weighCall * min(2, o.callRarity(h, x))
		out.Alone = settled * weighAlone * by.AloneRarity
		out.New = settled * weighNew * min(1.5, by.NewRarity)
		if out.Breadth = h.breadth(x.Call, x.Minute); fresh {
			out.Breadth++
			out.Many = settled * weighMany * math.Log2(float64(max(1, out.Breadth)))
		}
	}
	out.Score = out.Operator + out.Place + out.Tool + out.Hour + out.Call + out.Alone + out.New + out.Many
	return out
}

// firstChance is the shipped chance that an identity begins on its n-th day.
func firstChance(n float64) float64 { return firstRate / (n + firstDays) }

// beginners is by what factor more first operations came than were due, shrunk
// to a prior factor.
func beginners(first, due, prior float64) float64 {
	return (first + firstPrior*prior) / (due + firstPrior)
}

// callRarity is -log10 of the chance that an operation of the category is this
// one: the identity's own share, shrunk to the account's.
func (o *Operators) callRarity(h *Habit, x Operation) float64 {
	p := (o.calls[x.Call] + 0.5) / (o.total[x.Category] + 3)
	own, total := 0.0, 0.0
	if h != nil {
		total = float64(h.total[x.Category])
		for i := range h.calls {
			if h.calls[i].key == x.Call {
				own = float64(h.calls[i].n)
			}
		}
	}
	return max(0, -math.Log10(min(1, (own+3*p)/(total+3))))
}

// breadth is how many other operations new to the identity there were within
// an hour.
func (h *Habit) breadth(call uint64, m Minute) int {
	n := 0
	if h == nil {
		return n
	}
	for _, r := range h.recent {
		if r.key != 0 && r.key != call && m-r.last < 60 {
			n++
		}
	}
	return n
}

// Active notes that a day of an identity began, its days-th. Days under an open
// insight count in part from then on. h is nil where it has done none, and halved
// says that the past of Usual was halved.
func (o *Operators) Active(h *Habit, group string, m Minute, days float64, halved bool) {
	o.advance(m / dayMinutes)
	g := o.group(group)
	if h != nil {
		if halved {
			h.halve()
		}
		for c := range h.pending {
			if h.pending[c] {
				h.pending[c] = false
				o.count(h, Category(c), h.pendingOf[c], heldWeight)
				h.held[c]++
				h.pendingOf[c] = ""
			}
		}
	}
	g.days++
	o.all.days++
	for c := range g.due {
		if h == nil || h.Days(Category(c)) == 0 {
			p := firstChance(days)
			g.due[c] += p
			o.all.due[c] += p
		}
	}
}

// count adds a day with an operation to a group.
func (o *Operators) count(h *Habit, c Category, group string, weight float64) {
	g := o.group(group)
	if h.Days(c) == 0 {
		g.first[c] += weight
		o.all.first[c] += weight
	}
	g.done[c] += weight
	o.all.done[c] += weight
}

// Learn takes in an operation. Where held is set an insight of the identity is
// open: what happens then teaches nothing, but the day counts in part once it is
// over, or nobody who takes up something could ever become usual. fresh is as in
// Judge.
func (o *Operators) Learn(h *Habit, x Operation, fresh, held bool) {
	c, day := x.Category, x.Minute/dayMinutes
	o.advance(day)
	if fresh {
		h.note(x.Call, x.Minute)
	}
	if held {
		if h.doneDay[c] != day+1 {
			h.pending[c], h.pendingOf[c] = true, x.Group
		}
		return
	}
	if h.doneDay[c] != day+1 {
		h.doneDay[c] = day + 1
		h.pending[c], h.pendingOf[c] = false, ""
		o.count(h, c, x.Group, 1)
		h.done[c]++
	}
	h.total[c]++
	h.add(x.Call)
	o.total[c]++
	if _, ok := o.calls[x.Call]; !ok && len(o.calls) >= callsKept {
		o.makeRoom()
	}
	o.calls[x.Call]++
}

// note remembers an operation that is new to the identity.
func (h *Habit) note(call uint64, m Minute) {
	oldest := 0
	for i := range h.recent {
		if h.recent[i].key == call {
			h.recent[i].last = m
			return
		}
		if h.recent[i].last < h.recent[oldest].last {
			oldest = i
		}
	}
	h.recent[oldest] = trace{call, m, m}
}

// add counts an operation of the identity. The rarest makes room.
func (h *Habit) add(call uint64) {
	least := 0
	for i := range h.calls {
		if h.calls[i].key == call {
			h.calls[i].n++
			return
		}
		if h.calls[i].n < h.calls[least].n {
			least = i
		}
	}
	h.calls[least] = weighed{call, 1}
}

// advance lets what is known of groups fade, a day at a time.
func (o *Operators) advance(day int32) {
	if o.day == 0 {
		o.day = day
	}
	if day <= o.day {
		return
	}
	f := math.Exp2(-float64(day-o.day) / groupLife)
	o.day = day
	o.all.decay(f)
	for _, g := range o.groups {
		g.decay(f)
	}
	for k := range o.calls {
		o.calls[k] *= f
	}
	for c := range o.total {
		o.total[c] *= f
	}
}

// group returns what is known of a group. Beyond the bound the one with the
// fewest days makes room.
func (o *Operators) group(name string) *grouped {
	g := o.groups[name]
	if g != nil {
		return g
	}
	if len(o.groups) >= groupsKept {
		least := ""
		for k, x := range o.groups {
			if y := o.groups[least]; y == nil || x.days < y.days || x.days == y.days && k < least {
				least = k
			}
		}
		delete(o.groups, least)
	}
	g = &grouped{}
	o.groups[name] = g
	return g
}

// makeRoom forgets a quarter of the operations, the rarest.
func (o *Operators) makeRoom() {
	keys := o.callKeys()
	slices.SortFunc(keys, func(a, b uint64) int { return cmp.Or(cmp.Compare(o.calls[a], o.calls[b]), cmp.Compare(a, b)) })
	for _, k := range keys[:len(keys)/4] {
		delete(o.calls, k)
	}
}

func (o *Operators) callKeys() []uint64 {
	keys := make([]uint64, 0, len(o.calls))
	for k := range o.calls {
		keys = append(keys, k)
	}
	return keys
}

// Fewest is the least number of days, of those on which the identity was active,
// on which it would have to have done something of the category for the score to
// stay below one. It reports false where no number is enough.
func Fewest(x Operation, odds Odds, by Circumstances, below float64) (int, bool) {
	rest := odds.Score - odds.Operator
	prior := min(odds.Group, 20*odds.Account+0.01)
	for n := 1; float64(n) <= by.Days; n++ {
		p := (float64(n) + priorDays*prior) / (by.Days + priorDays)
		operator := -math.Log10(min(1, p))
		if x.Category == SelfService {
			operator = min(operator, selfMost)
		}
		if operator+rest < below {
			return n, true
		}
	}
	return 0, false
}
