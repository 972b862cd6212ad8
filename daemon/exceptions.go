package daemon

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/insightd/insightd/daemon/api"
	"github.com/insightd/insightd/daemon/engine"
	"github.com/insightd/insightd/daemon/insight"
)

// exceptions takes what users except to the engine, which records and follows it.
type exceptions struct{ d *Daemon }

func (x exceptions) Exceptions() []insight.Exception { return x.d.engine.Exceptions() }

func (x exceptions) Exception(id string) (insight.Exception, bool) { return x.d.engine.Exception(id) }

func (x exceptions) Excepted(of insight.Exception, limit int) ([]insight.Insight, int) {
	return x.d.insights.Excepted(&of, limit)
}

func (x exceptions) PutException(ctx context.Context, put insight.Exception) (insight.Exception, error) {
	put, err := x.d.engine.PutException(ctx, put)
	return put, exceptionError(err)
}

func (x exceptions) DeleteException(ctx context.Context, id, by string) (insight.Exception, error) {
	out, err := x.d.engine.DeleteException(ctx, id, by)
	return out, exceptionError(err)
}

// exceptionError is an error in the API's words.
func exceptionError(err error) error {
	switch {
	case errors.Is(err, engine.ErrNoException):
		return fmt.Errorf("%w: %w", api.ErrNotFound, err)
	case errors.Is(err, engine.ErrExceptionLimit), errors.Is(err, engine.ErrConfigured):
		return fmt.Errorf("%w: %w", api.ErrConflict, err)
	}
	return err
}

var (
	exceptionsDesc = prometheus.NewDesc("insightd_exceptions", "Exceptions that are listed, by kind and state: scheduled, active, expired or deleted.", []string{"kind", "state"}, nil)
	swallowedDesc  = prometheus.NewDesc("insightd_exception_insights_swallowed_total", "Insights that an exception kept from being told, of those that are listed.", []string{"id", "kind"}, nil)
)

// exceptionsCollector tells of the exceptions.
type exceptionsCollector struct{ d *Daemon }

func (c exceptionsCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- exceptionsDesc
	ch <- swallowedDesc
}

func (c exceptionsCollector) Collect(ch chan<- prometheus.Metric) {
	type key struct{ kind, state string }
	n := map[key]int{}
	for _, k := range insight.ExceptionKinds {
		for _, s := range insight.ExceptionStates {
			n[key{string(k), s}] = 0
		}
	}
	if c.d.engine != nil {
		for _, x := range c.d.engine.Exceptions() {
			n[key{string(x.Kind), x.State}]++
			ch <- prometheus.MustNewConstMetric(swallowedDesc, prometheus.CounterValue, float64(x.Swallowed), x.ID, string(x.Kind))
		}
	}
	for k, count := range n {
		ch <- prometheus.MustNewConstMetric(exceptionsDesc, prometheus.GaugeValue, float64(count), k.kind, k.state)
	}
}
