package enrich

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

// traffic makes events as decoders leave them: users, people, workloads and
// services, some hundred addresses, some dozen user agents.
func traffic(n int) []event.Event {
	r := rand.New(rand.NewPCG(5, 6))
	operations := [][2]string{
		{"ec2.amazonaws.com", "DescribeInstances"},
		{"ec2.amazonaws.com", "RunInstances"},
		{"s3.amazonaws.com", "ListBuckets"},
		{"iam.amazonaws.com", "CreateUser"},
		{"sts.amazonaws.com", "AssumeRole"},
		{"lambda.amazonaws.com", "ListFunctions"},
		{"logs.amazonaws.com", "PutRetentionPolicy"},
		{"kms.amazonaws.com", "Decrypt"},
	}
	events := make([]event.Event, n)
	for i := range events {
		e := &events[i]
		op := operations[r.IntN(len(operations))]
		e.Provider, e.Account, e.Region, e.Service, e.Operation = "aws", "123456789012", "eu-west-1", op[0], op[1]
		e.Source.Address = fmt.Sprintf("84.%d.%d.%d", 128+r.IntN(8), r.IntN(8), r.IntN(8))
		e.UserAgent = fmt.Sprintf("aws-cli/2.%d.0 Python/3.11.6 Linux/5.10.0 exe/x86_64.amzn.2 prompt/off command/ec2.describe", r.IntN(20))
		k := r.IntN(100)
		switch {
		case k < 25:
			e.Actor = event.Actor{RawType: "IAMUser", ARN: fmt.Sprintf("arn:aws:iam::123456789012:user/u%d", k)}
		case k < 50:
			e.Actor = event.Actor{RawType: "AssumedRole", ARN: fmt.Sprintf("arn:aws:sts::123456789012:assumed-role/Admin/p%d@example.com", k), Issuer: "arn:aws:iam::123456789012:role/Admin"}
		case k < 70:
			e.Actor = event.Actor{RawType: "AssumedRole", ARN: fmt.Sprintf("arn:aws:sts::123456789012:assumed-role/Deploy%d/i-%017x", k, i), Issuer: fmt.Sprintf("arn:aws:iam::123456789012:role/Deploy%d", k)}
		case k < 85:
			e.Actor = event.Actor{RawType: "AssumedRole", ARN: fmt.Sprintf("arn:aws:sts::123456789012:assumed-role/Run%d/i-%017x", k, i)}
		case k < 95:
			e.Actor = event.Actor{RawType: "AWSService", InvokedBy: "autoscaling.amazonaws.com"}
			e.Source.Address = "autoscaling.amazonaws.com"
			e.UserAgent = "autoscaling.amazonaws.com"
		default:
			e.Actor = event.Actor{RawType: "AWSAccount", AccountID: "999988887777", PrincipalID: fmt.Sprintf("AROAEXAMPLE%d:x", k)}
		}
	}
	return events
}

func TestEnrichDoesNotAllocate(t *testing.T) {
	x := newEnricher(t, Options{})
	events := traffic(2000)
	for i := range events {
		x.Enrich(&events[i])
	}
	require.Zero(t, testing.AllocsPerRun(5, func() {
		for i := range events {
			x.Enrich(&events[i])
		}
	}))
}

// Several goroutines get what one alone gets.
func TestEnrichConcurrently(t *testing.T) {
	want := traffic(3000)
	alone := newEnricher(t, Options{})
	for i := range want {
		alone.Enrich(&want[i])
	}
	x := newEnricher(t, Options{PeopleSessions: []string{`never`}})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			got := traffic(3000)
			for i := range got {
				x.Enrich(&got[i])
			}
			if !reflect.DeepEqual(want, got) {
				t.Error("a goroutine got something else")
			}
		})
	}
	wg.Wait()
}

func BenchmarkEnrich(b *testing.B) {
	run := func(b *testing.B, o Options) {
		x := newEnricher(b, o)
		events := traffic(4096)
		i := 0
		b.ReportAllocs()
		for b.Loop() {
			x.Enrich(&events[i&4095])
			i++
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	}
	b.Run("default", func(b *testing.B) { run(b, Options{}) })
	b.Run("patterns", func(b *testing.B) { run(b, Options{PeopleSessions: []string{`person-\d+`, `ops|duty`}}) })
	b.Run("parallel", func(b *testing.B) {
		x := newEnricher(b, Options{})
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			events := traffic(4096)
			for i := 0; pb.Next(); i++ {
				x.Enrich(&events[i&4095])
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		newEnricher(b, Options{})
	}
}

// Addresses and user agents that are never seen twice, as under attack.
func BenchmarkEnrichCold(b *testing.B) {
	x := newEnricher(b, Options{})
	events := traffic(1 << 16)
	for i := range events {
		events[i].Source.Address = fmt.Sprintf("%d.%d.%d.%d", 1+i%220, i>>8&255, i&255, i*7&255)
		events[i].UserAgent = fmt.Sprintf("tool%d/1.0 (thing)", i)
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		x.Enrich(&events[i&(1<<16-1)])
		i++
	}
}
