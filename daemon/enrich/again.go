package enrich

import "github.com/insightd/insightd/daemon/event"

// Again enriches an event as it was read back from the event log, under today's
// networks, databases and catalogue. Who it was stays: what that was decided
// from is in the raw record alone.
func (x *Enricher) Again(e *event.Event) {
	e.AgentFamily = x.agent(e.UserAgent)
	x.place.where(&e.Source)
	x.what(e)
}
