package engine

import (
	"strings"

	"github.com/insightd/insightd/tsdb"
)

// symbol stands for a string within one table. 0 is the empty string.
type symbol uint32

// symbols interns the strings that a stream keeps: identities, operations,
// regions, agents. It is not safe for concurrent use.
type symbols struct {
	byName map[string]symbol
	names  []string
	// limit is how many names there may be; others are one name together.
	// 0 is no limit.
	limit int
}

func newSymbols() *symbols {
	return &symbols{byName: map[string]symbol{"": 0}, names: []string{""}}
}

// of returns the symbol of a name, and keeps a clone of a name that it has not
// seen, since an event's strings share memory with its raw record.
func (t *symbols) of(name string) symbol {
	if y, ok := t.byName[name]; ok {
		return y
	}
	if t.limit > 0 && len(t.names) >= t.limit && name != tsdb.Overflow {
		return t.of(tsdb.Overflow)
	}
	name = strings.Clone(name)
	y := symbol(len(t.names))
	t.byName[name] = y
	t.names = append(t.names, name)
	return y
}

// name returns what a symbol stands for.
func (t *symbols) name(y symbol) string { return t.names[y] }

// apis interns operations of services under the name that insights use,
// "service:operation", without joining the two at every event.
type apis struct {
	names  *symbols
	byPair map[pair]symbol
}

type pair struct{ service, operation string }

func newAPIs(t *symbols) *apis { return &apis{names: t, byPair: map[pair]symbol{}} }

func (t *apis) of(service, operation string) symbol {
	if y, ok := t.byPair[pair{service, operation}]; ok {
		return y
	}
	y := t.names.of(service + ":" + operation)
	t.byPair[pair{strings.Clone(service), strings.Clone(operation)}] = y
	return y
}
