package plugin

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/experimental/concurrent"

	"github.com/insightd/insightd/grafana-plugin/pkg/insightd"
)

// maxConcurrent is how many queries of one request are asked at once: the daemon
// answers 16 searches at a time by default, and there are other dashboards.
const maxConcurrent = 6

// answers make the frames of each query type.
var answers = map[string]func(*request, context.Context) (data.Frames, error){
	TypePromQL:     (*request).promql,
	TypeBands:      (*request).bands,
	TypeInsights:   (*request).insights,
	TypeConfidence: (*request).confidence,
	TypeEvents:     (*request).events,
	TypeMap:        (*request).places,
	TypeIdentities: (*request).identities,
	TypeCoverage:   (*request).coverage,
}

// QueryData answers every query of a request. One that fails fails alone.
func (d *Datasource) QueryData(ctx context.Context, req *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	alert := fromAlert(req)
	return concurrent.QueryData(ctx, req, func(ctx context.Context, q concurrent.Query) backend.DataResponse {
		frames, err := d.answer(ctx, q.DataQuery, alert)
		if err != nil {
			return failed(ctx, err)
		}
		for _, f := range frames {
			f.RefID = q.DataQuery.RefID
		}
		return backend.DataResponse{Frames: frames, Status: backend.StatusOK}
	}, maxConcurrent)
}

// fromAlert reports whether an alert rule asks.
func fromAlert(req *backend.QueryDataRequest) bool {
	for name, v := range req.Headers {
		if strings.EqualFold(name, "FromAlert") || strings.EqualFold(name, "http_FromAlert") {
			return v == "true"
		}
	}
	return false
}

func (d *Datasource) answer(ctx context.Context, dq backend.DataQuery, alert bool) (data.Frames, error) {
	q, err := ParseQuery(dq.JSON)
	if err != nil {
		return nil, err
	}
	if alert && !q.alertable() {
		return nil, wrongf("alert rules cannot evaluate queries of the type %s in the form %s, which are tables or logs: use confidence, promql, bands, or events in the form volume", q.QueryType, q.Format)
	}
	r, err := d.request(q, dq)
	if err != nil {
		return nil, err
	}
	return answers[q.QueryType](r, ctx)
}

// statusCanceled is nginx's code for a client that went away.
const statusCanceled backend.Status = 499

// failed makes a response of an error: its status, and whose fault it is. What
// the daemon, the network or the writer of the query did is downstream.
func failed(ctx context.Context, err error) backend.DataResponse {
	status, source := backend.StatusInternal, backend.ErrorSourcePlugin
	if w, ok := errors.AsType[wrong](err); ok {
		status, source = backend.StatusBadRequest, backend.ErrorSourceDownstream
		err = w
	} else if s, ok := statusOf(err); ok {
		status, source = s, backend.ErrorSourceDownstream
	}
	if source == backend.ErrorSourcePlugin {
		backend.Logger.FromContext(ctx).Error("A query failed", "err", err)
	}
	return backend.DataResponse{Error: err, Status: status, ErrorSource: source}
}

// statusOf is the status that a failure of the client stands for.
func statusOf(err error) (backend.Status, bool) {
	for _, k := range []struct {
		kind   error
		status backend.Status
	}{
		{context.Canceled, statusCanceled},
		{context.DeadlineExceeded, backend.StatusTimeout},
		{insightd.ErrAway, backend.StatusBadGateway},
		{insightd.ErrNotInsightd, backend.StatusBadGateway},
		{insightd.ErrTooOld, backend.StatusNotImplemented},
		{insightd.ErrNotReady, http.StatusServiceUnavailable},
		{insightd.ErrUnauthorized, backend.StatusUnauthorized},
		{insightd.ErrForbidden, backend.StatusForbidden},
		{insightd.ErrNotFound, backend.StatusNotFound},
		{insightd.ErrBadRequest, backend.StatusBadRequest},
		{insightd.ErrTooLarge, backend.StatusBadRequest},
		{insightd.ErrTimeout, backend.StatusTimeout},
		{insightd.ErrInternal, backend.StatusBadGateway},
	} {
		if errors.Is(err, k.kind) {
			return k.status, true
		}
	}
	return 0, false
}
