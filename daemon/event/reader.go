package event

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// ReaderOptions say how a stream of records is read.
type ReaderOptions struct {
	// Name stands in errors: the file's name, or where the bytes came from.
	Name string
	// Provider is whose records they are, such as "aws". Empty detects it for
	// each record.
	Provider string
	// Account is the account of records that name none: the name of the cluster
	// whose audit records they are, in UTF-8. What is around records may name it
	// too (cluster.go).
	Account string
	// MaxRecordBytes is how large one record may be. 0 stands for 8 MiB.
	MaxRecordBytes int
	// Received is put into each event.
	Received time.Time
}

// defaultMaxRecordBytes is well above CloudTrail's 256 KB.
const defaultMaxRecordBytes = 8 << 20

// maxFrames is how many lists and envelopes may stand around a record.
const maxFrames = 64

func (o *ReaderOptions) validate() error {
	if o.MaxRecordBytes < 0 {
		return fmt.Errorf("the largest record has %d bytes, which is less than none", o.MaxRecordBytes)
	}
	if o.MaxRecordBytes == 0 {
		o.MaxRecordBytes = defaultMaxRecordBytes
	}
	if !utf8.ValidString(o.Account) {
		return fmt.Errorf("the account %q is not UTF-8", o.Account)
	}
	_, err := decodersOf(o.Provider)
	return err
}

// RecordError says why one record could not be read. Its neighbours can.
type RecordError struct {
	Name   string
	Record int   // Counted from 1, over good and bad ones.
	Offset int64 // Where the record begins in the decompressed bytes.
	Err    error
}

func (e *RecordError) Error() string {
	s := "record " + strconv.Itoa(e.Record) + " at byte " + strconv.FormatInt(e.Offset, 10) + ": " + e.Err.Error()
	if e.Name != "" {
		return e.Name + ": " + s
	}
	return s
}

func (e *RecordError) Unwrap() error { return e.Err }

// Reader reads events from a stream, in whichever of these forms it comes, any
// of them in gzip and with a byte-order mark before it:
//
//   - records one a line, or one after the other in any layout;
//   - a JSON list of records;
//   - an object around a list: {"Records":[…]}, {"Events":[…]}, {"logEvents":[…]};
//   - an object around a record: detail, data, record, or, as text in a string,
//     CloudTrailEvent and message, or in Base64, data;
//   - these inside each other.
//
// Memory does not grow with the stream, but with the largest record, up to
// MaxRecordBytes. A Reader serves one goroutine.
type Reader struct {
	o    ReaderOptions
	in   input
	ds   []*decoder // The one that knew the last record comes first.
	pool stringPool

	// frames are the lists and envelopes around the current place, the
	// innermost last.
	frames []frame
	state  state
	// cluster is what is known of the cluster by what is around the current place.
	cluster cluster
	// edge looks for the end of the value at the current place, while it is
	// not there as a whole.
	edge boundary

	// spent is how many bytes were read on trial, and barren the offset before
	// which no comma has a record behind it. See resync.go.
	spent, barren int64

	// skipped is the offset of the value before, where it was of no interest.
	skipped int64

	number  int // Good and bad ones.
	decoded int
	failed  int
	omitted int
	done    error
}

type frame uint8

const (
	frameList frame = iota
	frameObject
)

type state uint8

const (
	// stateValue: a value has to follow.
	stateValue state = iota
	// stateFirst: a value, or the end of the list that has just begun.
	stateFirst
	// stateBehind: a value has just ended.
	stateBehind
	// stateSkip: a value follows that is of no interest.
	stateSkip
)

// NewReader returns a Reader of r. Options that are wrong are told by the first
// call of Next.
func NewReader(r io.Reader, o ReaderOptions) *Reader {
	d := &Reader{o: o, in: input{src: r}, pool: stringPool{size: 128}}
	if err := d.o.validate(); err != nil {
		d.done = d.named(fmt.Errorf("reading records: %w", err))
		return d
	}
	ds, _ := decodersOf(o.Provider)
	d.ds = slices.Clone(ds)
	return d
}

// Records is how many records were decoded so far.
func (r *Reader) Records() int { return r.decoded }

// Failed is how many RecordErrors there were so far.
func (r *Reader) Failed() int { return r.failed }

// Omitted is how many records were left out so far, since another record tells
// of the same call.
func (r *Reader) Omitted() int { return r.omitted }

// Offset is how many decompressed bytes have been used so far.
func (r *Reader) Offset() int64 { return r.in.offset() }

// Between reports whether the current place is between values that stand on their
// own, so that another Reader may read on from Offset; inside a list or an envelope
// it would not know what is around its records.
func (r *Reader) Between() bool { return len(r.frames) == 0 }

// Next reads the next event into e. It returns nil where e is filled; a
// *RecordError where a record could not be read, whose neighbours follow;
// io.EOF at the end; and any other error where the rest cannot be read. The
// last two are returned again by every further call.
//
// The memory that e.Raw and the strings of e point to is never written again.
func (r *Reader) Next(e *Event) error {
	for r.done == nil {
		c, ok := r.peek()
		if !ok {
			return r.end()
		}
		if r.state == stateBehind {
			if len(r.frames) > 0 {
				if err := r.behind(c); err != nil {
					return err
				}
				continue
			}
			r.state = stateValue
		}
		got, err := r.value(c, e)
		if got || err != nil {
			return err
		}
	}
	return r.done
}

// peek steps over white space and returns the next character.
func (r *Reader) peek() (byte, bool) {
	for {
		in := &r.in
		if in.pos = skipSpace(in.buf, in.pos); in.pos < len(in.buf) {
			return in.buf[in.pos], true
		}
		if !in.fill() {
			return 0, false
		}
	}
}

// finish decides what the end of the stream means.
func (r *Reader) finish() {
	at := r.in.offset()
	switch {
	case r.in.err != io.EOF && r.in.err != nil:
		r.done = r.named(fmt.Errorf("cannot read on from byte %d, after %d records: %w", at, r.number, r.in.err))
	case len(r.frames) > 0:
		r.done = r.named(fmt.Errorf("the input ends at byte %d inside a list or an envelope, after %d records: %w",
			at, r.number, io.ErrUnexpectedEOF))
	default:
		r.done = io.EOF
	}
}

func (r *Reader) named(err error) error {
	if r.o.Name == "" {
		return err
	}
	return fmt.Errorf("%s: %w", r.o.Name, err)
}

// reject makes the error of the record at the current place.
func (r *Reader) reject(err error) error {
	r.number++
	return r.complain(err)
}

// complain is reject for something that is no record of its own.
func (r *Reader) complain(err error) error {
	r.failed++
	return &RecordError{Name: r.o.Name, Record: max(r.number, 1), Offset: r.in.offset(), Err: err}
}

// use steps over n bytes, which were a whole value.
func (r *Reader) use(n int) {
	r.in.pos += n
	r.state = stateBehind
}

func (r *Reader) push(f frame) {
	if len(r.frames) < r.cluster.depth {
		r.cluster = cluster{} // What it was the name of is left.
	}
	r.frames = append(r.frames, f)
}

func (r *Reader) pop() {
	r.frames = r.frames[:len(r.frames)-1]
	r.state = stateBehind
}

func (r *Reader) inList() bool {
	return len(r.frames) > 0 && r.frames[len(r.frames)-1] == frameList
}

// extend reads on until the value at the current place is worth another look:
// where it may be whole, and where there is twice as much of it, since the list
// that it is an envelope of may have begun. It is false where there is no more
// of it than before: at the end of the stream, or where it is too large.
func (r *Reader) extend() bool {
	had := r.in.held()
	for r.in.held() <= r.o.MaxRecordBytes && r.in.fill() {
		if r.in.held() >= 2*had || r.edge.advance(r.in.buf[r.in.pos:]) {
			return true
		}
	}
	return r.in.held() > had
}

// value reads the value at the current place, which begins with c. got says
// that e is filled.
func (r *Reader) value(c byte, e *Event) (got bool, err error) {
	if c == ']' && r.inList() {
		if r.state == stateValue { // A comma too many, or the start of a broken element.
			if !r.endsList() {
				return false, r.broken(fault(0, faultValue))
			}
			err = r.complain(newSyntaxError(r.in.buf, fault(r.in.pos, faultValue)))
		}
		r.in.pos++
		r.pop()
		return false, err
	}
	r.edge = boundary{top: len(r.frames) == 0}
	switch {
	case r.state == stateSkip:
		return r.other(nil)
	case c == '{':
		return r.object(e)
	case c == '[' && len(r.frames) < maxFrames:
		r.in.pos++
		r.push(frameList)
		r.state = stateFirst
		return false, nil
	}
	return r.other(e)
}

// object reads the object at the current place.
func (r *Reader) object(e *Event) (got bool, err error) {
	for {
		b := r.in.buf[r.in.pos:]
		n, v, err := r.decode(b, e)
		switch v {
		case verdictDecoded:
			if n > r.o.MaxRecordBytes {
				err = r.reject(r.errTooLarge())
				r.use(n)
				return false, err
			}
			r.take(b[:n:n], e)
			r.use(n)
			return true, nil
		case verdictInside:
			if len(r.frames) >= maxFrames {
				return r.other(e)
			}
			r.in.pos += n
			r.push(frameObject)
			r.clusterAround(b[:n])
			r.state = stateValue
			return false, nil
		case verdictOmitted:
			r.number++
			r.omitted++
			r.use(n)
			return false, nil
		case verdictForeign, verdictRefused:
			if v == verdictForeign {
				err = foreignError(r.ds, b)
			}
			err = r.reject(err)
			r.use(n)
			return false, err
		}
		if incomplete(n) && r.extend() {
			continue
		}
		return false, r.broken(n)
	}
}

// take completes the event of a record.
func (r *Reader) take(raw []byte, e *Event) {
	e.Raw = raw
	e.Received = r.o.Received
	if e.Account == "" {
		e.Account = r.o.Account
		if len(r.frames) >= r.cluster.depth && r.cluster.name != "" {
			e.Account = r.cluster.name
		}
	}
	r.number++
	r.decoded++
}

// decode asks the decoder of the last record first.
func (r *Reader) decode(b []byte, e *Event) (n int, v verdict, err error) {
	k, n, v, err := decodeFirst(r.ds, b, e, &r.pool)
	if k > 0 {
		d := r.ds[k]
		copy(r.ds[1:], r.ds[:k])
		r.ds[0] = d
	}
	return n, v, err
}

// other reads a value at the current place that is no record as it stands: a
// string may hold one, everything else is stepped over. A nil e asks only for
// the latter, and for no complaint.
func (r *Reader) other(e *Event) (got bool, err error) {
	for {
		b := r.in.buf[r.in.pos:]
		n := skipValue(b, 0, 0)
		if n == len(b) && b[n-1]-'0' < 10 && r.in.err == nil {
			// There may be more of a number.
			if r.extend() || r.in.err != nil {
				continue
			}
			n = fault(n, faultEnd)
		}
		if n < 0 {
			if incomplete(n) && r.extend() {
				continue
			}
			return false, r.broken(n)
		}
		if e == nil {
			r.skipped = r.in.offset()
			r.use(n)
			return false, nil
		}
		if n > r.o.MaxRecordBytes {
			err := r.reject(r.errTooLarge())
			r.use(n)
			return false, err
		}
		if text := textOf(b[:n]); text != nil {
			got, err := r.text(text, e)
			if err != nil {
				err = r.reject(fmt.Errorf("in the text of a string: %w", err))
			}
			r.use(n)
			return got, err
		}
		err := r.reject(foreignError(r.ds, b))
		r.use(n)
		return false, err
	}
}

// text reads the one record that the text of a string holds. It is neither got
// nor an error where the record is left out.
func (r *Reader) text(b []byte, e *Event) (got bool, err error) {
	for level := range maxFrames {
		n, v, err := r.decode(b, e)
		switch v {
		case verdictDecoded:
			// Inside an envelope the rest of the envelope follows.
			if i := skipSpace(b, n); i < len(b) && (level == 0 || b[i] != ',' && b[i] != '}') {
				return false, newSyntaxError(b, fault(i, faultTail))
			}
			r.take(b[:n:n], e)
			return true, nil
		case verdictOmitted:
			r.number++
			r.omitted++
			return false, nil
		case verdictForeign:
			return false, foreignError(r.ds, b)
		case verdictRefused:
			return false, err
		case verdictBroken:
			return false, newSyntaxError(b, n)
		}
		switch b = b[n:]; b[0] {
		case '"':
			end, _ := scanString(b, 1)
			if end < 0 {
				return false, newSyntaxError(b, end)
			}
			if b = textOf(b[:end+1]); b == nil {
				return false, errors.New("found a string that is no JSON in Base64, expected the text of a record")
			}
		case '[':
			return false, errors.New("found a list of records, expected one record")
		}
	}
	return false, errEnvelope
}

// behind goes on behind a value in a list or an envelope, at the character c.
func (r *Reader) behind(c byte) error {
	if r.inList() {
		switch c {
		case ',':
			r.in.pos++
			r.state = stateValue
			return nil
		case ']':
			r.in.pos++
			r.pop()
			return nil
		}
		return r.stray(fault(0, faultList))
	}
	r.edge = boundary{}
	for {
		key, n, more := nextKey(r.in.buf[r.in.pos:], 0, false)
		// What a string is worth is told by the two characters behind its quote.
		short := n >= 0 && more && n+2 >= r.in.held() && r.in.buf[r.in.pos+n] == '"'
		if (short || incomplete(n)) && r.in.held() <= r.o.MaxRecordBytes && r.in.fill() {
			continue
		}
		if n < 0 {
			return r.stray(n)
		}
		r.in.pos += n
		r.skipped = 0
		switch {
		case !more:
			r.pop()
		case envelopeKey(key, r.in.buf, r.in.pos):
			r.state = stateValue
		default:
			r.state = stateSkip
		}
		return nil
	}
}

func (r *Reader) errTooLarge() error {
	return fmt.Errorf("the record is larger than %d bytes", r.o.MaxRecordBytes)
}
