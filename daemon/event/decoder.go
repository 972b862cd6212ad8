package event

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// A decoder reads the records of one provider. There is one file a provider,
// and one line in the table below.
type decoder struct {
	// provider is whose records they are, and the name by which the decoder is
	// asked for.
	provider string
	format   format
	// any says that the records are of several providers: decode says whose, and
	// the decoder is asked whatever provider is named.
	any bool
	// wants says what the decoder expects, for errors: "a CloudTrail record
	// with eventSource and eventName".
	wants string
	// decode reads the object that starts at b[0] into e, which it clears
	// first. What follows the object in b is not looked at. The strings of e
	// share memory with b; Raw and Received are the caller's to fill, and
	// Provider where decode leaves it empty. It asks otherKey about each key at
	// the top that it does not read, so that at most one decoder knows a record.
	decode func(b []byte, e *Event, p *stringPool) (n int, v verdict, err error)
}

// verdict says what a decoder made of an object.
type verdict uint8

const (
	// verdictDecoded: the event is filled; n is the object's length.
	verdictDecoded verdict = iota
	// verdictForeign: the object is no record of this format. Nothing is said of
	// what follows the place where that was seen; n means nothing.
	verdictForeign
	// verdictOmitted: the object is a sound record that is left out on purpose,
	// since another one tells of the same call; n is its length and err says
	// why.
	verdictOmitted
	// verdictRefused: the object is a record with something in it that cannot
	// be; err says what; n is its length.
	verdictRefused
	// verdictBroken: the text is no JSON, or ends too early; n is a fault.
	verdictBroken
	// verdictInside: the object is an envelope; n is the index of the value in
	// which records are.
	verdictInside
)

// decoders are all that there are, in the order in which errors name them.
var decoders = []*decoder{
	&cloudTrailDecoder,
	&kubernetesDecoder,
	&actionTrailDecoder,
	&cadfDecoder,
	&azureDecoder,
	&gcpDecoder,
	&ocsfDecoder,
}

// Providers lists the providers that have a decoder.
func Providers() []string {
	names := make([]string, len(decoders))
	for i, d := range decoders {
		names[i] = d.provider
	}
	return names
}

// decodersOf returns the decoders that may know records of a provider, first
// the one that knows nothing else. An empty provider may be any.
func decodersOf(provider string) ([]*decoder, error) {
	if provider == "" {
		return decoders, nil
	}
	var ds []*decoder
	for _, d := range decoders {
		if d.provider == provider {
			ds = append(ds, d)
		}
	}
	if ds == nil {
		return nil, fmt.Errorf("unknown provider %q: the known ones are %s", provider, strings.Join(Providers(), ", "))
	}
	for _, d := range decoders {
		if d.any && d.provider != provider {
			ds = append(ds, d)
		}
	}
	return ds, nil
}

// Decode reads one record, such as Event.Raw, into e. An empty provider is
// detected. The strings of e, and e.Raw, share memory with raw. Received is
// left zero.
func Decode(provider string, raw []byte, e *Event) error {
	ds, err := decodersOf(provider)
	if err != nil {
		return err
	}
	var p stringPool
	start := skipSpace(raw, 0)
	n, err := decodeObject(ds, raw[start:], e, &p)
	if err != nil {
		return err
	}
	end := start + n
	if i := skipSpace(raw, end); i < len(raw) {
		return newSyntaxError(raw, fault(i, faultTail))
	}
	e.Raw = raw[start:end:end]
	return nil
}

// errEnvelope is the answer to an envelope where a record has to be.
var errEnvelope = errors.New("found an envelope around records, expected a record")

// decodeObject decodes the one object at the start of b with the decoder that
// knows it, and returns its length.
func decodeObject(ds []*decoder, b []byte, e *Event, p *stringPool) (int, error) {
	if len(b) == 0 {
		return 0, newSyntaxError(b, fault(0, faultEnd))
	}
	if b[0] != '{' {
		if n := skipValue(b, 0, 0); n < 0 {
			return 0, newSyntaxError(b, n)
		}
		return 0, foreignError(ds, b)
	}
	_, n, v, err := decodeFirst(ds, b, e, p)
	switch v {
	case verdictDecoded:
		return n, nil
	case verdictRefused:
		return 0, err
	case verdictOmitted:
		return 0, fmt.Errorf("the record is left out: %w", err)
	case verdictBroken:
		return 0, newSyntaxError(b, n)
	case verdictInside:
		return 0, errEnvelope
	}
	return 0, foreignError(ds, b)
}

// decodeFirst asks the first decoder about the object at the start of b, and
// where it is none of its records those that it may be one of by its marks. k
// is the index of the decoder whose verdict it is. In a verdictForeign, n is
// the object's length.
func decodeFirst(ds []*decoder, b []byte, e *Event, p *stringPool) (k, n int, v verdict, err error) {
	n, v, err = ds[0].decode(b, e, p)
	if v == verdictForeign {
		k, n, v, err = decodeOther(ds, b, e, p)
	}
	if v == verdictDecoded && e.Provider == "" {
		e.Provider = ds[k].provider
	}
	return k, n, v, err
}

// decodeOther is decodeFirst where the first decoder does not know the object.
func decodeOther(ds []*decoder, b []byte, e *Event, p *stringPool) (k, n int, v verdict, err error) {
	if len(ds) > 1 {
		can := recognise(b)
		for k, d := range ds {
			if k == 0 || !can.has(d.format) {
				continue
			}
			if n, v, err = d.decode(b, e, p); v != verdictForeign {
				return k, n, v, err
			}
		}
	}
	if n = skipValue(b, 0, 0); n < 0 {
		return 0, n, verdictBroken, nil
	}
	return 0, n, verdictForeign, nil
}

// foreignError says what the value at the start of b is, and what would have
// been understood. The value is sound JSON.
func foreignError(ds []*decoder, b []byte) error {
	can := ^formats(0)
	if b[0] == '{' {
		if both := clash(b); both != "" {
			return fmt.Errorf("found %s, in which %s: expected a record of one provider", describe(b), both)
		}
		can = recognise(b)
	}
	// The decoders stand in the order of the records before.
	ds = slices.SortedFunc(slices.Values(ds), func(a, b *decoder) int { return int(a.format) - int(b.format) })
	var (
		wants, all   []string
		wanted, asks formats
	)
	for _, d := range ds {
		all = append(all, d.wants)
		asks |= setOf(d.format)
		if can.has(d.format) {
			wants = append(wants, d.wants)
			wanted |= setOf(d.format)
		}
	}
	if wants == nil {
		wants, wanted = all, asks
	}
	if len(wants) > 3 { // What each of them looks like would be a page.
		return fmt.Errorf("found %s, expected an audit record of %s", describe(b), wanted)
	}
	return fmt.Errorf("found %s, expected %s", describe(b), strings.Join(wants, " or "))
}

// describe says in a few words what the sound value at the start of b is.
func describe(b []byte) string {
	switch c := b[0]; c {
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	case '{':
	default:
		return "a number"
	}
	const shown = 6
	var keys []string
	for i, first := 1, true; len(keys) <= shown; first = false {
		key, next, more := nextKey(b, i, first)
		if !more {
			break
		}
		keys = append(keys, strconv.Quote(clip(key, 40)))
		if i = skipValue(b, next, 1); i < 0 {
			break
		}
	}
	switch {
	case len(keys) == 0:
		return "an empty object"
	case len(keys) > shown:
		return "an object with the keys " + strings.Join(keys[:shown], ", ") + ", …"
	}
	return "an object with the keys " + strings.Join(keys, ", ")
}

// clip shortens what came from outside before it goes into an error.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// hashUID is the id of a record that has none: 128 bits of hash, in
// hexadecimal. The same bytes give the same id; the same record in other white
// space does not.
func hashUID(raw []byte) string {
	var sum [16]byte
	for i, seed := range [...]uint64{0, 0x9e3779b97f4a7c15} {
		d := xxhash.NewWithSeed(seed)
		_, _ = d.Write(raw)
		d.Sum(sum[:i*8])
	}
	return hex.EncodeToString(sum[:])
}

// stringPool hands out the short lists of strings that events carry, many from
// one allocation. What is handed out is never taken back.
type stringPool struct {
	// size is how many strings are allocated together; 0 is for single use.
	size int
	free []string
	list []string
	// known are texts that were put together of late, by their hash.
	known *[512]string
	// lowered is made where the first name is written in small letters.
	lowered *lowered
}

// begin starts a list.
func (p *stringPool) begin() { p.list = p.free[:0] }

// add puts a string at the end of the list.
func (p *stringPool) add(s string) {
	if len(p.list) == cap(p.list) {
		grown := make([]string, len(p.list), 2*len(p.list)+max(p.size, 1))
		copy(grown, p.list)
		p.list = grown
	}
	p.list = append(p.list, s)
}

// take ends the list and returns it, nil where nothing was added.
func (p *stringPool) take() []string {
	n := len(p.list)
	if n == 0 {
		return nil
	}
	p.free = p.list[n:]
	return p.list[:n:n]
}

// join puts texts behind each other, and gives the same string for the same
// parts while it remembers them.
func (p *stringPool) join(parts ...string) string {
	if p.size == 0 {
		return strings.Join(parts, "")
	}
	if p.known == nil {
		p.known = new([512]string)
	}
	// FNV-1a, of whose 32 bits the upper are folded in.
	h := uint32(2166136261)
	for _, part := range parts {
		for i := range len(part) {
			h = (h ^ uint32(part[i])) * 16777619
		}
	}
	known := &p.known[(h^h>>16)%uint32(len(p.known))]
	if !isJoin(*known, parts) {
		*known = strings.Join(parts, "")
	}
	return *known
}

// isJoin reports whether s is the parts behind each other.
func isJoin(s string, parts []string) bool {
	for _, part := range parts {
		if len(s) < len(part) || s[:len(part)] != part {
			return false
		}
		s = s[len(part):]
	}
	return s == ""
}
