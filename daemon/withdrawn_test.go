package daemon

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/simulate"
)

// TestFewInsightsAreWithdrawn plays traffic to the line as CloudTrail delivers
// it, late and out of order, while a clock moves: what was told on arrival has to
// hold.
func TestFewInsightsAreWithdrawn(t *testing.T) {
	o := simulate.Options{Seed: 31, Days: 9, WarmupDays: 5, Identities: 40, Activity: 0.4, Incidents: 10, Benign: 1, Late: true, Duplicates: 0.02}
	traffic, err := simulate.New(o)
	require.NoError(t, err)
	c, err := config.Parse("", nil)
	require.NoError(t, err)

	p := &stage{config: c}
	ro := ReplayOptions{Config: c, TempDir: t.TempDir(), Memory: scenarioMemory, Now: func() time.Time { return p.clock }}
	ro.setDefaults()
	p.temporary, err = openTemporary(ro)
	require.NoError(t, err)
	defer p.close()
	ctx := context.Background()
	for r := range traffic.Records() {
		at := r.Delivered
		if p.clock.IsZero() {
			p.clock = at
		}
		if !at.Before(p.clock.Truncate(scenarioStep).Add(scenarioStep)) {
			require.NoError(t, p.step(ctx, at))
		}
		p.body, p.last = append(append(p.body, r.JSON...), '\n'), at
	}
	require.NoError(t, p.step(ctx, p.clock.Add(scenarioStep)))
	require.NoError(t, p.engine.Finish(ctx))

	totals := p.store.Totals()
	t.Logf("%d told on arrival, %d withdrawn, %d replaced", totals.Told, totals.Withdrawn, totals.Superseded)
	require.Greater(t, totals.Told, 50)
	require.LessOrEqual(t, float64(totals.Withdrawn), 0.05*float64(totals.Told))
}
