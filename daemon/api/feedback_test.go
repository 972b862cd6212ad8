package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/insight"
)

// worldReviews keeps what is said of the world's insights in memory, where the
// daemon's are in its event log.
type worldReviews struct {
	insights *insight.Store
	mtx      sync.Mutex
	said     map[string][]insight.Feedback // the newest first
}

func newWorldReviews(w *world) *worldReviews {
	return &worldReviews{insights: w.insights, said: map[string][]insight.Feedback{}}
}

func (r *worldReviews) Feedback(id string) []insight.Feedback {
	r.mtx.Lock()
	defer r.mtx.Unlock()
	return append([]insight.Feedback(nil), r.said[id]...)
}

func (r *worldReviews) FeedbackByID(id string) (insight.Feedback, bool) {
	r.mtx.Lock()
	defer r.mtx.Unlock()
	for _, list := range r.said {
		for _, f := range list {
			if f.ID == id {
				return f, true
			}
		}
	}
	return insight.Feedback{}, false
}

func (r *worldReviews) Review(id string, verdict insight.Judgement, note, by string) (insight.Feedback, []insight.Insight, int, error) {
	f, err := r.insights.Review(id, verdict, note)
	if err != nil {
		kind := ErrNotFound
		if strings.Contains(err.Error(), insight.ErrTakenBack.Error()) {
			kind = ErrConflict
		}
		return f, nil, 0, fmt.Errorf("%w: %w", kind, err)
	}
	f.By = by
	hidden, count := r.insights.Hidden(f, 10)
	return f, hidden, count, nil
}

func (r *worldReviews) GiveFeedback(_ context.Context, id string, verdict insight.Judgement, note, by string) (insight.Feedback, error) {
	f, _, _, err := r.Review(id, verdict, note, by)
	if err != nil {
		return f, err
	}
	r.mtx.Lock()
	defer r.mtx.Unlock()
	for n := range r.said[id] {
		r.said[id][n].State = insight.FeedbackReplaced
	}
	f.ID, f.At, f.From, f.State = fmt.Sprintf("%016x", len(r.said[id])+1), worldNow, worldNow.Add(-1800e9), insight.FeedbackInForce
	r.said[id] = append([]insight.Feedback{f}, r.said[id]...)
	return f, nil
}

func (r *worldReviews) UndoFeedback(_ context.Context, id, by string) (insight.Feedback, error) {
	r.mtx.Lock()
	defer r.mtx.Unlock()
	if list := r.said[id]; len(list) > 0 && list[0].State == insight.FeedbackInForce {
		at := worldNow
		list[0].State, list[0].UndoneBy, list[0].UndoneAt = insight.FeedbackUndone, by, &at
		return list[0], nil
	}
	return insight.Feedback{}, fmt.Errorf("%w: no feedback is in force of insight %q", ErrNotFound, id)
}

func (r *worldReviews) Rebaseline(ctx context.Context, id, note, by string) (insight.Rebaseline, error) {
	p, ok, err := worldKnowledge{}.Identity(ctx, id)
	if err != nil || !ok {
		return insight.Rebaseline{}, fmt.Errorf("%w: there is no identity of id %q", ErrNotFound, id)
	}
	return insight.Rebaseline{Identity: p.Identity, Note: note, By: by, At: worldNow, From: worldNow.Add(-1800e9), Until: worldNow.Add(23.5 * 3600e9)}, nil
}

func (w *world) post(path, body string, headers ...string) (int, answer) {
	w.t.Helper()
	if body != "" && len(headers) == 0 {
		headers = []string{"Content-Type", "application/json"}
	}
	code, _, b := w.call(http.MethodPost, path, strings.NewReader(body), headers...)
	return code, decode(w.t, b)
}

func TestBadFeedback(t *testing.T) {
	ready := true
	w := newWorld(t, func(o *Options) { o.Lifecycle.Ready = func() (bool, string) { return ready, "models are rebuilt" } })
	path := "/api/v1/insights/" + w.ids["calls"] + "/feedback"
	asJSON := []string{"Content-Type", "application/json"}
	f := func(path, body string, headers []string, code int, want string) {
		t.Helper()
		got, a := w.post(path, body, headers...)
		require.Equal(t, code, got, "%s: %s", body, a.Error)
		require.Contains(t, a.Error, want)
	}
	f(path, "", nil, 415, `the content type is ""`)
	f(path, `{"verdict":"up"}`, []string{"Content-Type", "text/plain"}, 415, "application/json")
	f(path, "verdict=up", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "application/json")
	f(path, "", asJSON, 400, "no JSON object")
	f(path, "up", asJSON, 400, "no JSON object")
	f(path, `["up"]`, asJSON, 400, "no JSON object")
	f(path, `null`, asJSON, 400, `"verdict" is ""`)
	f(path, `{"verdict":"sideways"}`, asJSON, 400, `"verdict" is "sideways": it is "up"`)
	f(path, `{"verdict":true}`, asJSON, 400, "no JSON object")
	f(path, `{"verdict":"up","comment":"x"}`, asJSON, 400, `unknown field "comment"`)
	f(path, `{"verdict":"up"}{"verdict":"down"}`, asJSON, 400, "goes on behind")
	f(path, `{"verdict":"up","note":"`+strings.Repeat("ä", 4001)+`"}`, asJSON, 400, "4001 characters, which is more than 4000")
	f(path, `{"verdict":"up","note":"`+strings.Repeat("x", maxSaid)+`"}`, asJSON, 413, "larger than 65536 bytes")
	f(path+"?dry_run=perhaps", `{"verdict":"up"}`, asJSON, 400, `invalid parameter "dry_run"`)
	f("/api/v1/insights/x/feedback", `{"verdict":"up"}`, asJSON, 404, "no such insight")
	f("/api/v1/insights/"+w.ids["back"]+"/feedback", `{"verdict":"up"}`, asJSON, 409, "nothing to judge")
	f("/api/v1/insights/"+w.ids["former"]+"/feedback", `{"verdict":"up"}`, asJSON, 409, "gave place to "+w.ids["calls"])
	f("/api/v1/identities/x/rebaseline", "", nil, 404, "no identity")
	f("/api/v1/identities/0a1b2c3d/rebaseline", `{"verdict":"up"}`, asJSON, 400, `unknown field "verdict"`)
	f("/api/v1/identities/0a1b2c3d/rebaseline", `{"note":"`+strings.Repeat("x", 4001)+`"}`, asJSON, 400, "more than 4000")

	code, _, b := w.call(http.MethodDelete, path, nil)
	require.Equal(t, http.StatusNotFound, code)
	require.Contains(t, decode(t, b).Error, "no feedback is in force")
	code, a := w.ask("/api/v1/insights/x/feedback")
	require.Equal(t, http.StatusNotFound, code, a.Error)

	ready = false
	f(path, `{"verdict":"up"}`, asJSON, 503, "not ready (models are rebuilt); try again")
	f("/api/v1/identities/0a1b2c3d/rebaseline", "", nil, 503, "not ready")
	code, _, _ = w.call(http.MethodDelete, path, nil)
	require.Equal(t, http.StatusServiceUnavailable, code)
}

// TestWhoSaidIt takes the name of the token, else that of a user, else the address.
func TestWhoSaidIt(t *testing.T) {
	by := func(w *world, headers ...string) string {
		t.Helper()
		code, a := w.post("/api/v1/insights/"+w.ids["calls"]+"/feedback", `{"verdict":"down"}`, append(headers, "Content-Type", "application/json")...)
		require.Equal(t, http.StatusOK, code, a.Error)
		var v feedbackView
		require.NoError(t, json.Unmarshal(a.Data, &v))
		return v.Feedback.By
	}
	open := newWorld(t, nil)
	require.Equal(t, "127.0.0.1", by(open))
	require.Equal(t, "anna", by(open, "Authorization", "Basic YW5uYTpzZWNyZXQ="))
	guarded := newWorld(t, withTokens)
	require.Equal(t, "root", by(guarded, bearer("admin-secret-0123456789")...))
	require.Equal(t, "root", by(guarded, "Authorization", "Basic YW5uYTpzZWNyZXQ=", "X-Insightd-Token", "admin-secret-0123456789"))
	// Who may only read may look.
	code, _, b := guarded.call(http.MethodGet, "/api/v1/insights/"+guarded.ids["calls"]+"/feedback", nil, bearer("read-secret-0123456789")...)
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, string(b), `"by":"root"`)
	// A page elsewhere may not have a browser say anything.
	code, _, _ = open.call(http.MethodDelete, "/api/v1/insights/"+open.ids["calls"]+"/feedback", nil, "Origin", "https://elsewhere.example", "Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusForbidden, code)
}

func TestAnInsightSaysWhatConfirmedIt(t *testing.T) {
	w := newWorld(t, nil)
	_, a := w.post("/api/v1/insights/"+w.ids["calls"]+"/feedback", `{"verdict":"down","note":"the new job"}`)
	var v feedbackView
	require.NoError(t, json.Unmarshal(a.Data, &v))
	in, ok := w.insights.Get(w.ids["failures"])
	require.True(t, ok)
	in.ID, in.Suppressed, in.ConfirmedBy = "quiet", "confirmed normal", v.Feedback.ID
	_, err := w.insights.Put(in)
	require.NoError(t, err)
	path := "/api/v1/insights/quiet"
	code, _, b := w.call(http.MethodGet, path, nil)
	require.Equal(t, http.StatusOK, code)
	fits(t, loadOpenAPI(t), golden{Method: http.MethodGet, Path: path, Pattern: "/api/v1/insights/{id}", Status: http.StatusOK}, b)
	var view struct {
		Feedback    []insight.Feedback
		ConfirmedBy *insight.Feedback
	}
	require.NoError(t, json.Unmarshal(decode(t, b).Data, &view))
	require.Empty(t, view.Feedback)
	require.Equal(t, "the new job", view.ConfirmedBy.Note)
	require.Equal(t, w.ids["calls"], view.ConfirmedBy.Insight)
}
