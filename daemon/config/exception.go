package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
)

// ExceptionValues are the exceptions as the line knows them.
func (c *Config) ExceptionValues() []insight.Exception {
	out := make([]insight.Exception, len(c.Exceptions))
	for i := range c.Exceptions {
		out[i] = c.Exceptions[i].value()
	}
	return out
}

func (x *Exception) value() insight.Exception {
	v := insight.Exception{
		ID: x.ID, Kind: insight.ExceptionKind(x.Kind), Owner: x.Owner, Reason: x.Reason, Ticket: x.Ticket, Scope: insight.Scope(x.Scope),
		Starts: x.Starts, Expires: x.Expires, By: insight.ExceptionFromConfiguration, Source: insight.ExceptionFromConfiguration,
	}
	if v.ID == "" {
		b, err := json.Marshal(v)
		if err != nil { // Only with a rate that is not finite, which is not read.
			b = fmt.Appendf(nil, "%+v", v)
		}
		sum := sha256.Sum256(b)
		v.ID = "configured-" + hex.EncodeToString(sum[:8])
	}
	return v
}

// checkExceptions looks at what the keys of an exception say together.
func (p *parser) checkExceptions(list []Exception, now time.Time) {
	named, notOver := map[string]string{}, 0
	for i := range list {
		x, key := &list[i], fmt.Sprintf("exceptions[%d]", i)
		if x.ID != "" && !tokenName.MatchString(x.ID) {
			p.report(key+".id", quote(x.ID), "letters, digits and . _ -, at most 64", "choose another id")
		}
		v := x.value()
		if wrong := v.Check(now); wrong != nil {
			p.report(join(key, wrong.Field), wrong.Found, wrong.Expected, wrong.Do)
		}
		if other, ok := named[v.ID]; ok {
			p.report(key, fmt.Sprintf("a second exception %q, the first is at %v", v.ID, p.at[other]), "each exception once, with an id of its own", "remove one of the two, or give it another id")
			continue
		}
		named[v.ID] = key
		if v.Over().After(now) {
			notOver++
		}
	}
	// Those that were made over HTTP use some too.
	if notOver > insight.MaxExceptions {
		p.report("exceptions", format(notOver)+" that are not over", "at most "+format(insight.MaxExceptions), "remove those that no longer matter, or let patterns in one scope take the place of several")
	}
}

// checkPatterns looks at lists of patterns: one of everything names nothing.
func (p *parser) checkPatterns(lists any, section string) {
	v := reflect.ValueOf(lists).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("yaml")
		for j, pattern := range v.Field(i).Interface().([]string) {
			if event.Anything(pattern) {
				p.report(fmt.Sprintf("%s.%s[%d]", section, name, j), quote(pattern), "a pattern that names something", "write the part that they have in common, such as *:user/emergency-*")
			}
		}
	}
}
