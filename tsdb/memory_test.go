package tsdb

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"
)

// shapes makes n series in about the mix that an account makes of identities,
// APIs, keys and sources.
func shapes(n int) []*Series {
	out := make([]*Series, n)
	services := []string{"ec2.amazonaws.com", "s3.amazonaws.com", "iam.amazonaws.com", "sts.amazonaws.com", "lambda.amazonaws.com"}
	for i := range out {
		region := fmt.Sprintf("eu-central-%d", i%4)
		identity := fmt.Sprintf("arn:aws:iam::123456789012:role/service-role/team-%d-workload-%d", i%97, i/9)
		service, operation := services[i%len(services)], fmt.Sprintf("DescribeThings%d", i%311)
		base := []string{LabelProvider, "aws", LabelAccount, "123456789012", LabelOutcome, []string{"success", "error"}[i%2]}
		switch k := i % 10; {
		case k < 2:
			base = append(base, labels.MetricName, MetricEvents, LabelRegion, region, LabelService, service,
				LabelOperation, fmt.Sprintf("Operation%d", i), LabelCategory, "management", LabelAccess, "read")
		case k < 4:
			base = append(base, labels.MetricName, MetricIdentityEvents, LabelRegion, region, LabelIdentity, identity, LabelIdentityKind, "role", LabelAccess, "write")
		case k < 9:
			base = append(base, labels.MetricName, MetricIdentityAPIEvents, LabelRegion, region, LabelIdentity, identity,
				LabelService, service, LabelOperation, operation, LabelAccess, "write")
		default:
			base = append(base, labels.MetricName, MetricCredentialEvents, LabelRegion, region, LabelCredential, fmt.Sprintf("AKIAIOSFODNN%08d", i), LabelAccess, "write")
		}
		out[i] = NewSeries(labels.FromStrings(base...))
	}
	return out
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkHeadMemory reports how much of the heap a series takes that is active
// once an hour, and one that is active every minute for two hours: handles, and
// what Prometheus holds; and the same after a restart, without handles.
func BenchmarkHeadMemory(b *testing.B) {
	const n = 100_000
	for _, minutes := range []int{1, 120} {
		b.Run(fmt.Sprintf("%dminutes", minutes), func(b *testing.B) {
			for b.Loop() {
				dir := b.TempDir()
				o := Options{Dir: dir, Now: func() time.Time { return epoch.AddDate(1, 0, 0) }}
				before := heap()
				db, err := Open(o)
				require.NoError(b, err)
				empty := heap()
				series := shapes(n)
				handles := heap()
				batch := make([]Sample, n)
				for m := range minutes {
					for i, s := range series {
						batch[i] = Sample{Series: s, T: SampleTime(epoch.Add(time.Duration(m) * time.Minute)), V: float64(i % 7)}
					}
					require.NoError(b, db.Append(batch))
				}
				live := heap() // The batch is not looked at any more.
				b.ReportMetric(float64(empty-before), "B/empty")
				b.ReportMetric(float64(handles-empty)/n, "B/handle")
				b.ReportMetric(float64(live-handles)/n, "B/headseries")
				b.ReportMetric(float64(db.head.Head().NumSeries()), "series")
				runtime.KeepAlive(series)
				require.NoError(b, db.Close())
				closed := heap()
				db, err = Open(o)
				require.NoError(b, err)
				b.ReportMetric(float64(int64(heap())-int64(closed))/n, "B/restarted")
				require.NoError(b, db.Close())
			}
		})
	}
}
