package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/insightd/insightd/daemon/event"
)

// Key describes one key of the file.
type Key struct {
	// Name is the key with the sections around it: sources[].path.
	Name string
	// Type is section, or the type of the value, with "list of" before it.
	Type string
	// Default is as it would be written, and empty where there is none.
	Default string
	// Help is one or more sentences, with bounds and words that are allowed.
	Help string
}

// Reference describes every key, in the order in which a file has them.
func Reference() []Key { return keys(nil, "", reflect.TypeFor[Config]()) }

func keys(list []Key, section string, t reflect.Type) []Key {
	for f := range t.Fields() {
		tag, ft := f.Tag, f.Type
		k := Key{Name: join(section, tag.Get("yaml")), Help: tag.Get("help"), Default: tag.Get("default")}
		inner := k.Name
		if ft.Kind() == reflect.Slice {
			k.Type, ft, inner = "list of ", ft.Elem(), inner+"[]"
			k.Default = "[" + k.Default + "]"
		}
		s := scalars[ft]
		switch {
		case s == nil:
			k.Type += "section"
		case tag.Get("kind") != "":
			k.Type += tag.Get("kind")
		default:
			k.Type += s.name
		}
		k.Help += bounds(k.Name, tag)
		list = append(list, k)
		if s == nil {
			list = keys(list, inner, ft)
		}
	}
	return list
}

// bounds are the sentences on what a value may be.
func bounds(name string, tag reflect.StructTag) string {
	var b strings.Builder
	if tag.Get("required") == "true" {
		b.WriteString(" Required.")
	}
	words := strings.ReplaceAll(tag.Get("enum"), "|", ", ")
	if name == "sources[].provider" {
		words = strings.Join(event.Providers(), ", ")
	}
	if words != "" {
		fmt.Fprintf(&b, " One of: %s.", words)
	}
	switch least, most := tag.Get("min"), tag.Get("max"); {
	case least != "" && most != "":
		fmt.Fprintf(&b, " From %s to %s.", least, most)
	case least != "":
		fmt.Fprintf(&b, " At least %s.", least)
	case most != "":
		fmt.Fprintf(&b, " At most %s.", most)
	}
	return b.String()
}

// ReferenceTable is Reference as a table in Markdown.
func ReferenceTable() string {
	var b strings.Builder
	b.WriteString("| key | type | default | what it does |\n|---|---|---|---|\n")
	for _, k := range Reference() {
		def := ""
		if k.Default != "" {
			def = "`" + k.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Name, k.Type, def, strings.ReplaceAll(k.Help, "|", `\|`))
	}
	return b.String()
}
