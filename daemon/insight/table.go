package insight

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/hashicorp/go-memdb"
)

const (
	tableInsight  = "insight"
	indexID       = "id"
	indexType     = "type"
	indexState    = "state"
	indexAccount  = "account"
	indexIdentity = "identity"
	indexObject   = "object"
	indexStart    = "start"
	indexIncident = "incident"
)

func schema() *memdb.DBSchema {
	index := func(name string, unique, missing bool, key func(*entry) []byte) *memdb.IndexSchema {
		return &memdb.IndexSchema{Name: name, Unique: unique, AllowMissing: missing, Indexer: keyIndex{key}}
	}
	indexes := map[string]*memdb.IndexSchema{}
	for _, i := range []*memdb.IndexSchema{
		index(indexID, true, false, func(e *entry) []byte { return textKey(e.id) }),
		index(indexType, false, false, func(e *entry) []byte { return textKey(e.cur.Type) }),
		index(indexState, false, false, func(e *entry) []byte { return textKey(string(e.cur.State)) }),
		index(indexAccount, false, false, func(e *entry) []byte { return textKey(e.cur.Provider, e.cur.Account) }),
		index(indexIdentity, false, true, func(e *entry) []byte { return present(e.cur.Identity) }),
		index(indexObject, false, true, func(e *entry) []byte { return present(e.cur.Object) }),
		index(indexIncident, false, true, func(e *entry) []byte { return present(e.cur.Incident) }),
		index(indexStart, false, false, func(e *entry) []byte { return numberKey(timeKey(e.cur.Start)) }),
	} {
		indexes[i.Name] = i
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

func present(w string) []byte {
	if w == "" {
		return nil
	}
	return textKey(w)
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

// get returns the entry of an id, or nil.
func get(txn *memdb.Txn, id string) *entry {
	o, err := txn.First(tableInsight, indexID, textKey(id))
	if err != nil || o == nil {
		return nil
	}
	return o.(*entry)
}
