package rules

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind says what a Value is.
type Kind uint8

// The kinds of values are those of JSON.
const (
	kindNull Kind = iota
	kindBool
	kindNumber
	kindText
	kindList
	kindObject
)

// Value is what a fact says, or what it is compared with. The zero Value is
// null: a fact that is not there. A text may share memory with the record that it
// comes from.
type Value struct {
	kind   Kind
	number float64 // Or 1 for true.
	// text is a text, or a list or an object as JSON.
	text string
	// list is a list that is not a part of a record.
	list []Value
}

// Text returns a text as a value.
func Text(s string) Value { return Value{kind: kindText, text: s} }

// TextOrNull returns a text as a value, and null for the empty one, since
// events leave empty what a record does not say.
func TextOrNull(s string) Value {
	if s == "" {
		return Value{}
	}
	return Value{kind: kindText, text: s}
}

// Number returns a number as a value.
func Number(v float64) Value { return Value{kind: kindNumber, number: v} }

// Bool returns true or false as a value.
func Bool(v bool) Value {
	if v {
		return Value{kind: kindBool, number: 1}
	}
	return Value{kind: kindBool}
}

// List returns a list as a value. It keeps the slice.
func List(vs []Value) Value { return Value{kind: kindList, list: vs} }

// IsNull reports whether the value is null, or not there.
func (v *Value) IsNull() bool { return v.kind == kindNull }

// same is JavaScript's ===. Lists and objects are equal by identity there, so
// they equal nothing here.
func (v *Value) same(w *Value) bool {
	if v.kind != w.kind {
		return false
	}
	switch v.kind {
	case kindNull:
		return true
	case kindBool, kindNumber:
		return v.number == w.number
	case kindText:
		return v.text == w.text
	}
	return false
}

// each calls f for the elements of a list until f returns false. It reports
// whether the value is a list.
func (v *Value) each(f func(*Value) bool) bool {
	if v.kind != kindList {
		return false
	}
	if v.list != nil || v.text == "" {
		for i := range v.list {
			if !f(&v.list[i]) {
				break
			}
		}
		return true
	}
	eachItem(v.text, func(item Value) bool { return f(&item) })
	return true
}

// compare orders two values as JavaScript's < does: two texts by their
// characters, everything else as numbers. It is false where there is no order.
func (v *Value) compare(w *Value) (int, bool) {
	if v.kind == kindText && w.kind == kindText {
		return strings.Compare(v.text, w.text), true
	}
	a, b := v.asNumber(), w.asNumber()
	switch {
	case a < b:
		return -1, true
	case a > b:
		return 1, true
	case a == b:
		return 0, true
	}
	return 0, false
}

// asNumber is JavaScript's Number() of numbers and texts; nothing else has one.
func (v *Value) asNumber() float64 {
	switch v.kind {
	case kindNumber:
		return v.number
	case kindText:
		s := strings.TrimSpace(v.text)
		if s == "" {
			return 0
		}
		if strings.Trim(s, "0123456789+-.eE") != "" {
			if n, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok {
				if u, err := strconv.ParseUint(n, 16, 64); err == nil {
					return float64(u)
				}
			}
			return math.NaN()
		}
		if n, err := strconv.ParseFloat(s, 64); err == nil {
			return n
		}
	}
	return math.NaN()
}

// numeric is the library's guard of numeric comparisons: JavaScript's
// parseFloat, which is content with a number at the start of a text.
func (v *Value) numeric() bool {
	switch v.kind {
	case kindNumber:
		return true
	case kindText:
		s := strings.TrimLeft(v.text, " \t\r\n")
		s = strings.TrimPrefix(strings.TrimPrefix(s, "-"), "+")
		s = strings.TrimPrefix(s, ".")
		return s != "" && s[0] >= '0' && s[0] <= '9'
	}
	return false
}

// maxShown bounds the text of a value in a finding, in bytes.
const maxShown = 256

// String shows the value as findings do: texts without quotes, lists and objects
// as JSON, nothing longer than 256 bytes. It shares no memory with a record.
func (v *Value) String() string {
	switch v.kind {
	case kindBool:
		return strconv.FormatBool(v.number == 1)
	case kindNumber:
		return strconv.FormatFloat(v.number, 'f', -1, 64)
	case kindText:
		return shorten(v.text)
	case kindObject:
		return shorten(v.text)
	case kindList:
		if v.list == nil && v.text != "" {
			return shorten(v.text)
		}
		var b strings.Builder
		b.WriteByte('[')
		for i := range v.list {
			if i > 0 {
				b.WriteByte(',')
			}
			if v.list[i].kind == kindText {
				b.WriteString(strconv.Quote(shorten(v.list[i].text)))
			} else {
				b.WriteString(v.list[i].String())
			}
			if b.Len() > maxShown {
				break
			}
		}
		if b.Len() > maxShown {
			return shorten(b.String())
		}
		b.WriteByte(']')
		return b.String()
	}
	return "null"
}

// shorten returns a copy of a text, cut to what findings show.
func shorten(s string) string {
	if len(s) <= maxShown {
		return strings.ToValidUTF8(strings.Clone(s), "\ufffd")
	}
	cut := maxShown
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strings.ToValidUTF8(s[:cut], "\ufffd") + "…"
}
