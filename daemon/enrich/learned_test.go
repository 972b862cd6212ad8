package enrich

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

func TestLearnedSurvivesWriting(t *testing.T) {
	l := NewLearner()
	for day := range int32(9) {
		for person := range 4 {
			l.Observe(fmt.Sprintf("p%d", person), event.KindHuman, netip.MustParseAddr("198.51.100.7"), day)
			l.Observe(fmt.Sprintf("p%d", person), event.KindHuman, netip.MustParseAddr("2001:db8:5::1"), day)
		}
	}
	b, err := l.AppendBinary(nil)
	require.NoError(t, err)
	again := NewLearner()
	require.NoError(t, again.UnmarshalBinary(b))
	require.Len(t, l.Proposed(), 2)
	require.Equal(t, l.Proposed(), again.Proposed())
	for _, x := range []*Learner{l, again} {
		x.Observe("p9", event.KindHuman, netip.MustParseAddr("198.51.100.9"), 3)
	}
	require.Equal(t, l.Proposed(), again.Proposed())
	c, err := l.AppendBinary(nil)
	require.NoError(t, err)
	d, err := again.AppendBinary(nil)
	require.NoError(t, err)
	require.Equal(t, c, d)
	for n := range b {
		require.Error(t, NewLearner().UnmarshalBinary(b[:n]), "cut to %d bytes", n)
	}
}
