package eventlog

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGramFilterHoldsEverySubstring(t *testing.T) {
	g := newTraffic(3, 2)
	var s gramScratch
	var frame []byte
	for _, e := range g.events(100, time.Hour) {
		frame = append(frame, e.Raw...)
		s.add(e.Raw)
	}
	// Windows do not reach from record to record, so that texts are taken of one.
	f := gramFilter(s.fold(nil))
	require.Equal(t, 1, bits.OnesCount(uint(len(f))), "a filter is a power of two of words")
	r := rand.New(rand.NewPCG(1, 1))
	records := bytes.SplitAfter(frame, []byte("}}"))
	for range 20_000 {
		rec := records[r.IntN(len(records))]
		if len(rec) < 60 {
			continue
		}
		at := r.IntN(len(rec) - 50)
		text := string(rec[at : at+1+r.IntN(50)])
		require.True(t, f.may(gramNeedle(text)), "%q", text)
	}
	require.Zero(t, s, "a folded scratch is empty")

	got, err := parseGrams(appendGrams(nil, []gramFilter{f, nil, f}), 3)
	require.NoError(t, err)
	require.Equal(t, []gramFilter{f, {}, f}, got)
	_, err = parseGrams(appendGrams(nil, []gramFilter{f}), 2)
	require.Error(t, err)
}

func TestGramFilterPrunes(t *testing.T) {
	g := newTraffic(3, 2)
	var s gramScratch
	for _, e := range g.events(150, time.Hour) {
		s.add(e.Raw)
	}
	f := gramFilter(s.fold(nil))
	may := 0
	for range 1000 {
		if f.may(gramNeedle(g.uuid())) {
			may++
		}
	}
	t.Logf("%d bytes a frame of 150 records, %d of 1000 absent UUIDs pass", 8*len(f), may)
	require.Less(t, may, 60)
}

func TestGramBitsAreThoseOfBytes(t *testing.T) {
	for b := range 256 {
		x := uint64(b) | 0x30<<8 | uint64(b)<<56
		got := gramBits(x)
		want := uint64(0)
		if gramBegins(byte(b)) {
			want = 1 | 1<<7
		}
		require.Equal(t, want, got, "byte %#x", b)
	}
}

func BenchmarkGrams(b *testing.B) {
	g := newTraffic(1, 3)
	events := g.events(150, time.Hour)
	var s gramScratch
	n := 0
	for i := range events {
		n += len(events[i].Raw)
	}
	b.SetBytes(int64(n))
	for b.Loop() {
		for i := range events {
			s.add(events[i].Raw)
		}
		clear(s[:])
	}
}
