package rules

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The scanner goes through a record without making anything of what is not asked
// for. It is given records that a decoder has accepted, so it does not check that
// they are JSON; whatever it is given, it stays within it and comes to an end.

// skipSpace returns the index of the first byte from i on that is no white space.
func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
		i++
	}
	return i
}

// skipText returns the index behind the text whose opening quote is at i.
func skipText(s string, i int) int {
	for i++; i < len(s); {
		j := strings.IndexByte(s[i:], '"')
		if j < 0 {
			return len(s)
		}
		i += j
		escapes := 0
		for k := i - 1; s[k] == '\\'; k-- {
			escapes++
		}
		i++
		if escapes%2 == 0 {
			return i
		}
	}
	return len(s)
}

// skipValue returns the index behind the value at i.
func skipValue(s string, i int) int {
	if i >= len(s) {
		return len(s)
	}
	switch s[i] {
	case '"':
		return skipText(s, i)
	case '{', '[':
		depth := 0
		for i < len(s) {
			switch s[i] {
			case '"':
				i = skipText(s, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return i
	}
	for i < len(s) {
		switch s[i] {
		case ',', '}', ']', ' ', '\n', '\t', '\r':
			return i
		}
		i++
	}
	return i
}

// eachMember calls f for the members of the object that s is, with the key as it
// stands between its quotes and the value's JSON, until f returns false.
func eachMember(s string, f func(key, value string) bool) {
	i := skipSpace(s, 0)
	if i >= len(s) || s[i] != '{' {
		return
	}
	for i++; ; {
		i = skipSpace(s, i)
		if i >= len(s) || s[i] != '"' {
			return
		}
		end := skipText(s, i)
		if end < i+2 {
			return
		}
		key := s[i+1 : end-1]
		i = skipSpace(s, end)
		if i >= len(s) || s[i] != ':' {
			return
		}
		i = skipSpace(s, i+1)
		end = skipValue(s, i)
		if !f(key, s[i:end]) {
			return
		}
		i = skipSpace(s, end)
		if i >= len(s) || s[i] != ',' {
			return
		}
		i++
	}
}

// eachItem calls f for the values of the list that s is until f returns false.
func eachItem(s string, f func(Value) bool) {
	i := skipSpace(s, 0)
	if i >= len(s) || s[i] != '[' {
		return
	}
	for i++; ; {
		i = skipSpace(s, i)
		if i >= len(s) || s[i] == ']' {
			return
		}
		end := skipValue(s, i)
		if !f(valueOf(s[i:end])) {
			return
		}
		i = skipSpace(s, end)
		if i >= len(s) || s[i] != ',' {
			return
		}
		i++
	}
}

// valueOf makes a value of its JSON. Lists and objects stay JSON.
func valueOf(s string) Value {
	if s == "" {
		return Value{}
	}
	switch s[0] {
	case '"':
		if len(s) < 2 || s[len(s)-1] != '"' {
			return Text(unescape(s[1:]))
		}
		return Text(unescape(s[1 : len(s)-1]))
	case '{':
		return Value{kind: kindObject, text: s}
	case '[':
		return Value{kind: kindList, text: s}
	case 't':
		return Bool(true)
	case 'f':
		return Bool(false)
	case 'n':
		return Value{}
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil && v == 0 {
		return Value{}
	}
	return Number(v)
}

// unescape returns what a text says whose JSON stands between its quotes. It
// allocates only where there is an escape.
func unescape(s string) string {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for {
		b = append(b, s[:i]...)
		s = s[i:]
		if len(s) < 2 {
			return string(b)
		}
		const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
		switch k := strings.IndexByte(from, s[1]); {
		case k >= 0:
			b = append(b, to[k])
			s = s[2:]
		case s[1] == 'u':
			u := hexRune(s)
			if len(s) < 6 {
				return string(b)
			}
			s = s[6:]
			if utf16.IsSurrogate(u) {
				low := hexRune(s)
				if u = utf16.DecodeRune(u, low); u != utf8.RuneError {
					s = s[6:]
				}
			}
			b = utf8.AppendRune(b, u)
		default:
			s = s[2:]
		}
		if i = strings.IndexByte(s, '\\'); i < 0 {
			return string(append(b, s...))
		}
	}
}

// hexRune reads \uXXXX at the start of s, the replacement character where there
// is none.
func hexRune(s string) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return utf8.RuneError
	}
	v, err := strconv.ParseUint(s[2:6], 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(v)
}

// sameKey reports whether a key as it stands in a record is the name.
func sameKey(key, name string) bool {
	return key == name || strings.IndexByte(key, '\\') >= 0 && unescape(key) == name
}
