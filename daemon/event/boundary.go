package event

// boundary finds where a value ends by its brackets and quotes alone, over text
// that arrives in pieces. It does not check that the text is JSON: it serves to
// know when a value is worth parsing, and to get past one that is broken or too
// large.
type boundary struct {
	// top is set where the value stands in no list, so that lines matter.
	top bool

	n      int // How much of the text has been looked at.
	depth  int
	quoted bool
	after  bool // The last character was a backslash in a string.
	// torn is set where a line's end stood in a string that is the whole value.
	torn bool
	// end is the index behind the value, once ended is set.
	end   int
	ended bool
	// line is the index of the last line that looks like the start of another
	// value, where top is set; 0 for none.
	line int
}

// advance looks at what is new in b, which holds the text from the value's
// first character on. It reports true where the value has ended, or where it
// looks as if it were broken, at most once for each such place.
func (y *boundary) advance(b []byte) bool {
	if y.ended {
		return true
	}
	for i := y.n; i < len(b); i++ {
		c := b[i]
		if y.quoted {
			switch {
			case y.after:
				y.after = false
			case c == '\\':
				y.after = true
			case c == '"':
				y.quoted = false
				if y.depth == 0 {
					return y.stop(i + 1)
				}
			case c == '\n': // No string goes over a line's end.
				y.quoted = false
				y.torn = y.torn || y.depth == 0
				y.n = i + 1
				return true
			}
			continue
		}
		switch c {
		case '"':
			y.quoted = true
		case '{', '[':
			y.depth++
		case '}', ']':
			if y.depth == 0 {
				return y.stop(i)
			}
			if y.depth--; y.depth == 0 {
				return y.stop(i + 1)
			}
		case ',', ' ', '\t', '\r', '\n':
			if y.depth == 0 {
				return y.stop(i)
			}
			continue
		}
		if y.top && i > 0 && y.line != i && startsLine(b, i) {
			// The character itself has been counted; go on behind it next time.
			y.line, y.n = i, i+1
			return true
		}
	}
	y.n = len(b)
	return false
}

// find advances over the whole of b and reports whether the value has ended or,
// where lines matter, another seems to begin.
func (y *boundary) find(b []byte) bool {
	for !y.ended && y.line == 0 && y.n < len(b) {
		y.advance(b)
	}
	return y.ended || y.line > 0
}

func (y *boundary) stop(i int) bool {
	y.end, y.ended, y.n = i, true, i
	return true
}

// startsLine reports whether a value, or rubbish, begins at b[i] with a line. A
// line of a document that is printed over several lines begins with white
// space, a quote or a closing bracket.
func startsLine(b []byte, i int) bool {
	if b[i-1] != '\n' {
		return false
	}
	switch b[i] {
	case ' ', '\t', '\r', '\n', '}', ']', '"':
		return false
	}
	return true
}
