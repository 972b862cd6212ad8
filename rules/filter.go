package rules

import (
	"errors"
	"fmt"
	"strconv"
)

// filter is the condition in a path that chooses elements of a list, such as the
// statements of a policy:
//
//	$.Statement[?(@.Effect=='Allow' && @.Principal.AWS=='*')]
//
// Comparisons are ==, !=, <, <=, > and >=, and a path alone, which holds where it
// leads to something. && binds closer than ||. Where a path leads to several
// values, or to a list, == holds by any of them: a policy may name one or many.
type filter struct {
	// any is a filter of which one has to hold, each of them a list of tests which
	// all have to.
	any [][]filterTest
}

// filterTest is one comparison.
type filterTest struct {
	not  bool
	path *path
	// operator is empty where the path only has to lead to something.
	operator string
	value    Value
}

// filter reads what stands behind ?.
func (r *pathReader) filter() (*filter, error) {
	if r.depth++; r.depth > 4 {
		return nil, errors.New("found filters within filters deeper than 4, expected fewer")
	}
	defer func() { r.depth-- }()
	if !r.take("(") {
		return nil, r.wrong("(")
	}
	f := &filter{}
	all := []filterTest{}
	for tests := 1; ; tests++ {
		if tests > maxSteps {
			return nil, fmt.Errorf("found more than %d comparisons in a filter, expected fewer", maxSteps)
		}
		t, err := r.filterTest()
		if err != nil {
			return nil, err
		}
		all = append(all, t)
		r.space()
		switch {
		case r.take("&&"):
		case r.take("||"):
			f.any = append(f.any, all)
			all = []filterTest{}
		case r.take(")"):
			f.any = append(f.any, all)
			return f, nil
		default:
			return nil, r.wrong("&&, || or )")
		}
	}
}

func (r *pathReader) filterTest() (filterTest, error) {
	var t filterTest
	r.space()
	if r.at() == '!' {
		r.i++
		t.not = true
		r.space()
	}
	if !r.take("@") {
		return t, r.wrong("@")
	}
	begin := r.i
	t.path = &path{definite: true}
	if err := r.steps(t.path); err != nil {
		return t, err
	}
	t.path.text = r.text[begin:r.i]
	r.space()
	for _, op := range []string{"===", "!==", "==", "!=", "<=", ">=", "<", ">"} {
		if r.take(op) {
			t.operator = op
			break
		}
	}
	switch {
	case t.operator == "":
		return t, nil
	case t.not:
		return t, r.wrong("a path alone behind !")
	}
	r.space()
	switch c := r.at(); {
	case c == '\'' || c == '"':
		s, err := r.quoted()
		if err != nil {
			return t, err
		}
		t.value = Text(s)
	case r.take("true"):
		t.value = Bool(true)
	case r.take("false"):
		t.value = Bool(false)
	case r.take("null"):
	default:
		end := r.i
		for end < len(r.text) && (r.text[end] >= '0' && r.text[end] <= '9' || r.text[end] == '-' || r.text[end] == '.') {
			end++
		}
		n, err := strconv.ParseFloat(r.text[r.i:end], 64)
		if err != nil {
			return t, r.wrong("a text in quotes, a number, true, false or null")
		}
		r.i = end
		t.value = Number(n)
	}
	return t, nil
}

// holds reports whether the filter holds for an element.
func (f *filter) holds(v *Value) bool {
	for _, all := range f.any {
		holds := true
		for i := range all {
			if !all[i].holds(v) {
				holds = false
				break
			}
		}
		if holds {
			return true
		}
	}
	return false
}

func (t *filterTest) holds(v *Value) bool {
	found := false
	t.path.find(v, func(hit *Value) bool {
		if found = t.compare(hit); found {
			return false
		}
		if hit.kind == kindList && t.operator != "" {
			hit.each(func(item *Value) bool {
				found = t.compare(item)
				return !found
			})
		}
		return !found
	})
	switch t.operator {
	case "!=", "!==":
		// Not one of the values is that one.
		return !found
	case "==", "===":
		if !found && t.value.kind == kindNull {
			// What leads nowhere is null.
			nothing := true
			t.path.find(v, func(*Value) bool { nothing = false; return false })
			return nothing
		}
	}
	return found != t.not
}

// compare holds one value against the test; for != it reports equality.
func (t *filterTest) compare(v *Value) bool {
	if t.operator == "" {
		return true
	}
	switch t.operator {
	case "==", "===", "!=", "!==":
		return v.same(&t.value)
	}
	c, ok := v.compare(&t.value)
	if !ok || !v.numeric() {
		return false
	}
	switch t.operator {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}
