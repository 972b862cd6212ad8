package models

// BurstSpans are the minutes over which bursts are counted.
var BurstSpans = [...]Minute{1, 10, 60}

// burstMinutes is how far back minutes are kept, and burstUsual the largest count
// of a day that is taken for usual by span where nothing is known.
const burstMinutes = 60

var burstUsual = [len(BurstSpans)]float64{2, 4, 6}

// Bursts is how much of something an identity does within 1, 10 and 60 minutes,
// against the largest such counts of its days. The zero value has seen nothing.
type Bursts struct {
	minutes [burstMinutes]uint16 // the last hour, by minute
	last    Minute
	days    [len(BurstSpans)]Daily
}

// Burst is the most surprising of the counts by span.
type Burst struct {
	Span  Minute
	Count int
	// Usual is the largest count over such a span that a day has, and Days how
	// many days with any are known.
	Usual, Days float64
	// Tail is −log₁₀ of the chance that a day has one so large.
	Tail float64
}

// Add counts one in minute m. One from before the last hour counts for nothing,
// and one before the last in its own minute.
func (b *Bursts) Add(m Minute) {
	if b.last-m >= burstMinutes {
		return
	}
	if m > b.last {
		for i := max(b.last+1, m-burstMinutes+1); i <= m; i++ {
			b.minutes[i%burstMinutes] = 0
		}
		b.last = m
	}
	if i := m % burstMinutes; b.minutes[i] < 1<<16-1 {
		b.minutes[i]++
	}
	for i, span := range BurstSpans {
		b.days[i].Most(m, float64(b.count(span)))
	}
}

// count is how many there were in the last minutes.
func (b *Bursts) count(span Minute) int {
	n := 0
	for i := b.last - span + 1; i <= b.last; i++ {
		n += int(b.minutes[(i%burstMinutes+burstMinutes)%burstMinutes])
	}
	return n
}

// burstHaste is by how much the tail of a short span may exceed that of the
// longest: how much it was matters more than how fast.
const burstHaste = 1.5

// Judge says how unusual the counts would be if there were one more in minute m:
// the most unusual of those that reach their floor.
func (b *Bursts) Judge(m Minute, floors [len(BurstSpans)]int) (best Burst, ok bool) {
	c := *b
	c.Add(m)
	longest := len(BurstSpans) - 1
	most := burstHaste + b.days[longest].Tail(float64(c.count(BurstSpans[longest])), burstUsual[longest])
	for i, span := range BurstSpans {
		n := c.count(span)
		if n < floors[i] {
			continue
		}
		if tail := min(most, b.days[i].Tail(float64(n), burstUsual[i])); !ok || tail > best.Tail {
			best = Burst{Span: span, Count: n, Usual: b.days[i].Usual(burstUsual[i]), Days: b.days[i].Days(), Tail: tail}
			ok = true
		}
	}
	return best, ok
}

func (b *Bursts) fields(d *codec) {
	d.u16s(b.minutes[:])
	d.minute(&b.last)
	for i := range b.days {
		b.days[i].fields(d)
	}
}

// AppendBinary appends the state to b.
func (b *Bursts) AppendBinary(to []byte) ([]byte, error) { return write(to, b.fields), nil }

// MarshalBinary is the state as AppendBinary writes it.
func (b *Bursts) MarshalBinary() ([]byte, error) { return b.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote. On an error the state is as it
// was.
func (b *Bursts) UnmarshalBinary(raw []byte) error {
	var v Bursts
	if err := read(raw, "bursts", v.fields); err != nil {
		return err
	}
	*b = v
	return nil
}
