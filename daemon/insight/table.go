package insight

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/hashicorp/go-memdb"
)

const (
	tableInsight  = "insight"
	indexID       = "id"
	indexState    = "state"
	indexAccount  = "account"
	indexIdentity = "identity"
	indexObject   = "object"
	indexStart    = "start"
	indexEnd      = "end"
	indexIncident = "incident"
)

// keys are what the indexes hold of an insight, beside its id. Behind every
// word stands the start, so that a walk along one is in order of start. nil
// means that the insight is not in the index. An entry of an index takes some
// 400 bytes, so there is none where the starts serve nearly as well: most
// insights have ended, and most are of few types.
var keys = map[string]func(*Insight) []byte{
	indexState:    stateKey,
	indexAccount:  func(i *Insight) []byte { return started(i, i.Provider, i.Account) },
	indexIdentity: func(i *Insight) []byte { return present(i, i.Identity) },
	indexObject:   func(i *Insight) []byte { return present(i, i.Object) },
	indexIncident: func(i *Insight) []byte { return present(i, i.Incident) },
	indexStart:    func(i *Insight) []byte { return started(i) },
	indexEnd:      func(i *Insight) []byte { return numberKey(endKey(i)) },
}

func schema() *memdb.DBSchema {
	indexes := map[string]*memdb.IndexSchema{
		indexID: {Name: indexID, Unique: true, Indexer: keyIndex{func(e *entry) []byte { return textKey(e.id) }}},
	}
	for name, key := range keys {
		indexes[name] = &memdb.IndexSchema{Name: name, AllowMissing: true, Indexer: keyIndex{func(e *entry) []byte { return key(e.cur) }}}
	}
	return &memdb.DBSchema{Tables: map[string]*memdb.TableSchema{
		tableInsight: {Name: tableInsight, Indexes: indexes},
	}}
}

// keyIndex is an index over what key makes of an entry. Questions bring the
// finished key.
type keyIndex struct{ key func(*entry) []byte }

// FromObject returns the key of an entry.
func (k keyIndex) FromObject(o any) (bool, []byte, error) {
	e, ok := o.(*entry)
	if !ok {
		return false, nil, fmt.Errorf("%T is no insight", o)
	}
	b := k.key(e)
	return b != nil, b, nil
}

// FromArgs returns the key that a question brings.
func (k keyIndex) FromArgs(args ...any) ([]byte, error) {
	if len(args) == 1 {
		if b, ok := args[0].([]byte); ok {
			return b, nil
		}
	}
	return nil, fmt.Errorf("an index is asked for %v, which is no key", args)
}

// textKey joins words to a key. The zero bytes that end each keep a word from
// being the beginning of another.
func textKey(words ...string) []byte {
	var b []byte
	for _, w := range words {
		b = append(b, w...)
		b = append(b, 0)
	}
	return b
}

// started is the key of words and the start.
func started(i *Insight, words ...string) []byte {
	n := 8 + len(i.ID) + 1 // The table puts the id behind it.
	for _, w := range words {
		n += len(w) + 1
	}
	b := make([]byte, 0, n)
	for _, w := range words {
		b = append(append(b, w...), 0)
	}
	return binary.BigEndian.AppendUint64(b, timeKey(i.Start))
}

// stateKey is the key of an insight that has not simply ended.
func stateKey(i *Insight) []byte {
	if i.State == StateEnd {
		return nil
	}
	return started(i, string(i.State))
}

// present is the key of a word that not all insights have.
func present(i *Insight, w string) []byte {
	if w == "" {
		return nil
	}
	return started(i, w)
}

// endKey is a number that rises with the end. What goes on ends after
// everything else.
func endKey(i *Insight) uint64 {
	if i.End.IsZero() {
		return 1<<64 - 1
	}
	return timeKey(i.End)
}

func numberKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// timeKey is a number that rises with the time.
func timeKey(t time.Time) uint64 { return uint64(t.UnixMicro()) ^ 1<<63 }

// floatKey is a number that rises with v, which is no NaN.
func floatKey(v float64) uint64 {
	b := math.Float64bits(v)
	if b>>63 == 1 {
		return ^b
	}
	return b | 1<<63
}

// walk goes along what begins with prefix in an index, from the least number
// behind the prefix, or falling from the greatest, until visit returns false.
// from is the number at which it begins, both ways inclusive.
func walk(txn *memdb.Txn, index string, prefix []byte, falling bool, from *uint64, visit func(*entry) bool) error {
	var it memdb.ResultIterator
	var err error
	bounded := true // By prefix, so that its end is to be watched for.
	switch {
	case falling && from != nil && *from < 1<<64-1:
		// The id stands behind the number, so the walk begins at the next.
		it, err = txn.ReverseLowerBound(tableInsight, index, binary.BigEndian.AppendUint64(slices.Clone(prefix), *from+1))
	case !falling && from != nil:
		it, err = txn.LowerBound(tableInsight, index, binary.BigEndian.AppendUint64(slices.Clone(prefix), *from))
	case falling && len(prefix) == 0:
		it, err = txn.GetReverse(tableInsight, index)
	case falling:
		it, err = txn.GetReverse(tableInsight, index, prefix)
		bounded = false
	case len(prefix) == 0:
		it, err = txn.Get(tableInsight, index)
	default:
		it, err = txn.Get(tableInsight, index, prefix)
		bounded = false
	}
	if err != nil {
		return err
	}
	bounded = bounded && len(prefix) > 0
	for x := it.Next(); x != nil; x = it.Next() {
		e := x.(*entry)
		if bounded && !bytes.HasPrefix(keys[index](e.cur), prefix) || !visit(e) {
			return nil
		}
	}
	return nil
}

// get returns the entry of an id, or nil.
func get(txn *memdb.Txn, id string) *entry {
	o, err := txn.First(tableInsight, indexID, textKey(id))
	if err != nil || o == nil {
		return nil
	}
	return o.(*entry)
}
