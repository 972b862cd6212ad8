package event

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// rec is a small record with an id.
func rec(id string) string {
	return `{"eventVersion":"1.08","eventTime":"2026-03-09T03:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","requestParameters":{"items":[{"a":"b"},{"c":[1,{"d":2}]}]},"eventID":"` + id + `"}`
}

// pretty is rec over several lines.
func pretty(id string) string {
	return "{\n  \"eventTime\": \"2026-03-09T03:00:00Z\",\n  \"eventSource\": \"iam.amazonaws.com\",\n  \"eventName\": \"CreateUser\",\n" +
		"  \"requestParameters\": {\n    \"items\": [\n      {\n        \"a\": 1\n      }\n    ]\n  },\n  \"eventID\": \"" + id + "\"\n}\n"
}

// envelope is rec as EventBridge sends it.
func envelope(id string) string {
	return `{"version":"0","account":12345,"detail":` + rec(id) + `,"resources":[{"a":"}"}],"time":"..."}`
}

// lookup is rec as an element of what LookupEvents answers.
func lookup(id string) string {
	return `{"EventId":"` + id + `","ReadOnly":"false","CloudTrailEvent":"` + strings.ReplaceAll(rec(id), `"`, `\"`) + `","Resources":[]}`
}

// read reads text to its end. The result has the ids of the events in order, a
// "!" for each record that was reported, and the last error but io.EOF.
func read(t testing.TB, text string, o ReaderOptions) (ids string, errs []error) {
	t.Helper()
	return drain(t, strings.NewReader(text), o)
}

func drain(t testing.TB, r io.Reader, o ReaderOptions) (ids string, errs []error) {
	t.Helper()
	d := NewReader(r, o)
	var (
		list []string
		e    Event
		good int
	)
	for {
		err := d.Next(&e)
		var bad *RecordError
		switch {
		case err == nil:
			good++
			list = append(list, e.UID)
			continue
		case errors.As(err, &bad):
			list = append(list, "!")
			errs = append(errs, err)
			continue
		case err != io.EOF:
			errs = append(errs, err)
		}
		require.Equal(t, good, d.Records())
		require.Equal(t, err, d.Next(&e))
		return strings.Join(list, " "), errs
	}
}

func TestReaderForms(t *testing.T) {
	f := func(name, text, want string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			forms := map[string]io.Reader{
				"plain":   strings.NewReader(text),
				"byte":    iotest.OneByteReader(strings.NewReader(text)),
				"eof":     iotest.DataErrReader(strings.NewReader(text)),
				"bom":     strings.NewReader("\ufeff" + text),
				"gzip":    bytes.NewReader(zip([]byte(text))),
				"gzipbom": iotest.OneByteReader(bytes.NewReader(zip([]byte("\ufeff" + text)))),
				"members": io.MultiReader(bytes.NewReader(zip([]byte(text[:len(text)/2]))), bytes.NewReader(zip([]byte(text[len(text)/2:])))),
			}
			for form, r := range forms {
				ids, errs := drain(t, r, ReaderOptions{Name: name})
				require.Equal(t, want, ids, form)
				require.Len(t, errs, strings.Count(want, "!"), "%s: %v", form, errs)
			}
		})
	}
	f("nothing", "", "")
	f("white space", " \n\t\r\n", "")
	f("one record", rec("1"), "1")
	f("lines", rec("1")+"\n"+rec("2")+"\r\n\n"+rec("3"), "1 2 3")
	f("concatenated", rec("1")+rec("2")+" "+rec("3"), "1 2 3")
	f("pretty", pretty("1")+pretty("2")+"\n"+pretty("3"), "1 2 3")
	f("list", "["+rec("1")+","+rec("2")+"]", "1 2")
	f("empty list", "[]", "")
	f("pretty list", "[\n"+pretty("1")+"  ,\n"+pretty("2")+"]\n", "1 2")
	f("list of lists", "[["+rec("1")+"],[],["+rec("2")+","+rec("3")+"]]", "1 2 3")
	f("two lists", "["+rec("1")+"]\n["+rec("2")+"]", "1 2")
	f("records", `{"Records":[`+rec("1")+","+rec("2")+"]}", "1 2")
	f("records not first", `{"a":{"Records":[1]},"b":"]","Records": [ `+rec("1")+" , "+rec("2")+` ] , "c":[{"d":"}"}],"e":-1.5}`, "1 2")
	f("records twice", `{"Records":[`+rec("1")+`],"x":0,"Records":[`+rec("2")+"]}", "1 2")
	f("empty records", `{"Records":[]}`, "")
	f("records with an escaped key", `{"R\u0065cords":[`+rec("1")+"]}", "1")
	f("lines of records", `{"Records":[`+rec("1")+"]}\n"+`{"Records":[`+rec("2")+","+rec("3")+"]}\n", "1 2 3")
	f("envelope", envelope("1"), "1")
	f("lines of envelopes", envelope("1")+"\n"+envelope("2")+"\n", "1 2")
	f("list of envelopes", "["+envelope("1")+","+envelope("2")+"]", "1 2")
	f("records of envelopes", `{"Records":[`+envelope("1")+","+rec("2")+`]}`, "1 2")
	f("lookup", lookup("1"), "1")
	f("lines of lookup", lookup("1")+"\n"+lookup("2"), "1 2")
	f("lookup answer", `{"Events":[`+lookup("1")+","+lookup("2")+`],"NextToken":"x"}`, "1 2")
	f("rule tests", `[{"data":{"Records":[`+rec("1")+"]},\"log\":\"x\"},{\"data\":"+envelope("2")+"},{\"record\":"+rec("3")+"}]", "1 2 3")
	f("mixed", rec("1")+"\n["+envelope("2")+"]\n"+lookup("3")+"\n"+`{"Records":[`+rec("4")+"]}", "1 2 3 4")
	f("list of texts", `["`+strings.ReplaceAll(rec("1"), `"`, `\"`)+`"]`, "1")
	f("text in text", `{"message":"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(lookup("1"))+`"}`, "1")

	// What is no record is reported, and its neighbours are read.
	f("others in a list", "["+rec("1")+`,{"kind":"Event"},3,"text",null,true,`+rec("2")+"]", "1 ! ! ! ! ! 2")
	f("others in lines", rec("1")+"\n{\"kind\":\"Event\"}\n17\n\"text\"\nnull\n"+rec("2"), "1 ! ! ! ! 2")
	f("numbers at the end", rec("1")+"\n12", "1 !")
	f("other envelope", `[{"detail":{"finding":1}},`+envelope("1")+"]", "! 1")
	f("bad time", rec("1")+"\n"+strings.Replace(rec("2"), "2026-03", "someday", 1)+"\n"+rec("3"), "1 ! 3")
	f("control message", `{"logEvents":[{"id":"1","message":"CWL CONTROL MESSAGE"},{"id":"2","message":"`+strings.ReplaceAll(rec("2"), `"`, `\"`)+`"}]}`, "! 2")
	f("records that are no list", `{"Records":{"a":1}}`, "!")
	f("deep lists", strings.Repeat("[", 80)+strings.Repeat("]", 80)+"\n"+rec("1"), "! 1")
}

func TestReaderFixtures(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		b, err := os.ReadFile("testdata/" + name)
		require.NoError(t, err)
		ids, _ := read(t, string(b), ReaderOptions{Name: name})
		require.Equal(t, want, ids)
	}
	f("records.json", "r-1 r-2")
	f("envelope.json", "d-1")
	f("lookup.json", "l-1")
	f("subscription.json", "s-1 !")
	f("insight.json", "49dfd327-5991-494b-98bf-6fe1eb3e3732")
}

func TestReaderFillsTheEvent(t *testing.T) {
	received := time.Date(2026, 3, 9, 3, 5, 0, 0, time.UTC)
	r := NewReader(strings.NewReader(`{"Records":[ `+rec("1")+` ,`+lookup("2")+`]}`), ReaderOptions{Received: received, Provider: "aws"})
	var a, b Event
	require.NoError(t, r.Next(&a))
	require.NoError(t, r.Next(&b))
	require.Equal(t, io.EOF, r.Next(&Event{}))
	require.Equal(t, "aws", a.Provider)
	require.Equal(t, received, a.Received)
	require.Equal(t, rec("1"), string(a.Raw))
	require.Equal(t, len(a.Raw), cap(a.Raw))
	require.Equal(t, rec("2"), string(b.Raw), "the record itself, not what is around it")
	require.Equal(t, received, b.Received)
	require.Equal(t, 2, r.Records())
	require.Zero(t, r.Failed())
}

// TestRawIsNeverOverwritten keeps every event of a long stream.
func TestRawIsNeverOverwritten(t *testing.T) {
	c := makeCorpus()
	for name, src := range map[string]io.Reader{
		"plain": bytes.NewReader(c.wrapped), "gzip": bytes.NewReader(c.zipped), "half": iotest.HalfReader(bytes.NewReader(c.lines)),
	} {
		r := NewReader(src, ReaderOptions{})
		var events []Event
		for {
			var e Event
			err := r.Next(&e)
			if err == io.EOF {
				break
			}
			require.NoError(t, err, name)
			events = append(events, e)
		}
		require.Len(t, events, corpusSize)
		for i := range events {
			require.Equal(t, string(c.records[i]), string(events[i].Raw))
			var again Event
			require.NoError(t, Decode("aws", c.records[i], &again))
			again.Raw = events[i].Raw
			require.Equal(t, again, events[i])
		}
	}
}

func TestBrokenRecordCostsOnlyItself(t *testing.T) {
	breaks := map[string]string{
		"missing value":      `{"eventID":,"x":1}`,
		"no quote":           `{"eventID":"x,"a":{"b":"c"}}`,
		"no opening quote":   `{"eventID":x","a":{"b":"c"}}`,
		"no closing brace":   `{"eventID":"x","a":{"b":"c"}`,
		"one brace too many": `{"eventID":"x","a":{"b":"c"}}}`,
		"no bracket":         `{"eventID":"x","a":[1,2}`,
		"wrong bracket":      `{"eventID":"x","a":[1,2},"b":3]`,
		"bare words":         `{eventID:x}`,
		"python":             `{'eventID': 'x', 'a': None}`,
		"bad escape":         `{"eventID":"\x41"}`,
		"control character":  "{\"eventID\":\"a\x01b\"}",
		"rubbish":            `%%%`,
		"bad number":         `{"a":01}`,
		"trailing comma":     `{"a":1,}`,
		"cut short":          rec("x")[:90],
		"cut in a key":       rec("x")[:6],
		"nested elements":    `{"a":[{"b":1},{"c":2},{"d":}],"e":3}`,
	}
	good := []string{rec("1"), rec("2"), rec("4"), rec("5")}
	for name, bad := range breaks {
		five := []string{good[0], good[1], bad, good[2], good[3]}
		wraps := map[string]string{
			"list":       "[" + strings.Join(five, ",") + "]",
			"records":    `{"x":1,"Records":[` + strings.Join(five, " , ") + `],"y":[2]}`,
			"lines":      strings.Join(five, "\n") + "\n",
			"list lines": "[\n" + strings.Join(five, ",\n") + "\n]",
			"pretty":     pretty("1") + pretty("2") + bad + "\n" + pretty("4") + pretty("5"),
		}
		for wrap, text := range wraps {
			t.Run(name+"/"+wrap, func(t *testing.T) {
				for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text)), iotest.HalfReader(strings.NewReader(text))} {
					ids, errs := drain(t, r, ReaderOptions{Name: "f"})
					kept := strings.Join(strings.Fields(strings.ReplaceAll(ids, "!", "")), " ")
					require.Equal(t, "1 2 4 5", kept, "%s: %v", ids, errs)
					require.NotEmpty(t, errs)
					require.LessOrEqual(t, len(errs), 3, "%v", errs)
					require.True(t, strings.HasPrefix(ids, "1 2 !"), ids)
				}
			})
		}
	}
}

func TestBrokenPartsOfListsAndEnvelopes(t *testing.T) {
	f := func(text, want string, errors ...string) {
		t.Helper()
		for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			ids, errs := drain(t, r, ReaderOptions{Name: "f"})
			require.Equal(t, want, ids, "%v", errs)
			require.Len(t, errs, len(errors), "%v", errs)
			for i, err := range errs {
				require.ErrorContains(t, err, errors[i])
			}
		}
	}
	f("["+rec("1")+rec("2")+"]", "1 ! 2", "expected a comma or a closing bracket")
	f("["+rec("1")+"}]", "1 !", "expected a comma or a closing bracket")
	f("["+rec("1")+" junk ,"+rec("2")+"]", "1 ! 2", "found 'j'")
	f("["+rec("1")+",]", "1 !", "found ']', expected a value")
	f("["+rec("1")+",,"+rec("2")+"]", "1 ! 2", "found ',', expected a value")
	f(`{"Records":[`+rec("1")+`] junk}`+"\n"+rec("2"), "1 ! 2", "expected a comma or a closing brace")
	f(`{"Records":[`+rec("1")+`],"a":}`+"\n"+rec("2"), "1 ! 2", "expected a value")
	f(`[{"detail":{"a":}},`+envelope("2")+"]", "! 2", "expected a value")
	f(`{"detail":{"a":}}`+envelope("2"), "! 2", "expected a value")
	f(`{"detail":{"a":"}}`+"\n"+envelope("2"), "! 2", "expected a closing quote")
	f(`["{\"a\":}",`+rec("2")+"]", "! 2", "in the text of a string: not JSON: found '}'")
	f(`[{"message":"{\"Records\":[]}"}]`, "!", "found a list of records, expected one record")
	f("]"+"\n"+rec("1"), "! 1", "found ']'")
}

func TestRecordErrorSaysWhere(t *testing.T) {
	text := `{"Records":[` + rec("1") + "," + rec("2") + `,{"eventID":nil},` + rec("4") + "]}"
	r := NewReader(strings.NewReader(text), ReaderOptions{Name: "trail.json"})
	var e Event
	require.NoError(t, r.Next(&e))
	require.NoError(t, r.Next(&e))
	err := r.Next(&e)
	var bad *RecordError
	require.ErrorAs(t, err, &bad)
	at := strings.Index(text, `{"eventID":nil}`)
	require.Equal(t, RecordError{Name: "trail.json", Record: 3, Offset: int64(at), Err: bad.Err}, *bad)
	require.EqualError(t, err, fmt.Sprintf("trail.json: record 3 at byte %d: not JSON: found 'i', expected true, false or null", at))
	require.NoError(t, r.Next(&e))
	require.Equal(t, "4", e.UID)
	require.Equal(t, io.EOF, r.Next(&e))
	require.Equal(t, 3, r.Records())
	require.Equal(t, 1, r.Failed())
	require.Equal(t, int64(len(text)), r.Offset())
}

// TestReaderTruncatedAnywhere cuts documents at every byte: nothing that came
// whole is lost, and the tear is told.
func TestReaderTruncatedAnywhere(t *testing.T) {
	docs := map[string]string{
		"records": `{"v":1,"Records":[` + rec("1") + "," + rec("2") + `],"w":[2]}`,
		"lines":   rec("1") + "\n" + rec("2") + "\n",
		"list":    "[" + envelope("1") + ",\n" + lookup("2") + "]",
		"pretty":  pretty("1") + pretty("2"),
	}
	for name, text := range docs {
		t.Run(name, func(t *testing.T) {
			for n := range len(text) {
				ids, errs := read(t, text[:n], ReaderOptions{Name: "f"})
				want := 0
				for _, id := range []string{"1", "2"} {
					for _, whole := range []string{rec(id), strings.TrimSpace(pretty(id)), strings.ReplaceAll(rec(id), `"`, `\"`) + `"`} {
						if i := strings.Index(text, whole); i >= 0 && i+len(whole) <= n {
							want++
						}
					}
				}
				kept := strings.Fields(strings.ReplaceAll(ids, "!", ""))
				require.Len(t, kept, want, "cut at %d: %s %v", n, ids, errs)
				rest := strings.TrimSpace(text[:n])
				if name == "lines" || name == "pretty" {
					sound := rest == "" || rest == strings.TrimSpace(docs[name][:len(text)/2]) || rest == strings.TrimSpace(text)
					require.Equal(t, sound, len(errs) == 0, "cut at %d: %v", n, errs)
				} else if n > 0 && n < len(text) {
					require.NotEmpty(t, errs, "cut at %d", n)
				}
				if len(errs) > 0 {
					require.ErrorIs(t, errs[len(errs)-1], io.ErrUnexpectedEOF, "cut at %d", n)
				}
				if strings.HasSuffix(text, rest) {
					require.Empty(t, errs)
				}
			}
		})
	}
}

func TestReaderTruncatedGzip(t *testing.T) {
	c := makeCorpus()
	for _, n := range []int{1, 2, 5, 9, 11, 30, len(c.zipped) / 3, len(c.zipped) / 2, len(c.zipped) - 9, len(c.zipped) - 8, len(c.zipped) - 1} {
		plain := 0
		if z, err := gzip.NewReader(bytes.NewReader(c.zipped[:n])); err == nil {
			b, _ := io.ReadAll(z)
			plain = len(b)
		}
		whole, end := 0, len(`{"Records":[`)
		for _, raw := range c.records {
			if end += len(raw) + 1; end-1 > plain {
				break
			}
			whole++
		}
		r := NewReader(bytes.NewReader(c.zipped[:n]), ReaderOptions{Name: "t.json.gz"})
		var (
			e   Event
			err error
			got int
		)
		for ; err == nil; got++ {
			err = r.Next(&e)
		}
		got--
		if n == 1 {
			require.ErrorContains(t, err, `found '\x1f'`)
			continue
		}
		require.NotErrorIs(t, err, io.EOF)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.ErrorContains(t, err, "t.json.gz: ")
		require.ErrorContains(t, err, "byte ")
		require.LessOrEqual(t, got, whole)
		require.GreaterOrEqual(t, got, whole-1, "cut at %d of %d", n, len(c.zipped))
	}
	// A sound member, then rubbish.
	ids, errs := read(t, string(zip([]byte(rec("1")+"\n")))+"rubbish", ReaderOptions{})
	require.Equal(t, "1", ids)
	require.Len(t, errs, 1)
	require.ErrorContains(t, errs[0], "cannot read on from byte")
	// Damage in the middle.
	damaged := bytes.Clone(c.zipped)
	copy(damaged[len(damaged)/2:], "damage damage damage damage damage damage")
	ids, errs = read(t, string(damaged), ReaderOptions{MaxRecordBytes: 64 << 10})
	require.Greater(t, len(strings.Fields(ids)), corpusSize/4)
	require.NotEmpty(t, errs)
}

func TestReaderReadError(t *testing.T) {
	broken := errors.New("the disk is gone")
	ids, errs := drain(t, io.MultiReader(strings.NewReader(rec("1")+rec("2")[:50]), iotest.ErrReader(broken)), ReaderOptions{Name: "f"})
	require.Equal(t, "1", ids)
	require.Len(t, errs, 1)
	require.ErrorIs(t, errs[0], broken)
	require.ErrorContains(t, errs[0], fmt.Sprintf("f: the input ends at byte %d inside record 2, which begins at byte %d", len(rec("1"))+50, len(rec("1"))))

	ids, errs = drain(t, io.MultiReader(strings.NewReader(rec("1")), iotest.ErrReader(broken)), ReaderOptions{})
	require.Equal(t, "1", ids)
	require.ErrorIs(t, errs[0], broken)
	require.ErrorContains(t, errs[0], fmt.Sprintf("cannot read on from byte %d, after 1 records", len(rec("1"))))

	_, errs = drain(t, stuck{}, ReaderOptions{})
	require.ErrorIs(t, errs[0], io.ErrNoProgress)
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// TestReaderLive gives each record as soon as its last byte has come, even
// where the one before it was broken.
func TestReaderLive(t *testing.T) {
	in, out := io.Pipe()
	r := NewReader(in, ReaderOptions{})
	var e Event
	send := func(s string) {
		go func() {
			for part := range strings.SplitSeq(s, "|") {
				_, _ = out.Write([]byte(part))
			}
		}()
	}
	for i := range 20 {
		id := fmt.Sprint("id-", i)
		send(strings.Replace(rec(id), "eventName", "event|Name", 1))
		require.NoError(t, r.Next(&e))
		require.Equal(t, id, e.UID)
	}
	send("\n{\"a\":[1,2\n" + rec("after") + "\n")
	var bad *RecordError
	require.ErrorAs(t, r.Next(&e), &bad)
	require.NoError(t, r.Next(&e))
	require.Equal(t, "after", e.UID)
	send(strings.Repeat(`{"Records":[`+rec("x")+",", 1) + rec("y"))
	require.NoError(t, r.Next(&e))
	require.NoError(t, r.Next(&e))
	require.Equal(t, "y", e.UID)
	require.NoError(t, out.Close())
	require.ErrorIs(t, r.Next(&e), io.ErrUnexpectedEOF)
}

func TestReaderTooLarge(t *testing.T) {
	const most = 20 << 10
	large := func(n int) string {
		return strings.Replace(rec("large"), `"eventID"`, `"padding":["`+strings.Repeat("x}] {,\\\"", n/8)+`"],"eventID"`, 1)
	}
	for _, n := range []int{most, 3 * most, 300 << 10, 2 << 20} {
		for name, text := range map[string]string{
			"list":     "[" + rec("1") + "," + large(n) + "," + rec("2") + "]",
			"records":  `{"Records":[` + rec("1") + "," + large(n) + "," + rec("2") + "]}",
			"lines":    rec("1") + "\n" + large(n) + "\n" + rec("2") + "\n",
			"joined":   rec("1") + large(n) + rec("2"),
			"string":   "[" + rec("1") + `,"` + strings.Repeat("x ", n/2) + `",` + rec("2") + "]",
			"rest":     `{"Records":[` + rec("1") + `],"x":"` + strings.Repeat("}", n) + `","Records":[` + rec("2") + "]}",
			"envelope": "[" + rec("1") + `,{"detail":` + large(n) + `,"x":1},` + rec("2") + "]",
		} {
			ids, errs := read(t, text, ReaderOptions{Name: "f", MaxRecordBytes: most})
			if name == "rest" { // It is no record, and of no interest.
				require.Equal(t, "1 2", ids)
				require.Empty(t, errs)
				continue
			}
			require.Equal(t, "1 ! 2", ids, "%s of %d: %v", name, n, errs)
			require.Len(t, errs, 1)
			require.ErrorContains(t, errs[0], "larger than 20480 bytes")
		}
	}
	// Within the limit, above the size of a slab.
	ids, errs := read(t, rec("1")+"\n"+large(900<<10)+"\n"+rec("2"), ReaderOptions{})
	require.Empty(t, errs)
	require.Equal(t, "1 large 2", ids)
}

// TestReaderHoldsNoMore reads a value of 128 MiB in little memory.
func TestReaderHoldsNoMore(t *testing.T) {
	mib := strings.Repeat("0123456789abcdef", 1<<16)
	pieces := []io.Reader{strings.NewReader("[" + rec("1") + `,{"a":"`)}
	for range 128 {
		pieces = append(pieces, strings.NewReader(mib))
	}
	pieces = append(pieces, strings.NewReader(`"},`+rec("2")+"]"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ids, errs := drain(t, io.MultiReader(pieces...), ReaderOptions{MaxRecordBytes: 1 << 20})
	runtime.ReadMemStats(&after)
	require.Equal(t, "1 ! 2", ids)
	require.Len(t, errs, 1)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20))
}

func TestReaderOptions(t *testing.T) {
	_, errs := read(t, rec("1"), ReaderOptions{Name: "f", Provider: "oracle"})
	require.Len(t, errs, 1)
	require.EqualError(t, errs[0], `f: reading records: unknown provider "oracle": the known ones are `+strings.Join(Providers(), ", "))
	_, errs = read(t, rec("1"), ReaderOptions{MaxRecordBytes: -1})
	require.ErrorContains(t, errs[0], "less than none")
	_, errs = read(t, rec("1"), ReaderOptions{Account: "prod\xff"})
	require.ErrorContains(t, errs[0], `the account "prod\xff" is not UTF-8`)
	ids, _ := read(t, rec("1"), ReaderOptions{Provider: "aws"})
	require.Equal(t, "1", ids)
}

// TestReaderCostIsLinear feeds what could make the search for the next record
// walk the same bytes again and again: twice the text takes about twice as long.
func TestReaderCostIsLinear(t *testing.T) {
	nest := `{"a":x,"b":[` + strings.Repeat(`0,{"a":[`, 1000) + strings.Repeat(`]}`, 1000) + `]},`
	for name, text := range map[string]func(n int) string{
		"nested candidates": func(n int) string { return "[" + strings.Repeat(nest, n/len(nest)) },
		"deep candidates":   func(n int) string { return `[{"a":x,"b":[` + strings.Repeat(`0,{"a":[`, n/8) },
		"brackets":          func(n int) string { return strings.Repeat("[", n) },
		"braces":            func(n int) string { return strings.Repeat("{", n) },
		"keys":              func(n int) string { return strings.Repeat(`{"a":`, n/5) },
		"commas":            func(n int) string { return "[" + strings.Repeat(",", n) },
		"quotes":            func(n int) string { return "[" + strings.Repeat(`{",`, n/3) },
		"lines":             func(n int) string { return strings.Repeat("{\n", n/2) },
		"strings":           func(n int) string { return strings.Repeat(`"{`, n/2) },
		"envelopes":         func(n int) string { return strings.Repeat(`{"data":`, n/8) },
	} {
		cost := func(n int) time.Duration {
			r := NewReader(strings.NewReader(text(n)), ReaderOptions{})
			var (
				e     Event
				err   error
				bad   *RecordError
				began = time.Now()
			)
			for err = r.Next(&e); errors.As(err, &bad); err = r.Next(&e) {
			}
			require.Error(t, err)
			return time.Since(began)
		}
		cost(1 << 16)
		small, large := cost(1<<18), cost(1<<21)
		t.Logf("%s: %v for 256 KiB, %v for 2 MiB", name, small, large)
		require.Less(t, large, 40*max(small, 5*time.Millisecond), name)
	}
}

// pieces gives its text in pieces of random sizes.
type pieces struct {
	text string
	rng  *rand.Rand
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.text == "" {
		return 0, io.EOF
	}
	n := copy(b, p.text[:min(1+p.rng.IntN(300), len(p.text))])
	p.text = p.text[n:]
	return n, nil
}

// TestOneByteChangedCostsOneRecord changes each byte of one record among five,
// in several forms: the other four are read, whatever the pieces that the text
// arrives in.
func TestOneByteChangedCostsOneRecord(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	forms := map[string]func(five []string) string{
		"list":       func(five []string) string { return "[" + strings.Join(five, ",") + "]" },
		"records":    func(five []string) string { return `{"x":1,"Records":[` + strings.Join(five, ",") + `],"y":[2]}` },
		"lines":      func(five []string) string { return strings.Join(five, "\n") + "\n" },
		"list lines": func(five []string) string { return "[\n" + strings.Join(five, ",\n") + "\n]" },
	}
	kinds := map[string]func(id string) string{
		"record": rec, "envelope": envelope, "lookup": lookup,
		"pretty": func(id string) string { return strings.TrimSpace(pretty(id)) },
	}
	for kind, write := range kinds {
		for form, join := range forms {
			five := []string{write("one"), write("two"), write("three"), write("four"), write("five")}
			was := []byte(five[2])
			// A bracket that opens in the rest of an envelope may hold the records
			// that follow as sound JSON that is of no interest.
			last := strings.LastIndex(five[2], "three") + len("three")
			for i := range was[:last] {
				for _, c := range []byte("\"\\{}[],:\n x\x01") {
					if (i+int(c))%5 != 0 && testing.Short() {
						continue
					}
					changed := bytes.Clone(was)
					changed[i] = c
					five[2] = string(changed)
					text := join(five)
					ids, errs := read(t, text, ReaderOptions{})
					seen := strings.Fields(ids)
					for _, id := range []string{"one", "two", "four", "five"} {
						require.Contains(t, seen, id, "%s/%s: %q: %s %v", kind, form, changed, ids, errs)
					}
					require.LessOrEqual(t, len(errs), 8, "%s/%s: %q: %v", kind, form, changed, errs)
					if i%3 == 0 {
						inPieces, _ := drain(t, &pieces{text, rng}, ReaderOptions{})
						require.Equal(t, ids, inPieces, "%s/%s: %q", kind, form, changed)
					}
				}
			}
		}
	}
}
