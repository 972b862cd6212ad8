package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/models"
)

func TestStorm(t *testing.T) {
	s := storms{}
	e := &event.Event{Outcome: event.OutcomeError, ErrorCode: "ThrottlingException"}
	at := func(identity symbol, m models.Minute) bool {
		return s.stormy(e, names{region: 1, service: 2, identity: identity}, m)
	}
	for m := range models.Minute(50) {
		require.False(t, at(7, 100+m), "one alone is too fast by itself")
	}
	require.False(t, at(8, 150))
	require.False(t, at(9, 151))
	require.True(t, at(10, 152), "four at once are the service's doing")
	require.True(t, at(7, 159))
	require.False(t, s.stormy(e, names{region: 1, service: 3, identity: 7}, 159), "of another service")
	require.False(t, s.stormy(&event.Event{Outcome: event.OutcomeError, ErrorCode: "AccessDenied"}, names{region: 1, service: 2, identity: 7}, 159))
	require.False(t, at(7, 170), "the others are at peace again")
	s.forget(165)
	require.Len(t, s, 2)
	s.forget(200)
	require.Empty(t, s)
}

// A key that takes the place of another one is what the other one was.
func TestANewKeyGoesOn(t *testing.T) {
	s := newStream(event.StreamKey{Provider: "aws", Account: "1"}, &Options{lookers: newLookers}, Settings{})
	w := newWho(1, "ann", event.KindService, 0)
	write := &event.Event{Outcome: event.OutcomeSuccess, Access: event.AccessWrite}
	old := modelKey{kindKey, 3, 4, 0}
	for m := models.Minute(1); m < 10*1440; m += 10 {
		x := s.bump(old, w, m, write)
		x.n = 0
		s.families[kindKey].Add(&x.count, nil, m, 5)
	}
	const m = 10 * 1440
	judge := func(k modelKey) float64 {
		x := s.newModelled(k, w)
		return s.families[kindKey].Foresee(&x.count, nil, m, 30).F
	}
	heir, stranger := judge(modelKey{kindKey, 3, 5, 0}), judge(modelKey{kindKey, 6, 5, 0})
	same := s.models[old].count
	require.InDelta(t, s.families[kindKey].Foresee(&same, nil, m, 30).F, heir, 1e-9)
	require.Greater(t, stranger, heir+1, "in a region where the identity has no key it is new")
}
