package event

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// This file is what a Reader does where text is broken: it reports the one
// record and finds the next. Nothing here is on the way of sound input.

// errLost is the end of the line: no record was found behind a broken one.
var errLost = errors.New("found no further record")

// broken reports the value at the current place, whose text has a fault, and
// goes to where the next one begins.
func (r *Reader) broken(n int) error {
	in := &r.in
	torn := incomplete(n)
	if torn && in.err == nil && in.held() > r.o.MaxRecordBytes {
		return r.large()
	}
	err := error(newSyntaxError(in.buf[in.pos:], n))
	if torn {
		// The stream has ended, or its reading has failed. What is torn at the
		// end of an unfinished list is told by the error that ends the stream.
		at, number := in.offset(), r.number
		rejected := r.reject(err)
		if r.resync(placeBroken) {
			return rejected
		}
		if len(r.frames) == 0 && in.err == io.EOF {
			return rejected
		}
		r.number = number
		r.failed--
		cause := in.err
		if cause == io.EOF {
			cause = io.ErrUnexpectedEOF
		}
		r.done = r.named(fmt.Errorf("the input ends at byte %d inside record %d, which begins at byte %d: %w",
			in.base+int64(len(in.buf)), number+1, at, cause))
		return r.done
	}
	rejected := r.reject(err)
	r.resync(placeBroken)
	return rejected
}

// stray reports what stands behind a value where something else should be.
func (r *Reader) stray(n int) error {
	in := &r.in
	if incomplete(n) && in.err != nil {
		in.pos = len(in.buf)
		return r.end()
	}
	err := r.complain(newSyntaxError(in.buf[in.pos:], n))
	swallowed := r.skipped - in.base
	object := !r.inList()
	for len(r.frames) > 0 && !r.inList() {
		r.pop()
	}
	switch {
	case in.buf[in.pos] == '{': // Only a comma or a closing brace is missing.
		r.state = stateValue
		return err
	case object && swallowed > 0:
		// The value before may have swallowed more than it should, such as the
		// start of the next record. It gave no event.
		in.pos = int(swallowed)
	}
	r.resync(placeBetween)
	return err
}

// end is what Next does at the end of the stream.
func (r *Reader) end() error {
	if i := r.skipped - r.in.base; i > 0 && len(r.frames) > 0 && r.in.err == io.EOF {
		// The envelope was never closed. The value before may have swallowed
		// what follows the envelope.
		err := r.complain(newSyntaxError(nil, fault(0, faultEnd)))
		at := r.in.pos
		r.in.pos, r.skipped = int(i), 0
		if r.resync(placeEnd) {
			return err
		}
		r.in.pos = at
		r.failed--
	}
	r.finish()
	return r.done
}

// large reports the value at the current place as too large, unless it is of no
// interest, and steps over it without holding it. Where it stands in no list, it
// is taken to be broken if a line looks like another value.
func (r *Reader) large() error {
	in, edge := &r.in, &r.edge
	var err error
	if r.state != stateSkip {
		err = r.reject(r.errTooLarge())
	}
	edge.line = 0
	found := edge.find(in.buf[in.pos:])
	if !found {
		in.private()
		for !found && in.read() {
			edge.n = 0
			if found = edge.find(in.buf); !found {
				in.forget()
			}
		}
	}
	switch {
	case edge.ended:
		in.pos += edge.end
	case found:
		in.pos += edge.line
	default:
		in.pos = len(in.buf)
	}
	r.state = stateBehind
	return err
}

// place is where reading stopped.
type place uint8

const (
	placeBroken  place = iota // At a value that is broken.
	placeBetween              // Between values.
	placeEnd                  // Before the last value of a text that ended too early.
)

// resync goes from the broken value at the current place to where reading can
// go on. It is false where there is none.
func (r *Reader) resync(at place) bool {
	for k, v := range slices.Backward(r.frames) {
		if v == frameList {
			return r.resyncList(k, at)
		}
	}
	return r.resyncTop()
}

// resyncList looks for the next element of the list that is frame k. Where the
// brackets of the broken element add up, the next element is behind them. A
// quote too many or too few turns inside and outside about, so the next place
// where an element that is a record follows a comma counts more, if it comes
// before. Between values there are no brackets to go by, and the next comma or end of a list has to do where no
// record follows. The list itself may be what is broken, such as a record whose
// brace became a bracket: then it ends at a line that looks like another value.
func (r *Reader) resyncList(k int, at place) bool {
	in := &r.in
	var (
		start  = in.offset()
		from   = max(0, int(r.barren-start)) // The next comma to look at.
		edge   boundary
		noEdge = at != placeBroken // The brackets do not add up.
		next   = -1                // The first comma or bracket behind a stray character.
		seen   int                 // How far lines have been looked at.
	)
	for {
		b := in.buf[in.pos:]
		wait, ended := false, in.err != nil
		for !wait {
			i := len(b)
			if from < i {
				if n := bytes.IndexByte(b[from:], ','); n >= 0 {
					i = from + n
				}
			}
			if at == placeBetween && next < 0 {
				next = bytes.IndexAny(b, ",]")
			}
			if !noEdge {
				for !edge.ended && edge.n < i {
					edge.advance(b[:i])
				}
				if edge.ended {
					j := skipSpace(b, edge.end)
					switch {
					case edge.torn:
					case j == len(b):
						wait = true
						continue
					case edge.end > 0 && r.mayFollow(b[j]):
						r.barren = start + int64(min(from, edge.end))
						r.use(edge.end)
						return true
					}
					noEdge = true
				}
			}
			for line := 0; !wait; {
				if line, seen = topLine(b, seen, i); line == 0 {
					break
				}
				good := yes
				if at != placeBetween {
					good = r.looksGood(b[line:])
				}
				if good == yes {
					r.frames = r.frames[:0]
					r.use(line)
					return true
				}
				if good == maybe && in.err == nil {
					seen, wait = line-1, true
				}
			}
			if wait {
				continue
			}
			from = i
			r.barren = start + int64(i)
			if i == len(b) {
				wait = true
				continue
			}
			switch r.recordFollows(b, i) {
			case yes:
				r.frames = r.frames[:k+1]
				r.use(i)
				return true
			case maybe:
				wait = true
				continue
			}
			from = i + 1
			r.barren = start + int64(from)
		}
		lost := in.held() > 2*r.o.MaxRecordBytes+fullSlab
		// What might be a record is none once the end is known.
		if !lost && (in.more() || !ended) {
			continue
		}
		switch {
		case edge.ended && !noEdge:
			r.use(edge.end)
			return true
		case next >= 0:
			r.frames = r.frames[:k+1]
			r.use(next)
			return true
		case lost:
			r.done = r.named(fmt.Errorf("cannot read on from byte %d: %w within %d bytes", start, errLost, len(b)))
		}
		in.pos = len(in.buf)
		return false
	}
}

// topLine looks in b, from seen up to limit, for a line that begins with an
// object or a list and cannot be part of the value before it. It returns its
// index, or 0, and how far it has looked.
func topLine(b []byte, seen, limit int) (line, next int) {
	for seen < limit {
		n := bytes.IndexByte(b[seen:limit], '\n')
		if n < 0 {
			return 0, limit
		}
		i := seen + n
		if i+1 >= len(b) {
			return 0, i
		}
		seen = i + 1
		if c := b[i+1]; c == '{' || c == '[' {
			for i >= 0 && b[i] <= ' ' {
				i--
			}
			if i < 0 || b[i] != ',' && b[i] != '[' && b[i] != ':' {
				return seen, seen
			}
		}
	}
	return 0, seen
}

// mayFollow reports whether c may stand behind a value at the current place.
func (r *Reader) mayFollow(c byte) bool {
	if r.inList() {
		return c == ',' || c == ']'
	}
	return c == ',' || c == '}'
}

// resyncTop looks for the next value that stands in no list: behind the broken
// one where its brackets add up and no line that looks like another value comes
// before, and else at that line. A record behind a comma says that the place is
// in a list after all.
func (r *Reader) resyncTop() bool {
	in := &r.in
	start := in.offset()
	edge := boundary{top: true}
	noEdge := in.pos >= len(in.buf) || in.buf[in.pos] != '{' && in.buf[in.pos] != '['
	from, comma := 1, max(0, int(r.barren-start))
	for {
		b := in.buf[in.pos:]
		wait, ended := false, in.err != nil
		for from < len(b) && !wait {
			// A window at a time, since the brackets may add up soon while the
			// line is long.
			const window = 1 << 10
			i, next, line := min(from+window, len(b)), 0, false
			if n := bytes.IndexByte(b[from-1:i-1], '\n'); n >= 0 {
				i = from + n
				line = startsLine(b, i)
				next = i + 1
			} else {
				next = i
			}
			limit := i
			if !noEdge {
				for !edge.ended && edge.n < i {
					edge.advance(b[:i])
				}
				if edge.ended {
					limit = edge.end
				}
			}
			for comma < limit {
				n := bytes.IndexByte(b[comma:limit], ',')
				if n < 0 {
					comma = limit
					break
				}
				answer := r.recordFollows(b, comma+n)
				if answer == yes {
					r.frames = append(r.frames[:0], frameList)
					r.use(comma + n)
					return true
				}
				if answer == maybe {
					wait = true
					break
				}
				comma += n + 1
			}
			r.barren = max(r.barren, start+int64(comma))
			if wait {
				continue
			}
			if edge.ended && !noEdge {
				j := skipSpace(b, edge.end)
				switch {
				case edge.torn:
					noEdge = true
				case j == len(b) && !line:
					wait = true
					continue
				case r.mayStart(b, edge.end):
					r.use(edge.end)
					return true
				default:
					noEdge = true
				}
				// The commas behind the edge were not looked at yet.
				continue
			}
			if line {
				r.frames = r.frames[:0]
				r.use(i)
				return true
			}
			from = next
		}
		if in.held() > r.o.MaxRecordBytes {
			// One endless line: what is held of it is of no use.
			in.pos = len(in.buf) - 1
			start = in.offset()
			from, comma, noEdge = 1, 1, true
		}
		if !in.more() && ended {
			if wait && edge.ended && !noEdge && r.mayStart(b, edge.end) {
				r.use(edge.end)
				return true
			}
			in.pos = len(in.buf)
			r.state = stateBehind
			return false
		}
	}
}

// endsList reports whether the bracket at the current place is followed by what
// may follow the innermost list.
func (r *Reader) endsList() bool {
	in := &r.in
	for {
		b := in.buf[in.pos+1:]
		i := skipSpace(b, 0)
		if i == len(b) {
			if in.fill() {
				continue
			}
			return true
		}
		if k := len(r.frames) - 2; k < 0 {
			return b[i] == '{' || b[i] == '[' || bytes.IndexByte(b[:i], '\n') >= 0
		} else if r.frames[k] == frameList {
			return b[i] == ',' || b[i] == ']'
		}
		return b[i] == ',' || b[i] == '}'
	}
}

// mayStart reports whether what comes from b[i] on may come behind a value that
// stands in no list: another value, the end of the line or of the text, or the
// rest of an envelope.
func (r *Reader) mayStart(b []byte, i int) bool {
	if len(r.frames) > 0 {
		i = skipSpace(b, i)
		return i < len(b) && r.mayFollow(b[i])
	}
	for ; i < len(b); i++ {
		switch b[i] {
		case ' ', '\t', '\r':
		case '\n', '{', '[':
			return true
		default:
			return false
		}
	}
	return true
}

// trialBytes is how much text may be read on trial in the search for the next
// record, beyond eight times what has been read of the stream: broken input
// costs a few times its length and no more.
const trialBytes = 1 << 20

type answer uint8

const (
	no answer = iota
	maybe
	yes
)

// recordFollows reports whether a record follows the comma at b[i], where b is
// the text from the current place on.
func (r *Reader) recordFollows(b []byte, i int) answer {
	ended := r.in.err != nil
	j := skipSpace(b, i+1)
	switch {
	case j == len(b) && !ended:
		return maybe
	case j == len(b) || b[j] != '{' || r.spent > trialBytes+8*(r.in.offset()+int64(i)):
		return no
	}
	answer := r.looksGood(b[j:])
	if answer == maybe && ended {
		return no
	}
	return answer
}

// looksGood reports whether the object at the start of b is a record, or an
// envelope that begins with one. maybe says that its text ends too early. What
// it reads in vain is added to r.spent.
func (r *Reader) looksGood(b []byte) answer {
	answer, cost := r.tryRecord(b)
	if answer == no { // A maybe is looked at again when there is twice as much.
		r.spent += int64(cost)
	}
	return answer
}

// tryRecord is looksGood, with how many bytes it has read.
func (r *Reader) tryRecord(b []byte) (_ answer, cost int) {
	var (
		e Event
		p stringPool
	)
	for range 4 {
		_, n, v, _ := decodeFirst(r.ds, b, &e, &p)
		switch v {
		case verdictDecoded, verdictRefused, verdictOmitted:
			return yes, 0
		case verdictForeign:
			return no, cost + n
		case verdictBroken:
			at, kind := faultOf(n)
			if kind == faultEnd {
				return maybe, 0
			}
			return no, cost + at
		}
		cost += n
		switch b = b[n:]; b[0] {
		case '"':
			end, _ := scanString(b, 1)
			switch {
			case end >= 0:
				if b = textOf(b[:end+1]); b == nil {
					return no, cost
				}
			case incomplete(end):
				return maybe, 0
			default:
				return no, cost
			}
		case '[':
			b = b[skipSpace(b, 1):]
			if len(b) == 0 {
				return maybe, 0
			}
		}
		if b[0] != '{' {
			return no, cost
		}
	}
	return no, cost
}
