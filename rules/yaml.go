package rules

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readYAML reads a package that is written as YAML into the same nodes as JSON.
// Aliases are refused: they can make a small file a large one.
func readYAML(text string) (*node, error) {
	dec := yaml.NewDecoder(strings.NewReader(text))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, &syntaxError{place{1, 1}, "found an empty file, expected a package of rules"}
		}
		return nil, yamlError(err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, &syntaxError{place{1, 1}, "found several YAML documents in one file, expected one"}
	}
	if len(doc.Content) != 1 {
		return nil, &syntaxError{place{1, 1}, "found an empty file, expected a package of rules"}
	}
	return fromYAML(doc.Content[0], 0)
}

// yamlError takes the line out of the library's error, which has no column.
func yamlError(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	at := place{1, 1}
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if number, what, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(number); err == nil {
				at.line, text = line, what
			}
		}
	}
	return &syntaxError{at, text}
}

func fromYAML(y *yaml.Node, depth int) (*node, error) {
	n := &node{at: place{y.Line, y.Column}}
	fail := func(at *yaml.Node, format string, args ...any) (*node, error) {
		return nil, &syntaxError{place{at.Line, at.Column}, fmt.Sprintf(format, args...)}
	}
	if depth > maxDepth {
		return fail(y, "found values within values deeper than %d", maxDepth)
	}
	switch y.Kind {
	case yaml.AliasNode:
		return fail(y, "found the alias *%s, expected a value; write it out", y.Value)
	case yaml.SequenceNode:
		n.kind = nodeList
		for _, item := range y.Content {
			child, err := fromYAML(item, depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, child)
		}
		return n, nil
	case yaml.MappingNode:
		n.kind = nodeObject
		for i := 0; i+1 < len(y.Content); i += 2 {
			key := y.Content[i]
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
				return fail(key, "found a key that is no text, expected a text")
			}
			if n.find(key.Value) != nil {
				return fail(key, "found the key %s twice in one object, expected it once", quote(key.Value))
			}
			child, err := fromYAML(y.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			n.members = append(n.members, member{key.Value, place{key.Line, key.Column}, child})
		}
		return n, nil
	case yaml.ScalarNode:
	default:
		return fail(y, "found something that is no value, expected a value")
	}
	n.text = y.Value
	switch y.Tag {
	case "!!null":
	case "!!bool":
		n.kind = nodeBool
		var v bool
		if err := y.Decode(&v); err != nil {
			return fail(y, "found %s, expected true or false", quote(y.Value))
		}
		if v {
			n.number = 1
		}
	case "!!int", "!!float":
		// YAML would read 0800 as a number or as a text, and 0700 as octal.
		v, err := strconv.ParseFloat(y.Value, 64)
		digits := strings.TrimLeft(y.Value, "-")
		if err != nil || len(digits) > 1 && digits[0] == '0' && digits[1] != '.' {
			return fail(y, "found the number %s, expected one without leading zeros; put a time such as \"0800\" in quotes", y.Value)
		}
		n.kind, n.number = nodeNumber, v
	default:
		n.kind = nodeText
	}
	return n, nil
}
