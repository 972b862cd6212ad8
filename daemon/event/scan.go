package event

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// This file walks JSON over a byte slice without building anything. It accepts
// exactly what encoding/json accepts, in one pass that looks at every byte
// once: a decoder asks for the keys that it knows and has the rest checked and
// stepped over.
//
// Every function takes an index and returns the next one. A negative index is
// a fault: it packs where the text stops being JSON and what was expected, so
// that the fast path carries no error values.

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks, in the top bit of each byte of x, the bytes that a string
// cannot step over: quote, backslash and control characters. Only the lowest
// mark is exact, since a subtraction may borrow from the bytes above it.
func special(x uint64) uint64 {
	q := x ^ ones*'"'
	s := x ^ ones*'\\'
	return ((q-ones)&^q | (s-ones)&^s | (x-ones*' ')&^x) & highs
}

// escaped is set in the flags of a string that holds a backslash. The top bits
// of the bytes (highs) are set where one of its bytes is not ASCII.
const escaped = 1

// scanString walks a string whose opening quote stands before b[i]. It returns
// the index of the closing quote and the flags of the string.
func scanString(b []byte, i int) (end int, flags uint64) {
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		m := special(x)
		if m == 0 {
			flags |= x & highs
			i += 8
			continue
		}
		flags |= x & highs & (m&-m - 1)
		i += bits.TrailingZeros64(m) >> 3
		if b[i] == '"' {
			return i, flags
		}
		if i = skipEscape(b, i); i < 0 {
			return i, 0
		}
		flags |= escaped
	}
	for i < len(b) {
		c := b[i]
		switch {
		case c == '"':
			return i, flags
		case c == '\\' || c < ' ':
			if i = skipEscape(b, i); i < 0 {
				return i, 0
			}
			flags |= escaped
			continue
		case c >= utf8.RuneSelf:
			flags |= highs
		}
		i++
	}
	return fault(i, faultEnd), 0
}

// skipEscape steps over the escape sequence at b[i].
func skipEscape(b []byte, i int) int {
	if b[i] != '\\' {
		return fault(i, faultControl)
	}
	if i+1 >= len(b) {
		return fault(i+1, faultEnd)
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		for j := i + 2; j < i+6; j++ {
			if j >= len(b) {
				return fault(j, faultEnd)
			}
			if hexDigit(b[j]) < 0 {
				return fault(j, faultEscape)
			}
		}
		return i + 6
	}
	return fault(i+1, faultEscape)
}

func hexDigit(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}

// stringOf returns the text of a string that scanString has walked. It shares
// memory with b where nothing has to be changed.
func stringOf(b []byte, start, end int, flags uint64) string {
	if start == end {
		return ""
	}
	if flags == 0 || flags&escaped == 0 && utf8.Valid(b[start:end]) {
		return unsafe.String(&b[start], end-start)
	}
	return string(unescape(b[start:end]))
}

// unescape resolves the escape sequences of a string that scanString has
// walked. Like encoding/json it puts U+FFFD for what is not UTF-8 and for half
// of a surrogate pair. Its result is new memory.
func unescape(s []byte) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\\':
			i += 2
			switch c = s[i-1]; c {
			case 'b':
				c = '\b'
			case 'f':
				c = '\f'
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			case 'u':
				r := hexRune(s[i:])
				i += 4
				if utf16.IsSurrogate(r) {
					if i+6 <= len(s) && s[i] == '\\' && s[i+1] == 'u' {
						if p := utf16.DecodeRune(r, hexRune(s[i+2:])); p != utf8.RuneError {
							out = utf8.AppendRune(out, p)
							i += 6
							continue
						}
					}
					r = utf8.RuneError
				}
				out = utf8.AppendRune(out, r)
				continue
			}
			out = append(out, c)
		case c < utf8.RuneSelf:
			out = append(out, c)
			i++
		default:
			r, n := utf8.DecodeRune(s[i:])
			out = utf8.AppendRune(out, r)
			i += n
		}
	}
	return out
}

func hexRune(s []byte) rune {
	return hexDigit(s[0])<<12 | hexDigit(s[1])<<8 | hexDigit(s[2])<<4 | hexDigit(s[3])
}

// skipSpace returns the index of the first byte from b[i] on that is no white
// space, which is len(b) where there is none.
func skipSpace(b []byte, i int) int {
	if i < len(b) && b[i] > ' ' {
		return i
	}
	return skipSpaces(b, i)
}

func skipSpaces(b []byte, i int) int {
	for i < len(b) {
		switch b[i] {
		case ' ', '\n':
			for i+9 <= len(b) && binary.LittleEndian.Uint64(b[i+1:]) == ones*' ' {
				i += 8
			}
		case '\r', '\t':
		default:
			return i
		}
		i++
	}
	return i
}

// nextKey walks to the next key of an object: i is the index behind the opening
// brace when first is set, and else the index behind the last value. It returns
// the key and the index of its value, and more is false at the end of the
// object, where the index is the one behind the closing brace.
func nextKey(b []byte, i int, first bool) (key string, next int, more bool) {
	if i = skipSpace(b, i); i >= len(b) {
		return "", fault(i, faultEnd), false
	}
	switch c := b[i]; {
	case c == '}':
		return "", i + 1, false
	case first:
	case c == ',':
		if i = skipSpace(b, i+1); i >= len(b) {
			return "", fault(i, faultEnd), false
		}
	default:
		return "", fault(i, faultObject), false
	}
	if b[i] != '"' {
		return "", fault(i, faultKey), false
	}
	start := i + 1
	end, flags := scanString(b, start)
	if end < 0 {
		return "", end, false
	}
	if i = end + 1; i >= len(b) || b[i] != ':' {
		if i = skipSpace(b, i); i >= len(b) {
			return "", fault(i, faultEnd), false
		}
		if b[i] != ':' {
			return "", fault(i, faultColon), false
		}
	}
	if i = skipSpace(b, i+1); i >= len(b) {
		return "", fault(i, faultEnd), false
	}
	if flags == 0 && start < end {
		return unsafe.String(&b[start], end-start), i, true
	}
	return stringOf(b, start, end, flags), i, true
}

// nextElement walks to the next element of a list, as nextKey does in objects.
func nextElement(b []byte, i int, first bool) (next int, more bool) {
	if i = skipSpace(b, i); i >= len(b) {
		return fault(i, faultEnd), false
	}
	switch c := b[i]; {
	case c == ']':
		return i + 1, false
	case first:
		return i, true
	case c == ',':
		if i = skipSpace(b, i+1); i >= len(b) {
			return fault(i, faultEnd), false
		}
		return i, true
	}
	return fault(i, faultList), false
}

// stringValue reads the value at b[i] into dst. A value that is no string sets
// dst to the empty string.
func stringValue(b []byte, i, depth int, dst *string) int {
	if b[i] != '"' {
		*dst = ""
		return skipValue(b, i, depth)
	}
	end, flags := scanString(b, i+1)
	if end < 0 {
		return end
	}
	if flags == 0 && i+1 < end {
		*dst = unsafe.String(&b[i+1], end-i-1)
	} else {
		*dst = stringOf(b, i+1, end, flags)
	}
	return end + 1
}

// wordValue is stringValue for what may be a number as well, which is read as
// it is written.
func wordValue(b []byte, i, depth int, dst *string) int {
	if c := b[i]; c != '-' && c-'0' > 9 {
		return stringValue(b, i, depth, dst)
	}
	end := skipNumber(b, i)
	if end < 0 {
		*dst = ""
		return end
	}
	*dst = unsafe.String(&b[i], end-i)
	return end
}

// truth is a boolean that may be absent.
type truth uint8

const (
	truthUnknown truth = iota
	truthFalse
	truthTrue
)

func truthOf(s string) truth {
	switch s {
	case "true", "True", "TRUE":
		return truthTrue
	case "false", "False", "FALSE":
		return truthFalse
	}
	return truthUnknown
}

// truthValue reads the value at b[i], which is a boolean or the word for one.
func truthValue(b []byte, i, depth int, dst *truth) int {
	*dst = truthUnknown
	switch b[i] {
	case 't':
		*dst = truthTrue
	case 'f':
		*dst = truthFalse
	case '"':
		var s string
		i = stringValue(b, i, depth, &s)
		*dst = truthOf(s)
		return i
	}
	return skipValue(b, i, depth)
}

// skipLiteral steps over true, false or null.
func skipLiteral(b []byte, i int, word string) int {
	if len(b)-i >= len(word) && string(b[i:i+len(word)]) == word {
		return i + len(word)
	}
	for j := range len(word) {
		if i+j >= len(b) {
			return fault(i+j, faultEnd)
		}
		if b[i+j] != word[j] {
			return fault(i+j, faultLiteral)
		}
	}
	return i + len(word)
}

// skipNumber steps over the number at b[i]. A number that reaches the end of
// the text counts as whole.
func skipNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = skipDigits(b, i); i < 0 {
		return i
	}
	if i < len(b) && b[i] == '.' {
		if i = skipDigits(b, i+1); i < 0 {
			return i
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return skipDigits(b, i)
	}
	return i
}

func skipDigits(b []byte, i int) int {
	start := i
	for i < len(b) && b[i]-'0' < 10 {
		i++
	}
	if i > start {
		return i
	}
	if i >= len(b) {
		return fault(i, faultEnd)
	}
	return fault(i, faultNumber)
}

// levels remembers, a bit a level, whether the lists and objects around a place
// are objects. The first 64 levels cost no memory.
type levels struct {
	low  uint64
	high []uint64
}

func (l *levels) set(n int, object bool) {
	word := &l.low
	if n >= 64 {
		k := n>>6 - 1
		for k >= len(l.high) {
			l.high = append(l.high, 0)
		}
		word = &l.high[k]
	}
	if object {
		*word |= 1 << (n & 63)
	} else {
		*word &^= 1 << (n & 63)
	}
}

func (l *levels) get(n int) bool {
	word := l.low
	if n >= 64 {
		word = l.high[n>>6-1]
	}
	return word>>(n&63)&1 != 0
}

// skipValue steps over the value at b[i], of whatever kind, and returns the
// index behind it. depth is how many lists and objects stand around it. Memory
// and stack do not grow with the value.
func skipValue(b []byte, i, depth int) int {
	var (
		outer  levels // The kinds of the levels around the current one.
		n      int    // How many levels are open.
		object bool   // The current level is an object.
		end    int
	)
value:
	if i >= len(b) {
		return fault(i, faultEnd)
	}
	switch c := b[i]; c {
	case '"':
		if end, _ = scanString(b, i+1); end < 0 {
			return end
		}
		i = end + 1
	case '{', '[':
		if depth+n >= maxDepth {
			return fault(i, faultDepth)
		}
		outer.set(n, object)
		n++
		object = c == '{'
		if i = skipSpace(b, i+1); i >= len(b) {
			return fault(i, faultEnd)
		}
		if b[i] == c+2 { // The closing character stands two behind the opening one in ASCII.
			goto closed
		}
		if object {
			goto key
		}
		goto value
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		i = skipNumber(b, i)
	case 't':
		i = skipLiteral(b, i, "true")
	case 'f':
		i = skipLiteral(b, i, "false")
	case 'n':
		i = skipLiteral(b, i, "null")
	default:
		return fault(i, faultValue)
	}
	if i < 0 {
		return i
	}
after:
	if n == 0 {
		return i
	}
	if i = skipSpace(b, i); i >= len(b) {
		return fault(i, faultEnd)
	}
	switch c := b[i]; {
	case c == ',':
		i = skipSpace(b, i+1)
		if object {
			goto key
		}
		goto value
	case object:
		if c != '}' {
			return fault(i, faultObject)
		}
	case c != ']':
		return fault(i, faultList)
	}
closed:
	i++
	n--
	object = outer.get(n)
	goto after
key:
	if i >= len(b) {
		return fault(i, faultEnd)
	}
	if b[i] != '"' {
		return fault(i, faultKey)
	}
	if end, _ = scanString(b, i+1); end < 0 {
		return end
	}
	if i = skipSpace(b, end+1); i >= len(b) {
		return fault(i, faultEnd)
	}
	if b[i] != ':' {
		return fault(i, faultColon)
	}
	i = skipSpace(b, i+1)
	goto value
}

// skipDocument checks that b is one JSON value with nothing but white space
// around it, and returns len(b) or a fault.
func skipDocument(b []byte) int {
	i := skipSpace(b, 0)
	if i = skipValue(b, i, 0); i < 0 {
		return i
	}
	if i = skipSpace(b, i); i < len(b) {
		return fault(i, faultTail)
	}
	return i
}
