package daemon

import (
	"fmt"

	"github.com/insightd/insightd/daemon/engine"
	"github.com/insightd/insightd/daemon/enrich"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/rules"
)

// RuleDecoder returns what makes facts for rules of a provider's record, as the
// line does: decoded, and enriched with what is built in. Of a record that is no
// call it makes nothing.
func RuleDecoder() (func(record []byte) (rules.Facts, error), error) {
	enricher, err := enrich.New(enrich.Options{})
	if err != nil {
		return nil, fmt.Errorf("starting enrichment: %w", err)
	}
	return func(record []byte) (rules.Facts, error) {
		e := &event.Event{}
		if err := event.Decode("", record, e); err != nil {
			return nil, err
		}
		if !e.Call() {
			return nil, nil
		}
		enricher.Enrich(e)
		return engine.RuleFacts(e), nil
	}, nil
}
