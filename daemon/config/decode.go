package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// position is a place in a file.
type position struct{ line, column int }

func (p position) String() string { return fmt.Sprintf("%d:%d", p.line, p.column) }

// parser fills a Config from YAML nodes and gathers what is wrong.
type parser struct {
	file string
	errs Errors
	// at holds where each key's value stands, for errors that are found later.
	at map[string]position
}

// report notes an error at the value of a key. Where the file does not have
// the key, the nearest one around it is named.
func (p *parser) report(key, found, expected, do string) {
	at, ok := p.at[key]
	for outer := key; !ok && outer != ""; {
		outer = outer[:max(strings.LastIndexAny(outer, ".["), 0)]
		at, ok = p.at[outer]
	}
	if !ok {
		at = position{1, 1}
	}
	p.errs = append(p.errs, &Error{p.file, at.line, at.column, key, found, expected, do})
}

// given reports whether the file has the key.
func (p *parser) given(key string) bool {
	_, ok := p.at[key]
	return ok
}

func (p *parser) fail(n *yaml.Node, key, found, expected, do string) {
	p.errs = append(p.errs, &Error{p.file, n.Line, n.Column, key, found, expected, do})
}

// parse reads the one document in b.
func (p *parser) parse(b []byte, v reflect.Value) {
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc, second yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return // An empty file holds the defaults.
	}
	if err == nil && len(doc.Content) == 1 {
		p.value(doc.Content[0], v, "", "")
		switch err = dec.Decode(&second); {
		case errors.Is(err, io.EOF):
			return
		case err == nil:
			p.fail(&second, "", "a second document", "one document", "remove the line --- and what is behind it, or make it a file of its own")
			return
		}
	}
	if err != nil {
		text := strings.TrimPrefix(strings.TrimSpace(err.Error()), "yaml: ")
		if _, behind, ok := strings.Cut(text, ": "); ok && strings.HasPrefix(text, "line ") {
			text = behind
		}
		text = anchor.ReplaceAllStringFunc(text, func(name string) string {
			if isName(strings.Trim(name, "'")) {
				return name
			}
			return "'" + masked + "'"
		})
		p.errs = append(p.errs, &Error{
			p.file, brokenLine(b), 1, "", "no YAML (" + text + ")", "YAML",
			"look at indentation, colons and quotes in this line and the one before",
		})
	}
}

// brokenLine is the line with which b stops being YAML: the one behind the
// longest sound part from the start. The parser's own word for it is often the
// line on which the broken list or section begins, or none.
func brokenLine(b []byte) int {
	lines := bytes.SplitAfter(b, []byte("\n"))
	const most = 4 << 20 // Bytes: each line costs a parse of all before it.
	if len(lines)*len(b) > most {
		return 1
	}
	for n, end := len(lines), len(b); n > 0; n-- {
		end -= len(lines[n-1])
		dec := yaml.NewDecoder(bytes.NewReader(b[:end]))
		var err error
		for err == nil {
			var doc yaml.Node
			err = dec.Decode(&doc)
		}
		if errors.Is(err, io.EOF) {
			return n
		}
	}
	return 1
}

// value reads a node into v. tag describes the field that v is or is inside.
func (p *parser) value(n *yaml.Node, v reflect.Value, key string, tag reflect.StructTag) {
	at := position{n.Line, n.Column}
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	p.at[key] = at
	null := n.Kind == yaml.ScalarNode && n.Tag == "!!null"
	switch {
	case scalars[v.Type()] != nil:
		if null {
			p.fail(n, key, "no value", scalars[v.Type()].expected, "remove the key to have its default")
			return
		}
		p.scalar(n, v, key, tag)
	case null:
		// A section without content holds its defaults.
	case v.Kind() == reflect.Struct:
		p.section(n, v, key)
	case v.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			p.fail(n, key, describeIn(n, v.Type()), "a list", `put "- " before each element, or brackets around them all`)
			return
		}
		v.SetZero() // An empty list is nil, as where the key is not given.
		if len(n.Content) > 0 {
			v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
		}
		for i, c := range n.Content {
			e := v.Index(i)
			setDefaults(e)
			elem := fmt.Sprintf("%s[%d]", key, i)
			if c.Kind == yaml.ScalarNode && c.Tag == "!!null" {
				p.fail(c, elem, "an element without content", elementName(e), "remove it")
				continue
			}
			p.value(c, e, elem, tag)
		}
	}
}

// elementName says what an element of a list has to be.
func elementName(v reflect.Value) string {
	if s := scalars[v.Type()]; s != nil {
		return s.expected
	}
	return "a section with the keys " + strings.Join(keysOf(v.Type()), ", ")
}

// section reads a mapping into a struct.
func (p *parser) section(n *yaml.Node, v reflect.Value, key string) {
	known := keysOf(v.Type())
	if n.Kind != yaml.MappingNode {
		p.fail(n, key, describeIn(n, v.Type()), "a section with the keys "+strings.Join(known, ", "), "")
		return
	}
	given := map[string]position{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, c := n.Content[i], n.Content[i+1]
		at, twice := given[k.Value]
		given[k.Value] = position{k.Line, k.Column}
		switch f := slices.Index(known, k.Value); {
		case k.Tag == "!!merge":
			p.fail(k, key, "a merge key", oneOf(known), "write out what is merged, or use an alias as a value")
		case f < 0 || k.Kind != yaml.ScalarNode:
			name := quote(k.Value)
			if holdsSecret(v.Type()) && !isName(k.Value) {
				name = quote(masked)
			}
			p.fail(k, key, "the unknown key "+name, oneOf(known), hint(k.Value, known))
		case twice:
			p.fail(k, key, fmt.Sprintf("the key %q a second time, it is at %v already", k.Value, at), "each key once", "remove one of the two")
		default:
			p.value(c, v.Field(f), join(key, k.Value), v.Type().Field(f).Tag)
		}
	}
	for i, name := range known {
		if _, ok := given[name]; !ok && v.Type().Field(i).Tag.Get("required") == "true" {
			p.fail(n, key, "no "+name, "one", fmt.Sprintf("add the key %q: %s", name, v.Type().Field(i).Tag.Get("help")))
		}
	}
}

// hint says what an unknown key may have been meant for: one of those that the
// section has, or one that stands elsewhere.
func hint(key string, known []string) string {
	if h := didYouMean(key, known); h != "" {
		return h
	}
	var places []string
	for _, k := range Reference() {
		if k.Name == key || strings.HasSuffix(k.Name, "."+key) {
			places = append(places, k.Name)
		}
	}
	if len(places) > 0 {
		return "the key is known elsewhere: " + strings.Join(places, ", ")
	}
	return "remove it, or see the reference of all keys"
}

// scalar reads a single value.
func (p *parser) scalar(n *yaml.Node, v reflect.Value, key string, tag reflect.StructTag) {
	s := scalars[v.Type()]
	if n.Kind != yaml.ScalarNode {
		p.fail(n, key, describe(n), s.expected, "")
		return
	}
	if s.yaml != nil && !slices.Contains(s.yaml, n.Tag) {
		do := ""
		if v.Type() == reflect.TypeFor[Secret]() {
			p.fail(n, key, "a value that is no string", s.expected, "put it into quotes")
			return
		}
		switch {
		case s.yaml[0] == "!!str":
			do = "put it into quotes if it is meant"
		case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
			if _, err := s.parse(n.Value); err == nil {
				do = "take off the quotes"
			}
		}
		p.fail(n, key, describe(n), s.expected, do)
		return
	}
	x, err := s.parse(n.Value)
	if err != nil {
		found := quote(n.Value)
		if v.Type() == reflect.TypeFor[Secret]() {
			found = quote(masked) // Its one error is that it is that text.
		}
		if s.name != "boolean" && s.name != "string" {
			found += " (" + err.Error() + ")"
		}
		do := "correct the value"
		if d, ok := strings.CutPrefix(err.Error(), "a number without"); ok && d != "" {
			do = "put a unit behind the number"
		}
		p.fail(n, key, found, s.expected, do)
		return
	}
	if words := tag.Get("enum"); words != "" {
		if list := strings.Split(words, "|"); !slices.Contains(list, n.Value) {
			p.fail(n, key, quote(n.Value), oneOf(list), didYouMean(n.Value, list))
			return
		}
	}
	if tag.Get("required") == "true" && n.Value == "" {
		p.fail(n, key, "an empty value", s.expected, "give one")
		return
	}
	least, most := tag.Get("min"), tag.Get("max")
	if least != "" && less(x, mustParse(s, least)) {
		p.fail(n, key, n.Value, "at least "+least, "raise it")
		return
	}
	if most != "" && less(mustParse(s, most), x) {
		p.fail(n, key, n.Value, "at most "+most, "lower it")
		return
	}
	v.Set(reflect.ValueOf(x))
}

// less compares two numbers of one type.
func less(a, b any) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	if x.CanInt() {
		return x.Int() < y.Int()
	}
	return x.Float() < y.Float()
}

// describe says what a node is.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a section with keys"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return "the boolean " + n.Value
	case "!!timestamp":
		return "the time " + n.Value
	case "!!str":
		return "the string " + quote(n.Value)
	}
	return fmt.Sprintf("a value of the type %s", n.Tag)
}

// anchor is how the YAML parser's errors quote the name of an anchor. What begins with
// an asterisk and has no quotes is taken for one's name, and may be a secret.
var anchor = regexp.MustCompile(`'[^']*'`)

// describeIn says what a node is that stands in the place of a list or section. One in
// which secrets stand may be a secret that is a level too high.
func describeIn(n *yaml.Node, t reflect.Type) string {
	if n.Kind == yaml.ScalarNode && holdsSecret(t) {
		return "a single value"
	}
	return describe(n)
}

// holdsSecret reports whether a secret stands in a section, or in those of a list.
func holdsSecret(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Slice:
		return holdsSecret(t.Elem())
	case reflect.Struct:
		for f := range t.Fields() {
			if f.Type == reflect.TypeFor[Secret]() {
				return true
			}
		}
	}
	return false
}

// isName reports whether a word looks like the name of a key.
func isName(s string) bool {
	return len(s) <= 16 && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz_") == ""
}

func join(section, key string) string {
	if section == "" {
		return key
	}
	return section + "." + key
}

// keysOf lists the keys of a section in the order of its fields.
func keysOf(t reflect.Type) []string {
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i] = t.Field(i).Tag.Get("yaml")
	}
	return keys
}

// setDefaults fills a section from its tags.
func setDefaults(v reflect.Value) {
	if v.Kind() != reflect.Struct || scalars[v.Type()] != nil {
		return
	}
	for i := range v.NumField() {
		f := v.Field(i)
		switch d := v.Type().Field(i).Tag.Get("default"); {
		case d == "":
		case f.Kind() == reflect.Slice: // Of one element.
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
			f.Index(0).Set(reflect.ValueOf(mustParse(scalars[f.Type().Elem()], d)))
		default:
			f.Set(reflect.ValueOf(mustParse(scalars[f.Type()], d)))
		}
		setDefaults(f)
	}
}

// mustParse reads what stands in a tag.
func mustParse(s *scalar, text string) any {
	x, err := s.parse(text)
	if err != nil {
		panic(fmt.Sprintf("config: the tag value %q: %v", text, err))
	}
	return x
}

// walkPaths calls f for every string that is a path.
func walkPaths(v reflect.Value, f func(reflect.Value)) {
	for i := range v.NumField() {
		field, tag := v.Field(i), v.Type().Field(i).Tag
		path := tag.Get("kind") == "path"
		switch {
		case path && field.Kind() == reflect.String:
			f(field)
		case field.Kind() == reflect.Slice:
			for j := range field.Len() {
				if e := field.Index(j); path {
					f(e)
				} else if scalars[e.Type()] == nil {
					walkPaths(e, f)
				}
			}
		case field.Kind() == reflect.Struct && scalars[field.Type()] == nil:
			walkPaths(field, f)
		}
	}
}
