package event

import (
	"encoding/base64"
	"strings"
)

// What the decoders share: walking an object, values that come in several kinds,
// and names that are compared without case. CloudTrail's walks by hand, as the
// busiest: a call for each key costs it about a tenth.

// members calls read with each key of the object at b[i], which stands at a
// depth, and the index of its value; read returns the index behind the value,
// or a fault. A value that is no object is stepped over.
func members(b []byte, i, depth int, read func(key string, i int) int) int {
	if b[i] != '{' {
		return skipValue(b, i, depth)
	}
	i++
	for first := true; ; first = false {
		key, next, more := nextKey(b, i, first)
		if i = next; !more {
			return i
		}
		if i = read(key, i); i < 0 {
			return i
		}
	}
}

// elements calls read with the index of each element of the list at b[i], as
// members does in objects.
func elements(b []byte, i, depth int, read func(i int) int) int {
	if b[i] != '[' {
		return skipValue(b, i, depth)
	}
	i++
	for first := true; ; first = false {
		next, more := nextElement(b, i, first)
		if i = next; !more {
			return i
		}
		if i = read(i); i < 0 {
			return i
		}
	}
}

// objectText returns the object at b[i], or the one whose text the string at
// b[i] is, as a slice that begins with it and holds JSON as a whole, and the
// index behind the value. The slice is nil where there is none.
func objectText(b []byte, i, depth int) (text []byte, next int) {
	next = skipValue(b, i, depth)
	if next < 0 {
		return nil, next
	}
	switch {
	case b[i] == '{':
		return b[i:next], next
	case b[i] == '"' && i+1 < next && (b[i+1] == '{' || b[i+1] == ' ' || b[i+1] == '\\'):
		text = unescape(b[i+1 : next-1])
		text = text[skipSpace(text, 0):]
		if len(text) > 0 && text[0] == '{' && skipDocument(text) >= 0 {
			return text, next
		}
	}
	return nil, next
}

// within calls read with each key of the object at b[i], or of the one whose text
// the string at b[i] is, as members does. read gets the text that its index is in.
func within(b []byte, i, depth int, read func(b []byte, key string, i int) int) int {
	if b[i] == '{' {
		return members(b, i, depth, func(key string, i int) int { return read(b, key, i) })
	}
	text, next := objectText(b, i, depth)
	if text != nil {
		members(text, 0, depth, func(key string, i int) int { return read(text, key, i) })
	}
	return next
}

// lowered remembers names in small letters, so that those that come again and
// again are written once a reader and not once a record.
type lowered struct {
	from, to [256]string
}

// lower returns s with the letters of ASCII in small. Names of clouds are in
// ASCII; other letters stay as they are.
func (p *stringPool) lower(s string) string {
	i := 0
	for i < len(s) && s[i]-'A' > 25 {
		i++
	}
	if i == len(s) {
		return s
	}
	if p.size == 0 {
		return toLower(s)
	}
	if p.lowered == nil {
		p.lowered = &lowered{}
	}
	h := uint32(2166136261) // FNV-1a.
	for k := range len(s) {
		h = (h ^ uint32(s[k])) * 16777619
	}
	slot := h & 255
	if p.lowered.from[slot] != s {
		// The copies are the table's own: s would keep its whole slab.
		p.lowered.from[slot], p.lowered.to[slot] = strings.Clone(s), toLower(s)
	}
	return p.lowered.to[slot]
}

func toLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c-'A' < 26 {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

// foldIs reports whether s is the word, which is in small letters of ASCII,
// whatever the case of s.
func foldIs(s, word string) bool { return len(s) == len(word) && foldStarts(s, word) }

// foldStarts reports whether s begins with the word, as in foldIs.
func foldStarts(s, word string) bool {
	if len(s) < len(word) {
		return false
	}
	for i := range len(word) {
		c := s[i]
		if c-'A' < 26 {
			c |= 0x20
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// firstOf returns the first of its arguments that is not empty.
func firstOf(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}

// withoutPort takes the port off an address: 198.51.100.7:443, [2001:db8::1]:443.
func withoutPort(s string) string {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		host, _, _ := strings.Cut(rest, "]")
		return host
	}
	host, port, ok := strings.Cut(s, ":")
	if ok && strings.IndexByte(port, ':') < 0 && strings.IndexByte(host, '.') > 0 {
		return host
	}
	return s
}

// isGUID reports whether s has the form 8-4-4-4-12 of an object's id.
func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if hexDigit(s[i]) < 0 {
				return false
			}
		}
	}
	return true
}

// base64Object reports whether the text at the start of b may be an object in
// Base64: "{" is "e" and four of the next bits, which a quote, a space or a line's
// end decide.
func base64Object(b []byte) bool {
	return len(b) > 1 && b[0] == 'e' && (b[1] == 'y' || b[1] == 'w')
}

// textOf returns the JSON that a string, with its quotes, holds as text or in
// Base64. It is new memory, and nil where there is none.
func textOf(quoted []byte) []byte {
	n := len(quoted)
	switch {
	case n <= 2 || quoted[0] != '"':
	case quoted[1] == '{':
		return unescape(quoted[1 : n-1])
	case base64Object(quoted[1:]):
		text := unescape(quoted[1 : n-1])
		for len(text) > 0 && text[len(text)-1] == '=' {
			text = text[:len(text)-1]
		}
		for _, e := range [...]*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			out := make([]byte, e.DecodedLen(len(text)))
			if m, err := e.Decode(out, text); err == nil && m > 0 {
				return out[:m:m]
			}
		}
	}
	return nil
}
