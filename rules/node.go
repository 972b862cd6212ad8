package rules

import (
	"fmt"
	"strconv"
	"strings"
)

// nodeKind says what a node of a package is.
type nodeKind uint8

const (
	nodeNull nodeKind = iota
	nodeBool
	nodeNumber
	nodeText
	nodeList
	nodeObject
)

func (k nodeKind) String() string {
	switch k {
	case nodeBool:
		return "true or false"
	case nodeNumber:
		return "a number"
	case nodeText:
		return "a text"
	case nodeList:
		return "a list"
	case nodeObject:
		return "an object"
	}
	return "null"
}

// node is a value of a package with where it stands, whether it was written as
// JSON or as YAML.
type node struct {
	kind nodeKind
	at   place
	// end is where JSON's value ends.
	end place
	// text is what a text says, or how a number is written.
	text string
	// number is a number, or 1 for true.
	number  float64
	items   []*node
	members []member
}

// member is a key of an object with its value.
type member struct {
	key   string
	at    place
	value *node
}

// place is a line and a column, both from 1; the column counts characters.
type place struct{ line, column int }

// before reports whether p comes before q.
func (p place) before(q place) bool {
	return p.line < q.line || p.line == q.line && p.column < q.column
}

// Bounds of what is read, so that no file can make the reader use much more
// than its own size.
const (
	maxFile  = 8 << 20
	maxDepth = 64
)

// find returns the member of that name.
func (n *node) find(key string) *member {
	for i := range n.members {
		if n.members[i].key == key {
			return &n.members[i]
		}
	}
	return nil
}

// get returns the value of the member of that name, nil where there is none.
func (n *node) get(key string) *node {
	if m := n.find(key); m != nil {
		return m.value
	}
	return nil
}

// describe shows the node in an error.
func (n *node) describe() string {
	switch n.kind {
	case nodeBool:
		return strconv.FormatBool(n.number == 1)
	case nodeNumber:
		return n.text
	case nodeText:
		return quote(n.text)
	case nodeList:
		if len(n.items) == 0 {
			return "an empty list"
		}
	case nodeObject:
		if len(n.members) == 0 {
			return "an empty object"
		}
	}
	return n.kind.String()
}

// value returns the node as what a fact can be compared with.
func (n *node) asValue() Value {
	switch n.kind {
	case nodeBool:
		return Bool(n.number == 1)
	case nodeNumber:
		return Number(n.number)
	case nodeText:
		return Text(n.text)
	case nodeList:
		out := make([]Value, len(n.items))
		for i, item := range n.items {
			out[i] = item.asValue()
		}
		return List(out)
	case nodeObject:
		// Objects are equal to nothing, as they are by identity in the library.
		return Value{kind: kindObject, text: "{}"}
	}
	return Value{}
}

// canonical appends the node in one form whatever way it was written: members
// sorted by key, comments left out, no white space. It is what hashes are made of.
func (n *node) canonical(b *strings.Builder, skip func(key string) bool) {
	switch n.kind {
	case nodeNull:
		b.WriteString("null")
	case nodeBool:
		b.WriteString(strconv.FormatBool(n.number == 1))
	case nodeNumber:
		b.WriteString(strconv.FormatFloat(n.number, 'g', -1, 64))
	case nodeText:
		b.WriteString(strconv.Quote(n.text))
	case nodeList:
		b.WriteByte('[')
		for _, item := range n.items {
			item.canonical(b, skip)
			b.WriteByte(',')
		}
		b.WriteByte(']')
	case nodeObject:
		b.WriteByte('{')
		for _, key := range sortedKeys(n.members) {
			if skip != nil && skip(key) {
				continue
			}
			b.WriteString(strconv.Quote(key))
			b.WriteByte(':')
			n.get(key).canonical(b, skip)
			b.WriteByte(',')
		}
		b.WriteByte('}')
	}
}

// quote shows a text of a package in an error, shortened.
func quote(s string) string {
	const shown = 80
	if len(s) > shown {
		s = strings.ToValidUTF8(s[:shown], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
