package vitals

import (
	"math"
	"strconv"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/labels"
)

// sample is one value of a metric under the name that /metrics shows. pairs are
// the metric's labels; extra, where it has a name, is the bound of a bucket or
// the quantile.
type sample struct {
	name       string
	pairs      []*dto.LabelPair
	extra      string
	extraValue string
	value      float64
}

// key appends what tells series apart. Labels of a gathered metric are in order.
func (s *sample) key(b []byte) []byte {
	b = append(append(b, s.name...), 0xff)
	for _, p := range s.pairs {
		b = append(append(b, p.GetName()...), 0xff)
		b = append(append(b, p.GetValue()...), 0xff)
	}
	return append(append(b, s.extra...), s.extraValue...)
}

func (s *sample) labels() labels.Labels {
	b := labels.NewScratchBuilder(len(s.pairs) + 2)
	b.Add(labels.MetricName, s.name)
	for _, p := range s.pairs {
		if p.GetValue() != "" {
			b.Add(p.GetName(), p.GetValue())
		}
	}
	if s.extra != "" {
		b.Add(s.extra, s.extraValue)
	}
	b.Sort()
	return b.Labels()
}

// samples calls yield with every sample of a family, as the text format has
// them.
func samples(f *dto.MetricFamily, yield func(sample)) {
	name := f.GetName()
	for _, m := range f.GetMetric() {
		s := sample{name: name, pairs: m.GetLabel()}
		switch f.GetType() {
		case dto.MetricType_COUNTER:
			s.value = m.GetCounter().GetValue()
			yield(s)
		case dto.MetricType_GAUGE:
			s.value = m.GetGauge().GetValue()
			yield(s)
		case dto.MetricType_SUMMARY:
			h := m.GetSummary()
			for _, q := range h.GetQuantile() {
				q := sample{name: name, pairs: s.pairs, extra: "quantile", extraValue: number(q.GetQuantile()), value: q.GetValue()}
				yield(q)
			}
			yield(sample{name: name + "_sum", pairs: s.pairs, value: h.GetSampleSum()})
			yield(sample{name: name + "_count", pairs: s.pairs, value: float64(h.GetSampleCount())})
		case dto.MetricType_HISTOGRAM:
			h := m.GetHistogram()
			last := math.Inf(-1)
			for _, b := range h.GetBucket() {
				last = b.GetUpperBound()
				yield(sample{name: name + "_bucket", pairs: s.pairs, extra: "le", extraValue: number(last), value: float64(b.GetCumulativeCount())})
			}
			if !math.IsInf(last, 1) {
				yield(sample{name: name + "_bucket", pairs: s.pairs, extra: "le", extraValue: "+Inf", value: float64(h.GetSampleCount())})
			}
			yield(sample{name: name + "_sum", pairs: s.pairs, value: h.GetSampleSum()})
			yield(sample{name: name + "_count", pairs: s.pairs, value: float64(h.GetSampleCount())})
		default:
			s.value = m.GetUntyped().GetValue()
			yield(s)
		}
	}
}

// number writes a bound as the text format does.
func number(v float64) string {
	if math.IsInf(v, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
