package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/engine"
	"github.com/insightd/insightd/daemon/insight"
)

// worldExceptions are those of a real engine over the world's log.
type worldExceptions struct {
	*engine.Engine
	insights *insight.Store
}

func newWorldExceptions(w *world) worldExceptions {
	e, err := engine.New(engine.Options{Log: w.log, Insights: w.insights, Now: func() time.Time { return worldNow }})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, e.Close()) })
	return worldExceptions{e, w.insights}
}

func (x worldExceptions) Excepted(of insight.Exception, limit int) ([]insight.Insight, int) {
	return x.insights.Excepted(&of, limit)
}

func (x worldExceptions) PutException(ctx context.Context, put insight.Exception) (insight.Exception, error) {
	if put.ID == "" {
		put.ID = fmt.Sprintf("%016x", len(x.Exceptions())+1)
	}
	return x.Engine.PutException(ctx, put)
}

func (x worldExceptions) DeleteException(ctx context.Context, id, by string) (insight.Exception, error) {
	out, err := x.Engine.DeleteException(ctx, id, by)
	switch {
	case errors.Is(err, engine.ErrNoException):
		err = fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.Is(err, engine.ErrConfigured):
		err = fmt.Errorf("%w: %w", ErrConflict, err)
	}
	return out, err
}

// exception is the id of the first exception that is made.
func (w *world) exception() string { return fmt.Sprintf("%016x", 1) }

func TestBadExceptions(t *testing.T) {
	ready := true
	w := newWorld(t, func(o *Options) { o.Lifecycle.Ready = func() (bool, string) { return ready, "models are rebuilt" } })
	const good = `{"kind":"mute","owner":"anna","reason":"known","expires":"2026-03-13T18:00:00Z","scope":{"identity":"*:user/anna"}}`
	f := func(from, to string, code int, want string) {
		t.Helper()
		require.Contains(t, good, from)
		got, a := w.post("/api/v1/exceptions", strings.Replace(good, from, to, 1))
		require.Equal(t, code, got, a.Error)
		require.Contains(t, a.Error, want)
	}
	f(`"identity":"*:user/anna"`, ``, 400, "at least one of provider, account, identity")
	f(`"*:user/anna"`, `"*"`, 400, "say of what it is to be: an exception of everything is none")
	f(`"identity":"*:user/anna"`, `"network":"198.51.100.0/33"`, 400, `"scope.network": found "198.51.100.0/33", expected a CIDR`)
	f(`"identity":"*:user/anna"`, `"networks":"corporate"`, 400, `unknown field "networks"`)
	f(`"mute"`, `"silence"`, 400, "mute, allow or maintenance")
	f(`"mute"`, `"maintenance"`, 400, "when the window begins")
	f(`"owner":"anna",`, ``, 400, "who answers for it")
	f(`"reason":"known",`, ``, 400, "why it is needed")
	f(`"expires":"2026-03-13T18:00:00Z",`, ``, 400, "when it is over")
	f(`2026-03-13`, `2026-03-08`, 400, "which is over")
	f(`2026-03-13`, `2027-03-13`, 400, "at most 366 days ahead")
	f(`"known"`, `"`+strings.Repeat("x", 1001)+`"`, 400, "1001 bytes, expected at most 1000")
	code, a := w.ask("/api/v1/exceptions?state=open")
	require.Equal(t, http.StatusBadRequest, code)
	require.Contains(t, a.Error, "active, scheduled, expired or deleted")
	code, _ = w.ask("/api/v1/exceptions/unknown")
	require.Equal(t, http.StatusNotFound, code)
	ready = false
	f("mute", "allow", 503, "not ready (models are rebuilt)")
}
