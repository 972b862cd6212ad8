package engine

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

func TestConfidenceTakesInWhatAgrees(t *testing.T) {
	s := newStream(event.StreamKey{Provider: "aws", Account: "1"}, &Options{lookers: newLookers}, Settings{})
	of := func(typ, who string, score float64, m models.Minute) insight.Insight {
		t.Helper()
		in := insight.Insight{Type: typ, Identity: who, Score: score, Reasons: []insight.Reason{{Feature: "rate", Observed: 1.0, Usual: 0.0, Contribution: score}}}
		s.confide(&in, who, 500, m)
		require.Equal(t, "rate", in.Reasons[0].Feature)
		return in
	}
	alone := of(insight.TypeAk, "ann", 4, 1000)
	require.Zero(t, alone.Agreeing())
	require.Len(t, alone.Reasons, 1)

	s.support(insight.TypeIP, "ann", 1000)
	s.support(insight.TypeAk, "ann", 1000) // Its own type supports none.
	s.support(insight.TypeIP, "bob", 1000)
	one := of(insight.TypeAk, "ann", 4, 1000)
	require.Equal(t, 1, one.Agreeing())
	require.Contains(t, one.Reasons[1].Text, insight.TypeIP)
	require.Zero(t, one.Reasons[1].Contribution)
	s.support(insight.TypeTrailConcealment, "ann", 1100)
	two := of(insight.TypeAk, "ann", 4, 1120)
	require.Equal(t, 2, two.Agreeing())
	require.GreaterOrEqual(t, two.Confidence, alone.Confidence)
	require.Len(t, s.agreeing(insight.TypeAk, "ann", 1121), 1, "two hours are over for the first")
	require.Empty(t, s.agreeing(insight.TypeAk, "", 1100), "nobody agrees with nobody")
	require.Equal(t, []string{insight.TypeAk, insight.TypeIP}, s.agreeing(insight.TypeTrailConcealment, "ann", 1050), "what comes later supports nothing")

	// Again, for a revision: it is said once.
	s.confide(&two, "ann", 500, 1121)
	require.Equal(t, 1, two.Agreeing())
	require.Len(t, two.Reasons, 2)

	// A type that supports again does so from then on.
	s.support(insight.TypeIP, "ann", 1110)
	require.Len(t, s.agreeing(insight.TypeAk, "ann", 1200), 2)
	s.keepAgreement(1225)
	require.Equal(t, map[string][]supported{"ann": {{insight.TypeIP, 1110}}}, s.agreement)
	s.keepAgreement(9999)
	require.Empty(t, s.agreement)
}

// Every type has a confidence, by the table or by the score itself, that rises
// with the score.
func TestConfidenceRises(t *testing.T) {
	s := newStream(event.StreamKey{Provider: "aws", Account: "1"}, &Options{lookers: newLookers}, Settings{})
	for _, typ := range []string{insight.TypeAPICallRate, insight.TypeAPIErrorRate, insight.TypeAk, insight.TypeIP, insight.TypePolicyChange, insight.TypeRule} {
		for _, live := range []int{0, 500} {
			last := 0.0
			for f := 1.0; f < 20; f += 0.5 {
				in := insight.Insight{Type: typ, Score: f}
				s.confide(&in, "", live, 1)
				require.GreaterOrEqual(t, in.Confidence, last)
				last = in.Confidence
			}
			require.LessOrEqual(t, last, 0.99)
		}
	}
}

// Thumbs of the stream move what the table says.
func TestConfidenceHearsThumbs(t *testing.T) {
	types := models.ShippedConfidence().Types()
	require.NotEmpty(t, types)
	for _, typ := range types {
		s := newStream(event.StreamKey{Provider: "aws", Account: "1"}, &Options{lookers: newLookers}, Settings{})
		in := insight.Insight{Type: typ, Score: 5}
		s.confide(&in, "", 500, 1)
		for n := range 40 {
			s.reviews.add(thumb{id: strconv.Itoa(n), typ: typ, score: 5})
		}
		down := insight.Insight{Type: typ, Score: 5}
		s.confide(&down, "", 500, 1)
		require.Less(t, down.Confidence, in.Confidence)
	}
}
