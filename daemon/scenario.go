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
	c, err := scenarioConfig(yaml)
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

// scenarioConfig is the configuration of a scenario's settings. One that says
// nothing of rules has none: it is about models, and what rules find of its traffic
// is for their own tests.
func scenarioConfig(yaml []byte) (*config.Config, error) {
	return config.ParseOver(scenarioDefaults(), "the scenario's settings", yaml)
}

func scenarioDefaults() *config.Config {
	c := config.Default()
	c.Rules.Packs = nil
	return c
}

// scenarioOutput is a report as scenarios see it.
func scenarioOutput(r *Report) (scenario.Output, error) {
	// What was told on arrival and taken back is nothing that was found.
	out := scenario.Output{Insights: standing(r.Insights), Events: r.Events, Failures: r.Failures}
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
