package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the API tells of itself. The label handler is the pattern of
// an endpoint, never a path.
type metrics struct {
	duration *prometheus.HistogramVec
	requests *prometheus.CounterVec
	pushed   *prometheus.CounterVec
	inFlight prometheus.Gauge
	streams  prometheus.Gauge
	// connections are those that are open, closed those that made room for
	// others or found none.
	connections prometheus.Gauge
	closed      *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "insightd_http_request_duration_seconds", Help: "How long requests took, by endpoint.",
			Buckets: []float64{.001, .005, .02, .1, .4, 1, 3, 10, 30, 120},
		}, []string{"handler"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "insightd_http_requests_total", Help: "Requests by endpoint and status code.",
		}, []string{"handler", "code"}),
		pushed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "insightd_http_pushed_events_total", Help: "Records that clients pushed, by what became of them and by the name of the client's token, empty where it has none.",
		}, []string{"result", "client"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "insightd_http_requests_in_flight", Help: "Requests that are being answered.",
		}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "insightd_http_streams", Help: "Open streams of insights.",
		}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "insightd_http_connections", Help: "Open connections.",
		}),
		closed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "insightd_http_connections_closed_total", Help: "Connections that were closed since there were too many: idle ones to make room, and refused ones where there was none.",
		}, []string{"reason"}),
	}
	if reg == nil {
		return m, nil
	}
	for n, c := range m.collectors() {
		if err := reg.Register(c); err != nil {
			for _, done := range m.collectors()[:n] {
				reg.Unregister(done)
			}
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.duration, m.requests, m.pushed, m.inFlight, m.streams, m.connections, m.closed}
}

func (m *metrics) unregister(reg prometheus.Registerer) {
	if reg == nil {
		return
	}
	for _, c := range m.collectors() {
		reg.Unregister(c)
	}
}

// instrument counts the requests of an endpoint. The time of streams is not
// taken: it says how long somebody listened.
func (m *metrics) instrument(handler string, stream bool, serve http.Handler) http.Handler {
	duration := m.duration.WithLabelValues(handler)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.inFlight.Inc()
		defer m.inFlight.Dec()
		started := time.Now()
		rec := &recorder{ResponseWriter: w, code: http.StatusOK}
		defer func() {
			if !stream {
				duration.Observe(time.Since(started).Seconds())
			}
			m.requests.WithLabelValues(handler, strconv.Itoa(rec.code)).Inc()
		}()
		serve.ServeHTTP(rec, r)
	})
}

// recorder remembers the status code of an answer.
type recorder struct {
	http.ResponseWriter
	code  int
	wrote bool
}

// WriteHeader remembers the first final code.
func (r *recorder) WriteHeader(code int) {
	if !r.wrote && code >= 200 {
		r.code, r.wrote = code, true
	}
	r.ResponseWriter.WriteHeader(code)
}

// Flush sends what was written; pprof asks for it in this way.
func (r *recorder) Flush() { _ = http.NewResponseController(r.ResponseWriter).Flush() }

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
