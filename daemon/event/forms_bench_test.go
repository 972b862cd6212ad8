package event

import "testing"

// BenchmarkForms decodes the records of testdata one by one, as BenchmarkScan
// does CloudTrail's.
func BenchmarkForms(b *testing.B) {
	for _, f := range []struct {
		name, folder, file string
		d                  *decoder
	}{
		{"azure-export", "azure", "eventhub.json", &azureDecoder},
		{"azure-rest", "azure", "rest.json", &azureDecoder},
		{"entra-export", "azure", "entra-export.json", &azureDecoder},
		{"gcp", "gcp", "storage.json", &gcpDecoder},
		{"ocsf", "ocsf", "lake.json", &ocsfDecoder},
	} {
		b.Run(f.name, func(b *testing.B) {
			var records [][]byte
			size := 0
			for _, e := range recordsOf(b, fileOf(b, f.folder, f.file)) {
				records = append(records, e.Raw)
				size += len(e.Raw)
			}
			var (
				e Event
				p = stringPool{size: 128}
			)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for _, raw := range records {
					if _, v, err := f.d.decode(raw, &e, &p); v != verdictDecoded {
						b.Fatal(err)
					}
				}
			}
			perEvent(b, len(records))
			b.ReportMetric(float64(size)/float64(len(records)), "bytes/event")
		})
	}
}
