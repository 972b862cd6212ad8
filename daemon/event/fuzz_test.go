package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// checkScan holds the scanner to encoding/json over one text.
func checkScan(t *testing.T, b []byte) {
	t.Helper()
	n := skipDocument(b)
	require.Equal(t, json.Valid(b), n >= 0, "validity of %q", b)
	if n < 0 {
		at, _ := faultOf(n)
		require.LessOrEqual(t, at, len(b))
		require.NotEmpty(t, newSyntaxError(b, n).Error())
		return
	}
	if i := skipSpace(b, 0); b[i] == '"' {
		var want, got string
		require.NoError(t, json.Unmarshal(b, &want))
		require.Positive(t, stringValue(b, i, 0, &got))
		require.Equal(t, want, got)
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range scanCases {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkScan(t, b)
		// The same text inside a string and as a key takes other ways.
		quoted, err := json.Marshal(string(b))
		require.NoError(t, err)
		checkScan(t, quoted)
		checkScan(t, append(append([]byte(`"`), b...), '"'))
		checkScan(t, append(append([]byte(`{"a":[`), b...), "]}"...))
	})
}

// reference is a decoder written over encoding/json, with no eye on speed. The
// fuzz targets hold the decoders to it.
type reference func(raw []byte) (Event, verdict, error)

// checkCloudTrail holds CloudTrail's decoder to its reference over one text.
func checkCloudTrail(t *testing.T, b []byte) {
	t.Helper()
	checkDecoder(t, &cloudTrailDecoder, referenceDecode, b)
}

// checkRecord holds all decoders to their references.
func checkRecord(t *testing.T, b []byte) {
	t.Helper()
	for d, ref := range references {
		checkDecoder(t, d, ref, b)
	}
}

var references = map[*decoder]reference{
	&cloudTrailDecoder:  referenceDecode,
	&kubernetesDecoder:  referenceKubernetes,
	&actionTrailDecoder: referenceActionTrail,
	&cadfDecoder:        referenceCADF,
}

// checkDecoder holds a decoder to its reference over one text.
func checkDecoder(t *testing.T, d *decoder, ref reference, b []byte) {
	t.Helper()
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 || b[0] != '{' {
		return
	}
	var (
		got Event
		p   stringPool
	)
	n, v, err := d.decode(b, &got, &p)
	if v == verdictInside {
		require.Less(t, n, len(b))
		return
	}
	if v == verdictForeign {
		if n = skipValue(b, 0, 0); n < 0 {
			return // It was seen to be another's before it was seen to be broken.
		}
	}
	want, wantVerdict, wantErr := ref(b)
	if v != verdictBroken {
		// What follows the record is not the decoder's business.
		want, wantVerdict, wantErr = ref(b[:n])
	}
	require.Equal(t, wantVerdict, v, "%s of %q: %v, %v", d.provider, b, wantErr, err)
	if v == verdictDecoded {
		require.Equal(t, want, got)
	}
}

func FuzzCloudTrail(f *testing.F) {
	for _, b := range fixtures(f, "testdata") {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkCloudTrail(t, b) })
}

// fuzzDecoder fuzzes a decoder from the records of a folder of testdata.
func fuzzDecoder(f *testing.F, d *decoder) {
	for _, b := range fixtures(f, "testdata/"+d.provider) {
		f.Add(b)
		r := NewReader(bytes.NewReader(b), ReaderOptions{})
		for {
			var e Event
			if r.Next(&e) != nil {
				break
			}
			f.Add(e.Raw)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkDecoder(t, d, references[d], b) })
}

func FuzzKubernetes(f *testing.F)  { fuzzDecoder(f, &kubernetesDecoder) }
func FuzzActionTrail(f *testing.F) { fuzzDecoder(f, &actionTrailDecoder) }
func FuzzCADF(f *testing.F)        { fuzzDecoder(f, &cadfDecoder) }

// fixtures are the files of a folder.
func fixtures(tb testing.TB, folder string) (files [][]byte) {
	tb.Helper()
	names, err := filepath.Glob(folder + "/*.json")
	require.NoError(tb, err)
	require.NotEmpty(tb, names)
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(tb, err)
		files = append(files, b)
	}
	return files
}

// FuzzReader reads any text to its end: it must come to it, whatever the
// pieces that the text arrives in, and give the same each time.
func FuzzReader(f *testing.F) {
	for _, folder := range []string{"testdata", "testdata/kubernetes", "testdata/alibaba", "testdata/ibm"} {
		for _, b := range fixtures(f, folder) {
			f.Add(b)
			f.Add(zip(b))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		whole := outcomes(t, bytes.NewReader(b), ReaderOptions{MaxRecordBytes: 1 << 20})
		if len(b) < 10000 {
			bytewise := outcomes(t, iotest.OneByteReader(bytes.NewReader(b)), ReaderOptions{MaxRecordBytes: 1 << 20})
			require.Equal(t, whole, bytewise)
		}
		outcomes(t, bytes.NewReader(b), ReaderOptions{MaxRecordBytes: 64})
	})
}

// outcomes reads r to its end and returns a line for each event and error.
func outcomes(t testing.TB, r io.Reader, o ReaderOptions) (lines []string) {
	t.Helper()
	d := NewReader(r, o)
	var e Event
	for limit := 0; ; limit++ {
		require.Less(t, limit, 1_000_000, "the reader does not end")
		err := d.Next(&e)
		var bad *RecordError
		switch {
		case err == nil:
			require.Equal(t, e.Raw, bytes.TrimSpace(e.Raw))
			lines = append(lines, e.UID)
			var again Event
			require.NoError(t, Decode(e.Provider, e.Raw, &again))
			again.Received = e.Received
			if again.Account == "" {
				again.Account = e.Account // What is around a record may name the cluster.
			}
			require.Equal(t, e, again)
		case errors.As(err, &bad):
			require.Positive(t, bad.Record)
			lines = append(lines, err.Error())
		default:
			require.Equal(t, err, d.Next(&e), "the last error is repeated")
			lines = append(lines, strings.TrimSpace(err.Error()))
			return lines
		}
	}
}
