package plugin

import (
	"encoding/json"
	"strconv"
)

type rawJSON = json.RawMessage

// labelWriter writes the labels of a log line: an object of texts. Empty ones are
// left out.
type labelWriter struct{ b []byte }

func (w *labelWriter) add(name, value string) {
	if value == "" {
		return
	}
	if w.b == nil {
		w.b = make([]byte, 0, 512)
	}
	if len(w.b) == 0 {
		w.b = append(w.b, '{')
	} else {
		w.b = append(w.b, ',')
	}
	w.b = appendJSON(w.b, name)
	w.b = append(w.b, ':')
	w.b = appendJSON(w.b, value)
}

// list writes the values of a list: the first under the field's name, so that it
// can be filtered by, and each further one with its number.
func (w *labelWriter) list(name string, values []string) {
	for n, v := range values {
		if n == 0 {
			w.add(name, v)
			continue
		}
		w.add(name+"_"+strconv.Itoa(n+1), v)
	}
}

func (w *labelWriter) json() rawJSON {
	if len(w.b) == 0 {
		return rawJSON("{}")
	}
	return append(w.b, '}')
}

// appendJSON writes a text as JSON. Most need no escape.
func appendJSON(b []byte, s string) []byte {
	for n := range len(s) {
		if c := s[n]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			q, err := json.Marshal(s)
			if err != nil { // A text always can be.
				return append(b, `""`...)
			}
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
