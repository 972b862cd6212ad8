// Package enrich says of an event who made the call, from where, and what it
// was: the identity and its kind, the country and the class of the network, the
// family of the user agent, and what the catalogue knows of the operation.
//
// Everything is decided from the event alone and from what Options name, so the
// same event is enriched the same in whatever order events come. DESIGN.md
// beside this file records the decisions.
package enrich

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/rules/catalog"
)

// version counts changes of the rules in this package. It goes up when the same
// event would be enriched otherwise than before.
const version = "3"

// Options says what an Enricher knows beside what is built in. The zero value
// is fit for use.
type Options struct {
	// Corporate are the networks of the organisation itself. They win over
	// everything else that is known of an address.
	Corporate []netip.Prefix
	// Networks give classes to further networks. The longest prefix wins.
	Networks []NetworkRange
	// PeopleSessions are regular expressions for names of assumed-role sessions
	// that people use, beside e-mail addresses and the roles AWSReservedSSO_*. An
	// expression holds for the whole name.
	PeopleSessions []string
	// CountryDB and CityDB are MMDB files that tell countries in place of the
	// built-in table. CityDB is asked where there is no CountryDB.
	CountryDB, CityDB string
	// ASNDB is an MMDB file that tells autonomous systems in place of the
	// built-in table. Their classes stay those of the built-in list.
	ASNDB string
	// Catalog is nil for the catalogue that is built in.
	Catalog *catalog.Catalog
}

// NetworkRange gives a class to a network.
type NetworkRange struct {
	Prefix  netip.Prefix
	Network event.Network
}

func (o *Options) validate() error {
	var errs []error
	for _, p := range o.Corporate {
		if !p.IsValid() {
			errs = append(errs, errors.New("a corporate network is no valid prefix"))
		}
	}
	for _, n := range o.Networks {
		if !n.Prefix.IsValid() {
			errs = append(errs, fmt.Errorf("a network of class %s is no valid prefix", n.Network))
		}
		if n.Network.String() == "" {
			errs = append(errs, fmt.Errorf("network %s: unknown class %d", n.Prefix, n.Network))
		}
	}
	return errors.Join(errs...)
}

// Enricher enriches events. It is safe for use by several goroutines; a reload
// makes a new one.
type Enricher struct {
	catalog *catalog.Catalog
	place   *place
	people  *people
	agents  *cache[string]
	strings *interner
	// settings is a hash of the options that are no files.
	settings string
}

// New makes an Enricher. It reads the databases that Options name, and unpacks
// the built-in tables the first time.
func New(o Options) (*Enricher, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("checking the options: %w", err)
	}
	x := &Enricher{
		catalog:  o.Catalog,
		agents:   newCache[string](512),
		strings:  newInterner(2048),
		settings: o.hash(),
	}
	if x.catalog == nil {
		x.catalog = catalog.Default()
	}
	var err error
	if x.people, err = newPeople(o.PeopleSessions); err != nil {
		return nil, err
	}
	if x.place, err = newPlace(o); err != nil {
		return nil, err
	}
	return x, nil
}

func (o *Options) hash() string {
	h := sha256.New()
	for _, p := range o.Corporate {
		fmt.Fprintf(h, "corporate %s\n", p)
	}
	for _, n := range o.Networks {
		fmt.Fprintf(h, "network %s %s\n", n.Prefix, n.Network)
	}
	for _, s := range o.PeopleSessions {
		fmt.Fprintf(h, "session %q\n", s)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Versions names what the answers depend on: the rules of this package, the
// catalogue, the tables or databases, and the settings.
func (x *Enricher) Versions() map[string]string {
	return map[string]string{
		"enrich":   version,
		"catalog":  x.catalog.Version(),
		"country":  x.place.countryVersion,
		"asn":      x.place.systemVersion,
		"settings": x.settings,
	}
}

// SamePeople reports whether two enrichers tell people from workloads alike. Where they
// do, one understands by Again what the other has enriched.
func (x *Enricher) SamePeople(y *Enricher) bool {
	return slices.EqualFunc(x.people.patterns, y.people.patterns, func(a, b *regexp.Regexp) bool { return a.String() == b.String() })
}

// Network returns the class of the network that an address belongs to.
func (x *Enricher) Network(ip netip.Addr) event.Network { return x.place.of(ip).network }

// Enrich fills in who, where and what. What it puts into the event may share
// memory with the event's own strings, as a decoder's do.
func (x *Enricher) Enrich(e *event.Event) {
	e.AgentFamily = x.agent(e.UserAgent)
	x.who(e)
	x.place.where(&e.Source)
	x.what(e)
}

// what looks the operation up in the catalogue. A condition on parameters is
// checked on the raw record, of the few operations that have one.
func (x *Enricher) what(e *event.Event) {
	e.Class, e.Risk = "", 0
	if entry, ok := x.catalog.Lookup(e.Provider, e.Service, e.Operation); ok {
		label, tier := entry.Check(e.Raw)
		e.Class, e.Risk = label, uint8(tier)
	}
}

// agent returns the family of a user agent.
func (x *Enricher) agent(userAgent string) string {
	if userAgent == "" {
		return ""
	}
	if f, ok := x.agents.get(userAgent); ok {
		return f
	}
	f := Family(userAgent)
	x.agents.put(userAgent, f)
	return f
}

// people tells sessions of people from those of workloads.
type people struct {
	patterns []*regexp.Regexp
	known    *cache[bool]
}

func newPeople(patterns []string) (*people, error) {
	p := &people{}
	for _, s := range patterns {
		re, err := regexp.Compile("^(?:" + s + ")$")
		if err != nil {
			return nil, fmt.Errorf("compiling the pattern %q of people's sessions: %w", s, err)
		}
		p.patterns = append(p.patterns, re)
	}
	if len(p.patterns) > 0 {
		p.known = newCache[bool](1024)
	}
	return p, nil
}

// session reports whether the session of an assumed role is a person's.
func (p *people) session(role, session string) bool {
	if isReservedSSO(role) || isEmail(session) {
		return true
	}
	if len(p.patterns) == 0 {
		return false
	}
	if yes, ok := p.known.get(session); ok {
		return yes
	}
	yes := false
	for _, re := range p.patterns {
		if re.MatchString(session) {
			yes = true
			break
		}
	}
	p.known.put(session, yes)
	return yes
}
