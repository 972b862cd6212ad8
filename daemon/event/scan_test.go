package event

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// scanCases are texts at the edges of JSON, good and bad.
var scanCases = []string{
	``, ` `, `null`, `true`, `false`, `nul`, `nulll`, `True`, `truefalse`, `tru`, `fals`, `n`,
	`0`, `-0`, `-`, `01`, `1.`, `.1`, `1.5`, `1e`, `1e+`, `1E-7`, `1e5.`, `--1`, `+1`, `1 2`, `0x1`, `1.0e+10`, `-a`, `NaN`, `1,`,
	`""`, `"a"`, `"`, `"a`, `"\"`, `"\\"`, `"\x"`, `"\u"`, `"\u12"`, `"\u12g4"`, `"\u0041"`, `"\/\b\f\n\r\t\""`,
	`"\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d"`, `"\ud83dx"`, `"\ud83d\n"`, `"\ud83d\u0041"`, `"\ud83d\ud83d\ude00"`, `"\uDBFF\uDFFF"`,
	"\"\x00\"", "\"\x1f\"", "\"\x7f\"", "\"\n\"", "\"\xff\"", "\"a\xc3\x28b\"", "\"\xe2\x82\"", "\"\xed\xa0\x80\"", "\"\xf0\x9f\x98\x80\"", "\"\xc0\x80\"",
	"\"0123456789abcdef\"", "\"0123456\\n89abcdef\\\"\"", "\"0123456\xc3\xa9abcdef\"", "\"01234567\x01\"", "\"ééééééé\\u00e9\xff\"",
	`{}`, `{ }`, `[]`, `[ ]`, `{`, `[`, `}`, `]`, `[}`, `{]`, `{"a"}`, `{"a":}`, `{"a":1`, `{"a":1,}`, `{,}`, `{"a":1 "b":2}`, `{"a" :1 , "b": 2 }`,
	`{a:1}`, `{1:1}`, `{"a":1}}`, `[1,]`, `[,1]`, `[1 2]`, `[1,2]`, `[[[]]]`, `[[[]]`, `[{"a":[{}]}]`, `{"a":{"b":[1,{"c":null}]}}`,
	"\ufeff{}", "\t\r\n {}\n", "\v{}", "{}\x00", "[\"a\",\n        \t\"b\"]", `["a"` + strings.Repeat(" ", 40) + `]`,
	`{"a":1,"a":2}`, `{"":""}`, `{"a\u0062":1}`, `// comment`, `{'a':1}`, `[1]/**/`,
}

func TestScanAgreesWithEncodingJSON(t *testing.T) {
	for _, s := range scanCases {
		checkScan(t, []byte(s))
		// At every length of padding, since eight bytes are looked at at once.
		for pad := range 9 {
			checkScan(t, []byte(`["`+strings.Repeat("x", pad)+`",`+s+`]`))
			checkScan(t, []byte(strings.Repeat(" ", pad)+s))
		}
	}
}

func TestScanOfEveryPrefix(t *testing.T) {
	for _, b := range fixtures(t, "testdata") {
		for n := range b {
			require.Equal(t, json.Valid(b[:n]), skipDocument(b[:n]) >= 0, "of the first %d bytes", n)
		}
	}
}

func TestScanOfEveryByteChanged(t *testing.T) {
	text := []byte(`{"a\u00e9":[1.5e3,true,null,"x\"y\ud83d\ude00"],"b":{"c":-0.1},"d":"0123456789"}`)
	require.True(t, json.Valid(text))
	for i := range text {
		was := text[i]
		for c := range 256 {
			text[i] = byte(c)
			checkScan(t, text)
		}
		text[i] = was
	}
}

func TestScanDepth(t *testing.T) {
	for _, open := range []string{`[`, `{"a":`, `[{"a":`} {
		per := strings.Count(open, "[") + strings.Count(open, "{")
		end := strings.NewReplacer("[", "]", "{", "}", `"a":`, "").Replace(reverse(open))
		for _, levels := range []int{1, 63, 64, 65, 128, 129, 1000, maxDepth, maxDepth + 2} {
			n := levels / per
			text := []byte(strings.Repeat(open, n) + "1" + strings.Repeat(end, n))
			checkScan(t, text)
			require.Equal(t, n*per <= maxDepth, skipDocument(text) >= 0)
		}
	}
	// A record's own levels count too.
	record := func(n int) []byte {
		return []byte(`{"requestParameters":{"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}}`)
	}
	var e Event
	for _, n := range []int{maxDepth - 2, maxDepth - 1} {
		require.Equal(t, n+2 <= maxDepth, json.Valid(record(n)))
		_, v, _ := decodeCloudTrail(record(n), &e, &stringPool{})
		require.Equal(t, n+2 > maxDepth, v == verdictBroken)
	}
}

func reverse(s string) string {
	s = strings.ReplaceAll(s, `"a":`, "")
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

func TestScanSharesMemoryUnlessItMustNot(t *testing.T) {
	b := []byte(`["plain text, no escapes","esc\u0061ped","brök\u00e9n"]`)
	var s string
	require.Zero(t, testing.AllocsPerRun(100, func() { stringValue(b, 1, 0, &s) }))
	require.Equal(t, "plain text, no escapes", s)
	b[2] = 'P'
	require.Equal(t, "Plain text, no escapes", s)
	i := strings.Index(string(b), `"esc`)
	stringValue(b, i, 0, &s)
	require.Equal(t, "escaped", s)
	b[i+1] = 'E'
	require.Equal(t, "escaped", s)
}

func TestSyntaxErrorSaysWhatAndWhere(t *testing.T) {
	f := func(text string, at int, want string) {
		t.Helper()
		n := skipDocument([]byte(text))
		require.Negative(t, n)
		got, _ := faultOf(n)
		require.Equal(t, at, got)
		require.ErrorContains(t, newSyntaxError([]byte(text), n), want)
	}
	f(`{"a":1 "b"}`, 7, `found '"', expected a comma or a closing brace`)
	f(`[1;2]`, 2, `found ';', expected a comma or a closing bracket`)
	f(`{"a"=1}`, 4, `found '=', expected a colon`)
	f(`{a:1}`, 1, `found 'a', expected a key in quotes`)
	f("[\"a\nb\"]", 3, `found '\n', expected a closing quote`)
	f("[\xff]", 1, `found byte 0xff, expected a value`)
	f(`["\q"]`, 3, `found 'q', expected an escape sequence`)
	f(`[trux]`, 4, `found 'x', expected true, false or null`)
	f(`[1.x]`, 3, `found 'x', expected a digit`)
	f(`{} {}`, 3, `found '{', expected the end`)
	f(`{"a":[1,2`, 9, `the text ends early`)
	require.ErrorIs(t, newSyntaxError(nil, fault(0, faultEnd)), io.ErrUnexpectedEOF)
}
