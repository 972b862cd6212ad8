package event

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rewrite writes a JSON value anew by means of encoding/json alone: no white
// space, other escapes, and of the keys that come twice only the last, in its
// place. A decoder has to make the same event of it.
func rewrite(raw []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var out bytes.Buffer
	if err := rewriteValue(d, &out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func rewriteValue(d *json.Decoder, out *bytes.Buffer) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		if s, ok := token.(string); ok {
			writeEscaped(out, s)
			return nil
		}
		text, err := json.Marshal(token)
		out.Write(text)
		return err
	}
	out.WriteRune(rune(delim))
	type member struct{ key, value string }
	var all []member
	for d.More() {
		var m member
		if delim == '{' {
			key, err := d.Token()
			if err != nil {
				return err
			}
			m.key = key.(string)
			for i := range all {
				if all[i].key == m.key {
					all = append(all[:i], all[i+1:]...)
					break
				}
			}
		}
		var value bytes.Buffer
		if err := rewriteValue(d, &value); err != nil {
			return err
		}
		m.value = value.String()
		all = append(all, m)
	}
	for i, m := range all {
		if i > 0 {
			out.WriteByte(',')
		}
		if delim == '{' {
			writeEscaped(out, m.key)
			out.WriteByte(':')
		}
		out.WriteString(m.value)
	}
	end, err := d.Token()
	if err != nil {
		return err
	}
	out.WriteRune(rune(end.(json.Delim)))
	return nil
}

// writeEscaped writes a string with every fourth letter as an escape, but for the
// brace by which the text of an object is known.
func writeEscaped(out *bytes.Buffer, s string) {
	text, _ := json.Marshal(s)
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' {
			n := 2
			if text[i+1] == 'u' {
				n = 6
			}
			out.Write(text[i : i+n])
			i += n - 1
			continue
		}
		if i%4 == 3 && (c|0x20)-'a' < 26 && i > 3 {
			out.WriteString(`\u00`)
			out.WriteByte("0123456789abcdef"[c>>4])
			out.WriteByte("0123456789abcdef"[c&15])
			continue
		}
		out.WriteByte(c)
	}
}

// checkForm holds a decoder to encoding/json over one text: it knows what is
// JSON, and makes the same event of the text and of what encoding/json makes of
// it.
func checkForm(t *testing.T, d *decoder, b []byte) {
	t.Helper()
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 || b[0] != '{' {
		return
	}
	var (
		got, again Event
		p          stringPool
	)
	n, v, err := d.decode(b, &got, &p)
	switch v {
	case verdictBroken:
		require.False(t, json.Valid(b), "of %q", b)
		at, _ := faultOf(n)
		require.LessOrEqual(t, at, len(b))
		return
	case verdictInside:
		require.Less(t, n, len(b))
		return
	case verdictForeign:
		return
	}
	raw := b[:n]
	require.True(t, json.Valid(raw), "of %q", raw)
	plain, rewriteErr := rewrite(raw)
	require.NoError(t, rewriteErr)
	m, w, againErr := d.decode(plain, &again, &p)
	require.Equal(t, v, w, "of %q and %q", raw, plain)
	require.Equal(t, len(plain), m)
	if v == verdictRefused {
		require.Error(t, err)
		require.Equal(t, err.Error(), againErr.Error())
		return
	}
	require.NoError(t, err)
	require.False(t, got.Time.IsZero() && got.UID == "", "of %q", raw)
	if got.UID == hashUID(raw) {
		got.UID, again.UID = "", ""
	}
	require.Equal(t, got, again, "of %q", raw)
}

// formFixtures are the files of a provider's folder in testdata.
func formFixtures(tb testing.TB, folder string) (files [][]byte) {
	tb.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", folder, "*.json"))
	require.NoError(tb, err)
	require.NotEmpty(tb, names)
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(tb, err)
		files = append(files, b)
	}
	return files
}

// fileOf reads a file of a provider's folder.
func fileOf(tb testing.TB, folder, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", folder, name))
	require.NoError(tb, err)
	return b
}

// recordsOf decodes what a file holds.
func recordsOf(tb testing.TB, file []byte) (events []Event) {
	tb.Helper()
	r := NewReader(bytes.NewReader(file), ReaderOptions{})
	for {
		var e Event
		err := r.Next(&e)
		if err != nil {
			require.ErrorContains(tb, err, "EOF")
			return events
		}
		events = append(events, e)
	}
}

// mutate changes a record the way that random bytes do not: it swaps values,
// repeats keys, and changes the kinds of values and single bytes.
func mutate(rng *rand.Rand, raw []byte) []byte {
	out := append([]byte(nil), raw...)
	for range 1 + rng.IntN(3) {
		// The members of the record by their places, at any depth.
		var places [][2]int
		for i := range out {
			if out[i] != '"' {
				continue
			}
			end, _ := scanString(out, i+1)
			if end < 0 {
				break
			}
			if k := skipSpace(out, end+1); k < len(out) && out[k] == ':' {
				if k = skipSpace(out, k+1); k < len(out) {
					if next := skipValue(out, k, 1); next > 0 {
						places = append(places, [2]int{k, next})
					}
				}
			}
		}
		if len(places) == 0 {
			return out
		}
		at, from := places[rng.IntN(len(places))], places[rng.IntN(len(places))]
		value := append([]byte(nil), out[from[0]:from[1]]...)
		switch rng.IntN(5) {
		case 0:
			value = []byte([]string{"null", "true", "17", `""`, `{}`, `[]`, `"\u00e9\ud83d"`, "\"a\xff\"", `[{}]`, `{"value":1}`, `" {}"`}[rng.IntN(11)])
		case 1:
			// The same key again, with another value, at the end.
			start := at[0] - 1
			for start > 0 && out[start] != '"' {
				start--
			}
			for start--; start > 0 && out[start] != '"'; {
				start--
			}
			if start > 0 && out[len(out)-1] == '}' {
				key := string(out[start:at[0]])
				out = append(out[:len(out)-1], (`,` + key + string(value) + `}`)...)
				continue
			}
		case 2:
			const bytes = "\"\\{}[],: 0x\x01\xff"
			out[rng.IntN(len(out))] = bytes[rng.IntN(len(bytes))]
			continue
		}
		out = append(append(append([]byte(nil), out[:at[0]]...), value...), out[at[1]:]...)
	}
	return out
}

// checkMutations holds a decoder to encoding/json over changed records.
func checkMutations(t *testing.T, d *decoder, folder string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 17))
	n := 4000
	if testing.Short() {
		n = 800
	}
	decoded := 0
	for _, file := range formFixtures(t, folder) {
		events := recordsOf(t, file)
		require.NotEmpty(t, events)
		for range n / len(formFixtures(t, folder)) {
			raw := mutate(rng, events[rng.IntN(len(events))].Raw)
			checkForm(t, d, raw)
			var e Event
			if Decode(d.provider, raw, &e) == nil {
				decoded++
			}
		}
	}
	require.Greater(t, decoded, n/10, "most changes leave a record")
}

// one decodes the one record of a text.
func one(t *testing.T, text string) Event {
	t.Helper()
	events := recordsOf(t, []byte(text))
	require.Len(t, events, 1, strings.TrimSpace(text))
	return events[0]
}

// fuzzForm fuzzes a decoder with the records of a folder.
func fuzzForm(f *testing.F, d *decoder, folder string) {
	for _, file := range formFixtures(f, folder) {
		for _, e := range recordsOf(f, file) {
			f.Add(e.Raw)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkForm(t, d, b) })
}
