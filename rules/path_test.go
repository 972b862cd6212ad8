package rules

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPath(t *testing.T) {
	const record = `{"a":{"b":[{"c":1,"d":"x"},{"c":2,"d":"y"},{"c":[3,4]}],"b.c":5,"n":null,"é\u0020k":6},
		"doc":"{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\"},{\"Effect\":\"Deny\",\"Principal\":{\"AWS\":[\"1\",\"*\"]}}]}",
		"text":"plain","list":[[1],[2,[3]]],"empty":{},"t":true}`
	f := func(path, want string) {
		t.Helper()
		p, err := parsePath(path)
		require.NoError(t, err)
		v := valueOf(record)
		got := p.resolve(&v)
		require.Equal(t, want, got.String(), path)
	}
	for _, form := range []string{"$.a.b[0].c", ".a.b[0].c", "a.b[0].c", "$['a'].b[0]['c']", `["a"].b[ 0 ].c`} {
		f(form, "1")
	}
	f("$.a.b[-1].c", "[3,4]")
	f("$.a.b[-4].c", "null")
	f("$.a.b[7]", "null")
	f("$.a['b.c']", "5")
	f("$.a['é k']", "6")
	f("$.a.n", "null")
	f("$.a.n.x", "null")
	f("$.text", "plain")
	f("$.text.x", "null")
	f("$.a.b[*].d", `["x","y"]`)
	f("$.a.b.*.d", `["x","y"]`)
	f("$..d", `["x","y"]`)
	f("$..c[0]", "[3]")
	f("$.list[*][0]", "[1,2]")
	f("$..zz", "null")
	f("$.empty.*", "null")
	f("$.t", "true")
	// Filters, and texts that hold JSON.
	f("$.a.b[?(@.d=='y')].c", "[2]")
	f("$.a.b[?(@.c>=2)].d", `["y"]`)
	f("$.a.b[?(@.d)].c", "[1,2]")
	f("$.a.b[?(!@.d)].c[1]", "[4]")
	f("$.a.b[?(@.c==4)].c[0]", "[3]")
	f("$.a.b[?(@.d=='x' || @.d=='y' && @.c==2)].c", "[1,2]")
	f("$.a.b[?(@.d!='x')].c", "[2,[3,4]]")
	f("$.a.b[?(@.d==null)].c", "[[3,4]]")
	f("$.doc.Statement[?(@.Effect=='Allow' && @.Principal=='*')].Effect", `["Allow"]`)
	f("$.doc.Statement[?(@.Principal.AWS=='*')].Effect", `["Deny"]`)
	f("$..Principal", `["*",{"AWS":["1","*"]}]`)

	for _, bad := range []string{"", "$.", "$[", "$[x]", "$['a", "$..", "a b", "$[?(@.a]", "$[?(@.a==)]", "$[?(a)]", "$[?(!@.a==1)]", "$[99999999999]", strings.Repeat(".a", 40), "$..a..b..c"} {
		_, err := parsePath(bad)
		require.Error(t, err, bad)
	}
}

func TestValues(t *testing.T) {
	type in = []any
	value := func(v any) Value {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		return valueOf(string(text))
	}
	f := func(operator string, fact, want any, holds bool) {
		t.Helper()
		o, err := parseOperator(operator)
		require.NoError(t, err)
		a, b := value(fact), value(want)
		require.Equal(t, holds, o.test(&a, &b), "%v %s %v", fact, operator, want)
	}
	f("equal", 400, 400, true)
	f("equal", "400", 400, false)
	f("equal", nil, nil, true)
	f("equal", in{1}, in{1}, false)
	f("notEqual", nil, 1, true)
	f("in", "a", in{"a", "b"}, true)
	f("in", 1, in{"1"}, false)
	f("in", "dele", "iam.delete", true)
	f("in", nil, in{"a"}, false)
	f("notIn", nil, in{"a"}, true)
	f("notIn", "a", in{"a"}, false)
	f("contains", in{"a", 1}, 1, true)
	f("contains", "abc", "b", false)
	f("doesNotContain", "abc", "z", false)
	f("doesNotContain", nil, "z", false)
	f("doesNotContain", in{}, "z", true)
	f("lessThan", "0730", "0800", true)
	f("lessThan", "90", "100", false)
	f("lessThan", 90, "100", true)
	f("lessThan", "90", 100, true)
	f("lessThan", "12abc", 20, false)
	f("lessThan", "abc", "b", false)
	f("lessThan", nil, 5, false)
	f("lessThan", true, 5, false)
	f("lessThanInclusive", 5, 5, true)
	f("greaterThan", "1730", "1700", true)
	f("greaterThan", " 7 ", 6, true)
	f("greaterThanInclusive", 4.5, 4.5, true)
	f("greaterThanInclusive", "0x10", 16, true)
	f("not:in", "y", in{"x"}, true)
	f("not:lessThan", nil, 5, true)
	f("swap:in", "iam.delete", "dele", true)
	f("swap:contains", "a", in{"a"}, true)
	f("someFact:equal", in{"a", "b"}, "b", true)
	f("someFact:equal", "b", "b", false)
	f("everyFact:startsWith", in{"ab", "ac"}, "a", true)
	f("everyFact:equal", in{}, "a", true)
	f("everyFact:equal", nil, "a", false)
	f("someValue:startsWith", "ab", in{"x", "a"}, true)
	f("everyValue:like", "abc", in{"a*", "*c"}, true)
	f("not:someFact:equal", in{"a"}, "b", true)
	f("someFact:someValue:endsWith", in{"ab", "cd"}, in{"x", "d"}, true)
	f("startsWith", 12, "1", false)
	f("like", "arn:aws:iam::1:role/admin-x", "*:role/admin-?", true)
	f("like", "abc", "a*d", false)
	f("like", "", "*", true)
	f("inNetwork", "10.1.2.3", "10.0.0.0/8", true)
	f("inNetwork", "11.1.2.3", in{"10.0.0.0/8", "192.0.2.0/24"}, false)
	f("inNetwork", "::ffff:10.1.2.3", "10.0.0.0/8", true)
	f("inNetwork", "10.0.0.0/16", "10.0.0.0/8", true)
	f("inNetwork", "0.0.0.0/0", "10.0.0.0/8", false)
	f("inNetwork", "AWS Internal", "0.0.0.0/0", false)
}

func TestClock(t *testing.T) {
	for _, tc := range []struct {
		minute, from, to string
		want             bool
	}{
		{"1700", "1700", "0800", false},
		{"1701", "1700", "0800", true},
		{"0000", "1700", "0800", true},
		{"0759", "1700", "0800", true},
		{"0800", "1700", "0800", false},
		{"1200", "1700", "0800", false},
		{"0800", "0800", "1700", true},
		{"1700", "0800", "1700", true},
		{"1701", "0800", "1700", false},
		{"0759", "0800", "1700", false},
		{"0900", "0900", "0900", true},
	} {
		m, _ := parseClock(tc.minute)
		from, _ := parseClock(tc.from)
		to, _ := parseClock(tc.to)
		require.Equal(t, tc.want, within(m, from, to), tc)
		require.Equal(t, tc.minute, clockText(m))
	}
}

// plainPath follows a path of keys, indexes, * and .. in what encoding/json made of
// a text, slowly.
func plainPath(v any, steps []step, depth int, out *[]any) {
	if len(*out) >= maxHits {
		return
	}
	if len(steps) == 0 {
		*out = append(*out, v)
		return
	}
	var children []any
	switch x := v.(type) {
	case object:
		for _, m := range x {
			children = append(children, m.value)
		}
	case []any:
		children = x
	}
	switch s := steps[0]; s.kind {
	case stepKey:
		if x, ok := v.(object); ok {
			for _, m := range x {
				if m.key == s.key {
					if m.value != nil {
						plainPath(m.value, steps[1:], depth, out)
					}
					return
				}
			}
		}
	case stepIndex:
		if x, ok := v.([]any); ok {
			i := s.index
			if i < 0 {
				i += len(x)
			}
			if i >= 0 && i < len(x) && x[i] != nil {
				plainPath(x[i], steps[1:], depth, out)
			}
		}
	case stepAll:
		for _, c := range children {
			plainPath(c, steps[1:], depth, out)
		}
	case stepDeep:
		plainPath(v, steps[1:], depth, out)
		if depth >= maxDepth {
			return
		}
		for _, c := range children {
			switch c.(type) {
			case object, []any:
				plainPath(c, steps, depth+1, out)
			}
		}
	}
}

// object is an object with its members in order.
type object []objectMember

type objectMember struct {
	key   string
	value any
}

// plainJSON reads a text with encoding/json, members in order. It fails where a
// key comes twice, or a number is out of range.
func plainJSON(text string) (any, bool) {
	if !json.Valid([]byte(text)) {
		return nil, false
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	v, ok := plainValue(dec)
	if _, err := dec.Token(); err != io.EOF {
		return nil, false
	}
	return v, ok
}

func plainValue(dec *json.Decoder) (any, bool) {
	tok, err := dec.Token()
	if err != nil {
		return nil, false
	}
	switch x := tok.(type) {
	case json.Number:
		f, err := x.Float64()
		return f, err == nil && !math.IsInf(f, 0)
	case json.Delim:
		if x == '[' {
			list := []any{}
			for dec.More() {
				v, ok := plainValue(dec)
				if !ok {
					return nil, false
				}
				list = append(list, v)
			}
			_, err := dec.Token()
			return list, err == nil
		}
		obj := object{}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil, false
			}
			for _, m := range obj {
				if m.key == key {
					return nil, false
				}
			}
			v, ok := plainValue(dec)
			if !ok {
				return nil, false
			}
			obj = append(obj, objectMember{key.(string), v})
		}
		_, err := dec.Token()
		return obj, err == nil
	}
	return tok, true
}

// plainly makes of a value what plainJSON does.
func (v *Value) plainly() any {
	switch v.kind {
	case kindBool:
		return v.number == 1
	case kindNumber:
		return v.number
	case kindText:
		return v.text
	case kindNull:
		return nil
	case kindList:
		if v.list != nil {
			list := []any{}
			for i := range v.list {
				list = append(list, v.list[i].plainly())
			}
			return list
		}
	}
	out, _ := plainJSON(v.text)
	return out
}

func hasOpenText(v any) bool {
	switch x := v.(type) {
	case string:
		t := Text(x)
		_, ok := t.opened()
		return ok
	case []any:
		return slices.ContainsFunc(x, hasOpenText)
	case object:
		return slices.ContainsFunc(x, func(m objectMember) bool { return hasOpenText(m.value) })
	}
	return false
}

// FuzzPath holds the getter against encoding/json, and has it survive what is no
// JSON.
func FuzzPath(f *testing.F) {
	f.Add(`{"a":{"b":[1,2,{"c":"x\u00e9\ud83d\ude00"}]}}`, "$.a.b[2].c")
	f.Add(`{"a":[{"n":1},{"n":2}],"n":{"n":[3]}}`, "$..n")
	f.Add(`[[1,[2]],{"k":-1.5e3}]`, "$[*][0]")
	f.Add(`{"a\"b":{"":true},"c":"\\"}`, `$['a"b']['']`)
	f.Add(`{"a":"{\"b\":1}"}`, "a.b")
	f.Add(`{"a":[{"b":"x"}]}`, "$.a[?(@.b=='x' && @.c!=1)].b")
	f.Add(`{"a":`, "a")
	f.Fuzz(func(t *testing.T, text, path string) {
		if len(text) > 1<<12 || len(path) > 200 {
			return
		}
		p, err := parsePath(path)
		if err != nil {
			return
		}
		v := valueOf(strings.Trim(text, " \n\r\t"))
		got := p.resolve(&v)
		_ = got.String()
		plain, ok := plainJSON(text)
		if !ok || !bytes.Equal([]byte(strings.ToValidUTF8(text, "\ufffd")), []byte(text)) || hasOpenText(plain) {
			return
		}
		for _, s := range p.steps {
			if s.kind == stepFilter {
				return
			}
		}
		if len(p.steps) > 0 && plain == nil {
			return
		}
		hits := []any{}
		plainPath(plain, p.steps, 0, &hits)
		switch {
		case len(hits) == 0:
			require.Nil(t, got.plainly())
		case p.definite:
			require.Equal(t, hits[0], got.plainly())
		default:
			require.Equal(t, hits, got.plainly())
		}
	})
}
