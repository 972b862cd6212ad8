package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/insightd/insightd/daemon/api"
	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/daemon/scenario"
)

// scenarioMemory is about how much memory a case may use, in bytes: several run
// at once, and each is about a few identities.
const scenarioMemory = 64 << 20

// ScenarioLine is the line that scenarios run through: that of a replay, in
// process, with a temporary log.
type ScenarioLine struct {
	// TempDir is where temporary event logs go; empty is the system's.
	TempDir string
	Logger  *slog.Logger
}

// Check says what is wrong with a configuration.
func (l *ScenarioLine) Check(yaml []byte) error {
	_, err := config.Parse("", yaml)
	first, ok := errors.AsType[*config.Error](err)
	switch {
	case err == nil:
		return nil
	case !ok:
		return err
	}
	text := first.Found + ", expected " + first.Expected
	if first.Do != "" {
		text += "; " + first.Do
	}
	return errors.New(text)
}

// Run reads records to the end and returns what was found.
func (l *ScenarioLine) Run(ctx context.Context, yaml []byte, records io.Reader, now time.Time) (scenario.Output, error) {
	c, err := config.Parse("the scenario's settings", yaml)
	if err != nil {
		return scenario.Output{}, err
	}
	r, err := Replay(ctx, ReplayOptions{
		Paths: []string{"-"}, Stdin: records, Config: c, TempDir: l.TempDir, Memory: scenarioMemory, Logger: l.Logger,
		Now: func() time.Time { return now },
	})
	if err != nil {
		return scenario.Output{}, err
	}
	return scenarioOutput(r)
}

// scenarioStep is how often the line moves on while a scenario is delivered live.
const scenarioStep = 5 * time.Minute

// scenarioClient is the push client that delivers live.
const scenarioClient = "scenario"

// Live pushes records when they are delivered and moves the line on meanwhile:
// what arrives is judged provisionally, and finally at the watermark.
func (l *ScenarioLine) Live(ctx context.Context, yaml []byte, deliveries *scenario.Deliveries) (scenario.Output, error) {
	c, err := config.Parse("the scenario's settings", yaml)
	if err != nil {
		return scenario.Output{}, err
	}
	begun := time.Now()
	var clock, last time.Time
	o := ReplayOptions{Config: c, TempDir: l.TempDir, Memory: scenarioMemory, Logger: l.Logger, Now: func() time.Time { return clock }}
	o.setDefaults()
	t, err := openTemporary(o)
	if err != nil {
		return scenario.Output{}, err
	}
	defer t.close()
	if deliveries.Len() > 0 {
		_, clock = deliveries.Append(nil, 0)
	}
	var body []byte
	step := func(to time.Time) error {
		if len(body) > 0 {
			clock = last
			if _, err := t.in.Push(ctx, scenarioClient, bytes.NewReader(body), api.PushOptions{MaxRecordBytes: int(c.Web.Limits.MaxRecordSize)}); err != nil {
				return err
			}
			body = body[:0]
			if err := t.engine.Preview(ctx); err != nil {
				return err
			}
		}
		clock = to
		return t.engine.Advance(ctx)
	}
	for i := range deliveries.Len() {
		var at time.Time
		line := len(body)
		body, at = deliveries.Append(body, i)
		if next := clock.Truncate(scenarioStep).Add(scenarioStep); at.Before(next) {
			body, last = append(body, '\n'), at
			continue
		}
		// What was delivered before goes first, and the record after it.
		record := append(bytes.Clone(body[line:]), '\n')
		body = body[:line]
		if err := step(at); err != nil {
			return scenario.Output{}, fmt.Errorf("delivering live: %w", err)
		}
		body, last = append(body, record...), at
	}
	if err := step(clock.Add(scenarioStep)); err != nil {
		return scenario.Output{}, fmt.Errorf("delivering live: %w", err)
	}
	if err := t.engine.Finish(ctx); err != nil {
		return scenario.Output{}, err
	}
	r, err := report(t.in, t.engine, t.store, begun)
	if err != nil {
		return scenario.Output{}, err
	}
	return scenarioOutput(r)
}

// scenarioOutput is a report as scenarios see it.
func scenarioOutput(r *Report) (scenario.Output, error) {
	out := scenario.Output{Events: r.Events, Failures: r.Failures}
	// What was told on arrival and taken back is nothing that was found.
	for _, in := range r.Insights {
		if in.State != insight.StateWithdrawn {
			out.Insights = append(out.Insights, in)
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, rec := range r.Records {
		if rec.InsightDetails.Provisional || rec.InsightDetails.State == insight.StateWithdrawn {
			continue
		}
		rec.InsightDetails.Revision, rec.InsightDetails.Supersedes = 0, ""
		if err := enc.Encode(rec); err != nil {
			return scenario.Output{}, fmt.Errorf("writing a record of the scenario: %w", err)
		}
	}
	out.Records = b.Bytes()
	return out, nil
}
