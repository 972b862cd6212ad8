package plugin

import (
	"slices"
	"strings"

	"github.com/prometheus/prometheus/util/strutil"
)

// term is one condition of the filter language. A text alone has no name.
type term struct {
	name, op, value string
}

// parseFilter reads the filter language, for identities, which the daemon lists
// without a filter. It refuses what cannot be understood.
func parseFilter(s string) ([]term, error) {
	rest := strings.TrimSpace(s)
	if strings.HasPrefix(rest, "{") && strings.HasSuffix(rest, "}") {
		rest = rest[1 : len(rest)-1]
	}
	var out []term
	for {
		rest = strings.TrimLeft(rest, " \t\r\n,")
		if rest == "" {
			return out, nil
		}
		var t term
		n := 0
		for n < len(rest) && isNameByte(rest[n]) {
			n++
		}
		t.name, rest = rest[:n], strings.TrimLeft(rest[n:], " \t\r\n")
		ops := []string{"=~", "!~", "!=", "="}
		if t.name == "" {
			ops = []string{"!"}
		}
		at := slices.IndexFunc(ops, func(op string) bool { return strings.HasPrefix(rest, op) })
		if at >= 0 {
			t.op = ops[at]
			rest = strings.TrimLeft(rest[len(t.op):], " \t\r\n")
		} else if t.name != "" {
			return nil, wrongf("the filter has no operator after %s: write %s=\"…\"", t.name, t.name)
		}
		quoted := quotedPrefix(rest)
		value, err := strutil.Unquote(quoted)
		if quoted == "" || err != nil {
			return nil, wrongf("the filter wants a quoted value at %q", short(rest))
		}
		t.value, rest = value, rest[len(quoted):]
		out = append(out, t)
	}
}

func isNameByte(b byte) bool {
	return b == '_' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}

// quotedPrefix is the quoted text with which s begins, empty where there is none.
func quotedPrefix(s string) string {
	if s == "" || !strings.ContainsRune("\"'`", rune(s[0])) {
		return ""
	}
	for n := 1; n < len(s); n++ {
		switch {
		case s[n] == '\\' && s[0] != '`':
			n++
		case s[n] == s[0]:
			return s[:n+1]
		}
	}
	return ""
}

func short(s string) string {
	if r := []rune(s); len(r) > 20 {
		return string(r[:20]) + "…"
	}
	return s
}
