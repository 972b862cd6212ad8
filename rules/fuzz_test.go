package rules

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzPackage has the readers of packages survive whatever a file says. What they
// accept they accept again in its canonical form, and it can be evaluated.
func FuzzPackage(f *testing.F) {
	files, err := filepath.Glob("testdata/packages/*")
	require.NoError(f, err)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(filepath.Ext(name) == ".yaml", text)
	}
	facts := &testFacts{at: monday, uid: "a", raw: []byte(`{"action":"A","requestParameters":{"policy":"{\"a\":[1]}"}}`)}
	f.Fuzz(func(t *testing.T, yaml bool, text []byte) {
		name := "p.json"
		if yaml {
			name = "p.yaml"
		}
		set, problems := Parse(name, text, Options{})
		for _, p := range problems {
			require.NotEmpty(t, p.Error())
			require.GreaterOrEqual(t, p.Line, 0)
		}
		for _, r := range set.Rules() {
			require.NotEmpty(t, r.ID)
			require.NotEmpty(t, r.Hash)
			require.LessOrEqual(t, r.Window, maxWindow)
		}
		st := NewState(Limits{})
		for i := range 3 {
			facts.at = monday.Add(time.Duration(i) * time.Minute)
			for _, m := range set.Evaluate(st, facts, nil) {
				require.False(t, m.Rule.Dormant)
			}
		}
		again, _ := Parse(name, text, Options{Negate: true})
		require.Len(t, again.Rules(), len(set.Rules()))
	})
}

// FuzzSnapshot has the reader of snapshots survive whatever is damaged behind a
// checksum that is right. What it accepts it writes as it was.
func FuzzSnapshot(f *testing.F) {
	for _, text := range windowRules {
		set := compileOne(f, text)
		st := NewState(Limits{})
		for i := range 6 {
			set.Evaluate(st, call{time.Duration(i) * time.Minute, string("ABC"[i%3]), "192.0.2.1"}.facts(i), nil)
		}
		b := st.Snapshot(nil)
		f.Add(b[:len(b)-4])
	}
	set := compileOne(f, windowRules["sequence"])
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) < 8 {
			_, err := Restore(body, Limits{})
			require.ErrorIs(t, err, ErrSnapshot)
			return
		}
		b := withChecksum(body)
		st, err := Restore(b, Limits{})
		if err != nil {
			require.ErrorIs(t, err, ErrSnapshot)
			return
		}
		again, err := Restore(st.Snapshot(nil), Limits{})
		require.NoError(t, err)
		require.Equal(t, st.Snapshot(nil), again.Snapshot(nil))
		st.Adopt(set)
		for i := range 4 {
			set.Evaluate(st, call{time.Duration(i) * time.Minute, string("ABC"[i%3]), "192.0.2.1"}.facts(i), nil)
		}
		st.Advance(monday.Add(1000 * time.Hour))
	})
}

// TestSnapshotDamaged says that no bit of a snapshot can turn unnoticed, and that
// one of another version is told.
func TestSnapshotDamaged(t *testing.T) {
	set := compileOne(t, windowRules["at least"])
	st := NewState(Limits{})
	for i := range 4 {
		set.Evaluate(st, call{time.Duration(i) * time.Minute, "A", ""}.facts(i), nil)
	}
	b := st.Snapshot(nil)
	for i := range b {
		damaged := append([]byte(nil), b...)
		damaged[i] ^= 4
		_, err := Restore(damaged, Limits{})
		require.ErrorIs(t, err, ErrSnapshot, i)
		_, err = Restore(b[:i], Limits{})
		require.ErrorIs(t, err, ErrSnapshot, i)
	}
	later := append([]byte(nil), b[:len(b)-4]...)
	later[4] = 9
	_, err := Restore(withChecksum(later), Limits{})
	require.ErrorContains(t, err, "found version 9, expected 1")
	_, err = Restore(b, Limits{})
	require.NoError(t, err)
}

func withChecksum(body []byte) []byte {
	return binary.LittleEndian.AppendUint32(append([]byte(nil), body...), crc32.Checksum(body, castagnoli))
}
