package config

import (
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// String writes the whole configuration, defaults included, as YAML that Parse
// reads back. Secrets are masked.
func (c *Config) String() string {
	var b strings.Builder
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	// Neither can fail: the nodes are well-formed, and a Builder takes all.
	_ = enc.Encode(node(reflect.ValueOf(c).Elem()))
	_ = enc.Close()
	return b.String()
}

// node makes a YAML node of a value.
func node(v reflect.Value) *yaml.Node {
	if s := scalars[v.Type()]; s != nil {
		n := &yaml.Node{Kind: yaml.ScalarNode, Value: s.format(v.Interface())}
		if s.yaml != nil && s.yaml[0] == "!!str" {
			n.SetString(n.Value) // Quoted where it would be read as something else.
		}
		return n
	}
	if v.Kind() == reflect.Slice {
		n := &yaml.Node{Kind: yaml.SequenceNode}
		if v.Len() == 0 {
			n.Style = yaml.FlowStyle
		}
		for i := range v.Len() {
			n.Content = append(n.Content, node(v.Index(i)))
		}
		return n
	}
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i, name := range keysOf(v.Type()) {
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, node(v.Field(i)))
	}
	return n
}
