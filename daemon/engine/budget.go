package engine

import (
	"maps"

	"github.com/insightd/insightd/models"
)

// budget is a token bucket over event time: what false insights may cost in a
// day at the most. A group of insights of one identity within an hour is one
// incident, and costs what is likely to be false of it. What exceeds the budget
// is kept and marked as suppressed, never lost.
type budget struct {
	perDay float64
	burst  float64
	tokens float64
	last   models.Minute
	used   map[string]taken
}

// taken is what was decided of an incident, and when.
type taken struct {
	told bool
	cost float64
	at   models.Minute
}

func newBudget(perDay float64) *budget {
	burst := max(perDay, 1)
	return &budget{perDay: perDay, burst: burst, tokens: burst, used: map[string]taken{}}
}

// rate changes what may be told in a day.
func (b *budget) rate(perDay float64) {
	b.perDay, b.burst = perDay, max(perDay, 1)
	b.tokens = min(b.tokens, b.burst)
}

// clone returns a budget that is spent by itself.
func (b *budget) clone() *budget {
	c := *b
	c.used = maps.Clone(b.used)
	return &c
}

// leastCost is what an incident costs at the least, so that not even what is
// surely true comes as a flood.
const leastCost = 0.1

const (
	// doubtfulMost is up to which confidence nothing is told by itself: what is
	// not more likely right than wrong costs a reader more than it is worth. A
	// budget of more than doubtfulAt false insights a day lowers it in proportion.
	doubtfulMost = 0.5
	doubtfulAt   = 5
)

// doubtful is the confidence up to which an insight is not told by itself.
func (b *budget) doubtful() float64 {
	if b.perDay <= 0 { // No limit.
		return -1
	}
	return min(doubtfulMost, doubtfulMost*doubtfulAt/b.perDay)
}

// take reports whether an insight of the incident may be told at minute m. Once
// that is so it stays, for all insights of the incident; one that was too dear or
// too doubtful may come again with more confidence.
func (b *budget) take(incident string, confidence float64, m models.Minute) bool {
	if b.perDay <= 0 { // No limit.
		return true
	}
	cost := max(leastCost, 1-confidence)
	if t, seen := b.used[incident]; seen && (t.told || cost >= t.cost) {
		return t.told
	}
	if b.last != 0 && m > b.last {
		b.tokens = min(b.burst, b.tokens+b.perDay*float64(m-b.last)/1440)
	}
	b.last = max(b.last, m)
	told := b.tokens >= cost && confidence > b.doubtful()
	if told {
		b.tokens -= cost
	}
	maps.DeleteFunc(b.used, func(_ string, t taken) bool { return m-t.at > 1440 })
	b.used[incident] = taken{told, cost, m}
	return told
}
