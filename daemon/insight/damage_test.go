package insight

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// history is what was ever said of each insight: the JSON of its records after
// each put, and where in the journal that was. The first is that there is none.
type history map[string][]telling

type telling struct {
	records string
	size    int64
}

// live leads a store through puts of every sort, and returns its journal, what
// was said, and up to where it was fsynced.
func live(t *testing.T, seed uint64, compact bool) (journal []byte, name string, said history, synced int64) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	s := open(t, func(o *Options) { o.Dir = dir })
	said = history{}
	note := func(id string) {
		b, err := json.Marshal(s.Records(id))
		require.NoError(t, err)
		if said[id] == nil {
			said[id] = []telling{{records: "null"}}
		}
		said[id] = append(said[id], telling{string(b), s.journalSize()})
	}
	for n := range 60 {
		i := sample(rnd.IntN(12))
		switch rnd.IntN(5) {
		case 0:
			i.Provisional = true
		case 1:
			i = ended(i, time.Duration(1+rnd.IntN(9))*time.Minute)
		case 2:
			i.State = StateWithdrawn
		case 3:
			i.Confidence = float64(rnd.IntN(100)) / 100
		}
		_, err := s.Put(i)
		require.NoError(t, err)
		note(i.ID)
		switch {
		case n == 20 && compact:
			require.NoError(t, s.compact())
			for id, ts := range said {
				ts[len(ts)-1].size = 0 // All of it is fsynced by now.
				said[id] = ts[len(ts)-1:]
			}
			synced = s.journalSize()
		case n == 40:
			require.NoError(t, s.Sync())
			synced = s.journalSize()
		case n == 50:
			at := s.journalSize()
			var gone []string
			for k := 8; k < 12; k++ {
				if _, ok := s.Get(sample(k).ID); ok {
					gone = append(gone, sample(k).ID)
				}
			}
			require.NoError(t, s.ResetSince(epoch.Add(8*time.Minute)))
			for _, id := range gone { // They are deleted one by one, in order of start.
				at += frameHead + int64(len(id))
				said[id] = append(said[id], telling{"null", at})
			}
			require.Equal(t, s.journalSize(), at)
		}
	}
	require.NoError(t, s.Close())
	name = journalFile(t, dir)
	journal, err := os.ReadFile(name)
	require.NoError(t, err)
	return journal, filepath.Base(name), said, synced
}

// reopen opens a store on a journal, and returns what it says, insight by
// insight.
func reopen(t *testing.T, name string, journal []byte) (map[string]string, error) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), journal, 0o666))
	s, err := Open(Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for id, rs := range records(t, s) {
		b, err := json.Marshal(rs)
		require.NoError(t, err)
		out[id] = string(b)
	}
	// It works on, and what is put now is there the next time.
	i := sample(99)
	put(t, s, i)
	require.NoError(t, s.Close())
	s, err = Open(Options{Dir: dir})
	require.NoError(t, err)
	_, ok := s.Get(i.ID)
	require.True(t, ok)
	require.Len(t, records(t, s), len(out)+1)
	require.NoError(t, s.Close())
	return out, nil
}

// TestPowerCut cuts the journal back to where it was fsynced, or anywhere behind
// that, and leaves zeros or noise in the place of what is lost, as file systems
// do. What was put before the Sync is all there; of what was put later each
// insight is as it was after one of its puts, and none is half.
func TestPowerCut(t *testing.T) {
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		whole, name, said, synced := live(t, seed, seed%2 == 1)
		for round := range 12 {
			at := synced + rnd.Int64N(int64(len(whole))-synced+1)
			if round == 0 {
				at = synced
			}
			cut := bytes.Clone(whole[:at])
			switch round % 3 {
			case 1:
				cut = append(cut, make([]byte, int64(len(whole))-at)...)
			case 2:
				for range int64(len(whole)) - at {
					cut = append(cut, byte(rnd.Uint32()))
				}
			}
			got, err := reopen(t, name, cut)
			require.NoError(t, err)
			for id, ts := range said {
				want := "null"
				for _, t := range ts {
					if t.size <= at {
						want = t.records
					}
				}
				have, ok := got[id]
				if !ok {
					have = "null"
				}
				require.Equal(t, want, have, "seed %d, cut at %d of %d, fsynced to %d", seed, at, len(whole), synced)
			}
		}
	}
}

// TestFlips changes one byte anywhere in the journal. Nothing panics, and no
// insight is told that was never put so; all but the insight that was hit are as
// they were. INSIGHTD_FLIPS says how often.
func TestFlips(t *testing.T) {
	flips := 100
	if v := os.Getenv("INSIGHTD_FLIPS"); v != "" {
		n, err := strconv.Atoi(v)
		require.NoError(t, err)
		flips = n
	}
	// revisions are all records that were ever told.
	told := map[string]bool{}
	whole, name, said, _ := live(t, 1, false)
	for _, ts := range said {
		for _, t := range ts {
			var rs []json.RawMessage
			if json.Unmarshal([]byte(t.records), &rs) == nil {
				for _, r := range rs {
					told[string(r)] = true
				}
			}
		}
	}
	want, err := reopen(t, name, whole)
	require.NoError(t, err)
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 3))
	for range flips {
		at, bit := rnd.IntN(len(whole)), byte(1+rnd.IntN(255))
		b := bytes.Clone(whole)
		b[at] ^= bit
		got, err := reopen(t, name, b)
		require.NoError(t, err)
		if at < len(journalMagic) {
			require.Equal(t, want, got, "the beginning is mended")
			continue
		}
		others := 0
		for id, records := range got {
			if want[id] != records {
				others++
			}
			var rs []json.RawMessage
			require.NoError(t, json.Unmarshal([]byte(records), &rs))
			for _, r := range rs {
				require.True(t, told[string(r)], "byte %d, xor %#x: %s was never told", at, bit, r)
			}
		}
		for id := range want {
			if _, ok := got[id]; !ok {
				others++
			}
		}
		require.LessOrEqual(t, others, 1, "byte %d, xor %#x costs one frame", at, bit)
	}
}
