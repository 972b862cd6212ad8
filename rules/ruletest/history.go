package ruletest

import "github.com/insightd/insightd/rules"

// call is an operation as one identity of an account calls it.
type call struct{ account, identity, api string }

func callOf(f rules.Facts) call {
	account, identity, api := f.Fact(rules.Account), f.Fact(rules.Identity), f.Fact(rules.API)
	return call{account.String(), identity.String(), api.String()}
}

// history is what was seen before a record of a case: by the records that the case
// says were before it, and by its own.
type history struct {
	days  map[call]int
	users map[call]bool // Without the identity.
}

func newHistory() *history { return &history{map[call]int{}, map[call]bool{}} }

// first says to whom a call is new.
func (h *history) first(f rules.Facts) rules.Value {
	c := callOf(f)
	if _, ok := h.days[c]; ok {
		return rules.Value{}
	}
	if c.identity = ""; h.users[c] {
		return rules.Text("identity")
	}
	return rules.Text("account")
}

// note takes in a record that was seen on a number of days before, and on none where
// it is of the day of the case.
func (h *history) note(f rules.Facts, days int) {
	c := callOf(f)
	h.days[c] = max(h.days[c], days)
	c.identity = ""
	h.users[c] = true
}
