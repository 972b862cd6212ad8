package event

import (
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// maxDepth is how deep lists and objects may nest: encoding/json's own limit.
const maxDepth = 10000

// The kinds of fault. They fit in four bits.
const (
	faultEnd     = iota // The text ends too early: more of it may make it good.
	faultValue          // A value was expected.
	faultKey            // A key was expected.
	faultColon          // A colon was expected.
	faultObject         // A comma or a closing brace was expected.
	faultList           // A comma or a closing bracket was expected.
	faultControl        // A control character stands in a string.
	faultEscape         // An escape sequence is none.
	faultNumber         // A digit was expected.
	faultLiteral        // true, false or null was expected.
	faultDepth          // The nesting is too deep.
	faultTail           // Nothing more was expected.
)

var faultWanted = [...]string{
	faultEnd:     "more text",
	faultValue:   "a value",
	faultKey:     "a key in quotes",
	faultColon:   "a colon after the key",
	faultObject:  "a comma or a closing brace",
	faultList:    "a comma or a closing bracket",
	faultControl: "a closing quote (control characters in strings are escaped)",
	faultEscape:  "an escape sequence",
	faultNumber:  "a digit",
	faultLiteral: "true, false or null",
	faultDepth:   "at most 10000 levels of nesting",
	faultTail:    "the end",
}

func fault(at, kind int) int { return -(at<<4 | kind) - 1 }

// faultOf unpacks a negative index.
func faultOf(i int) (at, kind int) {
	v := -(i + 1)
	return v >> 4, v & 15
}

func incomplete(i int) bool { _, kind := faultOf(i); return kind == faultEnd }

// syntaxError says why a text is no JSON. at is an index into that text.
type syntaxError struct {
	at    int
	kind  int
	found string
}

// newSyntaxError makes an error of a fault in b.
func newSyntaxError(b []byte, i int) *syntaxError {
	e := &syntaxError{}
	e.at, e.kind = faultOf(i)
	if e.at < len(b) {
		if c := b[e.at]; c < utf8.RuneSelf {
			e.found = strconv.QuoteRune(rune(c))
		} else {
			e.found = fmt.Sprintf("byte 0x%02x", c)
		}
	}
	return e
}

func (e *syntaxError) Error() string {
	if e.kind == faultEnd || e.found == "" {
		return "not JSON: the text ends early, expected " + faultWanted[e.kind]
	}
	return "not JSON: found " + e.found + ", expected " + faultWanted[e.kind]
}

func (e *syntaxError) Unwrap() error {
	if e.kind == faultEnd {
		return io.ErrUnexpectedEOF
	}
	return nil
}
