package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/insightd/insightd/daemon/event"
)

// Settings are what the configuration says to series and models. Which were in
// force is part of the event log, so that a rebuild repeats it.
type Settings struct {
	// Lateness is how much later than another event one may come.
	Lateness time.Duration `json:"lateness"`
	// Future is how far ahead of its receipt an event may be.
	Future time.Duration `json:"future"`
	// WarmUp is how long a stream only learns, in event time.
	WarmUp time.Duration `json:"warmUp"`
	// BudgetPerDay is how many incidents of an account are told in a day; 0 is
	// no limit.
	BudgetPerDay float64 `json:"budgetPerDay"`
	// SeriesPerAccount caps the stored series of an account; 0 is no limit.
	SeriesPerAccount int `json:"seriesPerAccount"`
	// SeriesInAll caps the stored series of all accounts; 0 is no limit. Which
	// account meets it first depends on who came first.
	SeriesInAll int `json:"seriesInAll"`
	// ModelStates caps the model states of an account: the longest idle ones
	// make room. 0 is no limit.
	ModelStates int `json:"modelStates"`
	// Identities caps the identities that are known of an account, likewise.
	Identities int `json:"identities"`
	// OpenInsights caps the insights of an account that are open at a time;
	// 0 is no limit.
	OpenInsights int `json:"openInsights"`
	// DataEvents lets the data category into the call-rate models.
	DataEvents bool `json:"dataEvents"`
	// Labels are of identities and resources; nil where there are none.
	Labels *Labels `json:"labels,omitempty"`
}

func (s *Settings) validate() error {
	if s.Lateness < 0 || s.Future < 0 || s.WarmUp < 0 {
		return errors.New("engine: a duration is negative")
	}
	return nil
}

// configData is the Data of a control record of the kind config.
type configData struct {
	Settings Settings `json:"settings"`
	// Versions name the catalogue and the databases that enrichment used.
	Versions map[string]string `json:"versions,omitempty"`
}

// settingsOf reads the settings of a config record.
func settingsOf(c *event.Control) (*Settings, error) {
	var d configData
	if err := json.Unmarshal(c.Data, &d); err != nil {
		return nil, err
	}
	return &d.Settings, nil
}

// Configure puts settings in force for what becomes final from the next watermark
// on, and notes them in the log. versions say what enrichment is made of. It changes
// nothing where both are as they were.
func (e *Engine) Configure(ctx context.Context, s Settings, versions map[string]string) error {
	if err := s.validate(); err != nil {
		return err
	}
	data, err := json.Marshal(configData{s, versions})
	if err != nil {
		return fmt.Errorf("noting the configuration: %w", err)
	}
	// Nobody's watermark may come between the record and its taking effect.
	e.controlMtx.Lock()
	defer e.controlMtx.Unlock()
	if string(data) == e.noted {
		return nil
	}
	if _, err := e.o.Log.AppendControl(ctx, event.Control{Kind: event.ControlConfig, Data: data}); err != nil {
		return fmt.Errorf("noting the configuration: %w", err)
	}
	e.noted = string(data)
	e.mtx.Lock()
	e.settings = s
	e.mtx.Unlock()
	return nil
}

// current are the settings in force.
func (e *Engine) current() Settings {
	e.mtx.RLock()
	defer e.mtx.RUnlock()
	return e.settings
}

// await has settings take effect with the next watermark, live and in every repetition:
// what was said before that is heard under those of before.
func (s *stream) await(set *Settings) { s.awaited = set }

// configure puts the settings in force that wait. The caller holds mtx.
func (s *stream) configure() {
	if s.awaited == nil {
		return
	}
	set := *s.awaited
	s.set, s.counts.set, s.awaited = set, set, nil
	if s.begun {
		s.budget.rate(set.BudgetPerDay)
	} else {
		s.budget = newBudget(set.BudgetPerDay)
	}
}
