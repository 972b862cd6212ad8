package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/eventlog"
)

// TestFilterSelectsWhatMatches holds the two forms of a selection to each other: what
// the log is asked for has all that the engine takes, and where the filter can say
// it, nothing else.
func TestFilterSelectsWhatMatches(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	one := func(values ...string) string { return values[rnd.IntN(len(values))] }
	texts := []string{"", "a", "B", `quo"te`, `back\slash`, "two words", "é\x00\xff", "a|b", "a.b"}
	some := func() event.Event {
		e := event.Event{
			UID: one("1", "2", "3|4", "a.b"), Provider: one("aws", "azure"), Account: "1", Region: one(texts...), Service: one(texts...), Operation: one(texts...),
			ErrorCode: one(texts...), Class: one("", "a", "a B", "B"), Category: event.Category(rnd.IntN(3)),
			Access: event.Access(1 + rnd.IntN(2)), Outcome: event.Outcome(1 + rnd.IntN(2)), Risk: uint8(rnd.IntN(2)),
		}
		e.Actor.Identity, e.Actor.Credential, e.Source.Address = one(texts...), one("", "AKIA1", "ASIA1"), one(texts...)
		return e
	}
	matched, beyond := 0, 0
	for range 3000 {
		from, e := some(), some()
		e.Provider = from.Provider
		q := selection{temporary: rnd.IntN(8) == 0, risky: rnd.IntN(4) == 0, data: rnd.IntN(2) == 0}
		for _, field := range []struct{ to, of, its *string }{
			{&q.region, &from.Region, &e.Region},
			{&q.identity, &from.Actor.Identity, &e.Actor.Identity},
			{&q.credential, &from.Actor.Credential, &e.Actor.Credential},
			{&q.address, &from.Source.Address, &e.Source.Address},
			{&q.service, &from.Service, &e.Service},
			{&q.operation, &from.Operation, &e.Operation},
			{&q.errorCode, &from.ErrorCode, &e.ErrorCode},
		} {
			if rnd.IntN(3) == 0 {
				if *field.to = *field.of; rnd.IntN(8) > 0 {
					*field.its = *field.of
				}
			}
		}
		if rnd.IntN(4) == 0 {
			q.class = one("a", "B")
		}
		if rnd.IntN(4) == 0 {
			q.access, q.outcome = from.Access, from.Outcome
		}
		for range rnd.IntN(3) {
			q.uids = append(q.uids, one("1", "2", "3|4", "a.b"))
		}
		source := q.filter(event.StreamKey{Provider: e.Provider, Account: e.Account})
		f, err := eventlog.ParseFilter(source, eventlog.Lookups{}, time.Time{}, time.Time{})
		require.NoError(t, err, source)
		says := fmt.Sprintf("%s\n%+v", source, e)
		if q.matches(&e) {
			matched++
			require.True(t, f.Match(&e), says)
		} else if f.Match(&e) {
			beyond++
			require.True(t, q.temporary || !e.Call() || e.Provider == "azure", says)
		}
	}
	require.Greater(t, matched, 100)
	require.Positive(t, beyond)
}
