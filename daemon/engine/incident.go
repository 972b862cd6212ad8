package engine

import (
	"encoding/hex"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/insightd/insightd/models"
)

// incidentSpan is how long after its first insight an incident takes in more.
const incidentSpan = 60 // minutes

// group is an incident: insights of one identity that start within an hour of
// the first of them.
type group struct {
	id    string
	start models.Minute
}

// incident returns the id of the incident that an insight of an identity, or of
// the account where w is nil, belongs to. An account's insight joins the
// incident of the identity that did most of it.
func (s *stream) incident(w *who, found *evidence, m models.Minute) string {
	who := ""
	if w != nil {
		who = w.name
	} else {
		who, _ = found.top(attrIdentity)
	}
	groups := s.groups
	if s.foreseeing {
		if g, ok := groups[who]; ok && m-g.start <= incidentSpan {
			return g.id
		}
		groups = s.preview.groups
	}
	g, ok := groups[who]
	if !ok || m-g.start > incidentSpan {
		h := xxhash.New()
		fmt.Fprintf(h, "%s\x00%s\x00%d", s.key, who, m)
		g = group{id: hex.EncodeToString(h.Sum(nil)), start: m}
		groups[who] = g
	}
	return g.id
}
