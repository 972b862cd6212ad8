package daemon

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/insightd/insightd/daemon/api"
	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/engine"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/daemon/scenario"
)

const (
	// scenarioStep is how often the line moves on while a scenario is delivered
	// live.
	scenarioStep = 5 * time.Minute
	// scenarioClient is the push client that delivers live, and who acts.
	scenarioClient = "scenario"
)

// Live pushes records when they are delivered and moves the line on meanwhile:
// what arrives is judged provisionally, and finally at the watermark.
func (l *ScenarioLine) Live(ctx context.Context, yaml []byte, deliveries *scenario.Deliveries) (scenario.Output, error) {
	c, err := scenarioConfig(yaml)
	if err != nil {
		return scenario.Output{}, err
	}
	begun := time.Now()
	p := &stage{config: c, actions: deliveries.Actions()}
	o := ReplayOptions{Config: c, TempDir: l.TempDir, Memory: scenarioMemory, Logger: l.Logger, Now: func() time.Time { return p.clock }}
	o.setDefaults()
	if p.temporary, err = openTemporary(o); err != nil {
		return scenario.Output{}, err
	}
	defer p.close()
	if err := p.play(ctx, deliveries); err != nil {
		return scenario.Output{}, err
	}
	if err := p.engine.Finish(ctx); err != nil {
		return scenario.Output{}, err
	}
	r, err := report(p.in, p.engine, p.store, begun)
	if err != nil {
		return scenario.Output{}, err
	}
	return scenarioOutput(r)
}

// stage is a temporary line on which a scenario is played.
type stage struct {
	*temporary
	config  *config.Config
	actions []scenario.Action
	// clock is what the line takes for the time, and last when the newest record
	// of body came.
	clock, last time.Time
	// body are records that have come and are not pushed.
	body []byte
}

// play delivers every record, and carries out every action at its time.
func (p *stage) play(ctx context.Context, deliveries *scenario.Deliveries) error {
	var record []byte
	for i := range deliveries.Len() {
		var at time.Time
		record, at = deliveries.Append(record[:0], i)
		if p.clock.IsZero() {
			p.clock = at
		}
		if err := p.act(ctx, at); err != nil {
			return err
		}
		if !at.Before(p.clock.Truncate(scenarioStep).Add(scenarioStep)) {
			if err := p.step(ctx, at); err != nil {
				return err
			}
		}
		p.body, p.last = append(append(p.body, record...), '\n'), at
	}
	if err := p.step(ctx, p.clock.Add(scenarioStep)); err != nil {
		return err
	}
	return p.act(ctx, time.Unix(1<<33, 0)) // What is left of them.
}

// step pushes what has come, has it judged, and moves the clock and the line on.
func (p *stage) step(ctx context.Context, to time.Time) error {
	if len(p.body) > 0 {
		p.clock = p.last
		o := api.PushOptions{MaxRecordBytes: int(p.config.Web.Limits.MaxRecordSize)}
		if _, err := p.in.Push(ctx, scenarioClient, bytes.NewReader(p.body), o); err != nil {
			return fmt.Errorf("delivering live: %w", err)
		}
		p.body = p.body[:0]
		if err := p.engine.Preview(ctx); err != nil {
			return fmt.Errorf("judging what arrived: %w", err)
		}
	}
	p.clock = to
	if err := p.engine.Advance(ctx); err != nil {
		return fmt.Errorf("moving the watermark: %w", err)
	}
	return nil
}

// act carries out the actions before a time.
func (p *stage) act(ctx context.Context, before time.Time) error {
	for ; len(p.actions) > 0 && p.actions[0].At.Before(before); p.actions = p.actions[1:] {
		a := &p.actions[0]
		if a.At.After(p.clock) {
			if err := p.step(ctx, a.At); err != nil {
				return err
			}
		}
		do := p.judge
		if a.Identity != "" {
			do = p.rebaseline
		}
		if err := do(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// rebaseline has an identity learned anew.
func (p *stage) rebaseline(ctx context.Context, a *scenario.Action) error {
	q := engine.IdentityQuery{Text: a.Identity, Limit: 1000}
	if a.Account != "" {
		q.Account = []string{a.Account}
	}
	list, _, err := p.engine.Identities(ctx, q)
	if err != nil {
		return fmt.Errorf("looking for the identity of a re-baseline: %w", err)
	}
	for _, who := range list {
		if who.Identity == a.Identity {
			_, _, err := p.engine.Rebaseline(ctx, who.ID, "", scenarioClient)
			return err
		}
	}
	return a.Unknown()
}

// judge gives a verdict on insights.
func (p *stage) judge(ctx context.Context, a *scenario.Action) error {
	all, err := listAll(p.store)
	if err != nil {
		return err
	}
	ids, err := a.Chosen(standing(all))
	if err != nil {
		return err
	}
	for _, id := range ids {
		f, err := p.store.Review(id, a.Verdict, "")
		if err != nil {
			return fmt.Errorf("reviewing an insight: %w", err)
		}
		f.By = scenarioClient
		if _, err := p.engine.GiveFeedback(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// standing are the insights that were not taken back.
func standing(list []insight.Insight) []insight.Insight {
	var out []insight.Insight
	for _, in := range list {
		if in.State != insight.StateWithdrawn {
			out = append(out, in)
		}
	}
	return out
}
