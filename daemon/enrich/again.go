package enrich

import "github.com/insightd/insightd/daemon/event"

// Again enriches an event as it was read back from the event log, under today's
// networks, databases and catalogue. Who it was stays: what that was decided
// from is in the raw record alone. Events that Conditional names come with their
// raw records, or what they are is judged without their parameters.
func (x *Enricher) Again(e *event.Event) {
	e.AgentFamily = x.agent(e.UserAgent)
	x.place.where(&e.Source)
	x.what(e)
}

// Conditional reports whether what an event is depends on its parameters, which
// are in the raw record alone.
func (x *Enricher) Conditional(e *event.Event) bool {
	entry, ok := x.catalog.Lookup(e.Provider, e.Service, e.Operation)
	return ok && entry.Conditional()
}
