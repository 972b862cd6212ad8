package event

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// dataFolder holds public audit logs that nobody of this project wrote. They
// are not part of the tree.
const dataFolder = "../../../shared/data"

// tally is what came of the files of a folder.
type tally struct {
	files, events, errors, rejected int
	// reasons counts the errors by what they say behind the place.
	reasons map[string]int
}

// readFolder reads the files under a folder.
func readFolder(t *testing.T, folder string, wanted func(name string) bool) tally {
	t.Helper()
	root := filepath.Join(dataFolder, folder)
	if _, err := os.Stat(root); err != nil {
		t.Skipf("the public audit logs are not here: %v", err)
	}
	sum := tally{reasons: map[string]int{}}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !wanted(path) {
			return err
		}
		sum.files++
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		r := NewReader(file, ReaderOptions{Name: filepath.Base(path)})
		var e Event
		for {
			err := r.Next(&e)
			var bad *RecordError
			switch {
			case err == nil:
				sum.events++
				if e.Outcome == OutcomeError {
					sum.errors++
				}
				require.NotEmpty(t, e.UID, path)
				require.False(t, e.Time.IsZero(), path)
				require.NotEmpty(t, e.Service, path)
				require.NotEmpty(t, e.Operation, path)
				require.NotEqual(t, CategoryUnknown, e.Category, path)
				require.NotEqual(t, AccessUnknown, e.Access, path)
				checkRecord(t, e.Raw)
			case errors.As(err, &bad):
				sum.rejected++
				require.Equal(t, filepath.Base(path), bad.Name)
				sum.reasons[bad.Err.Error()]++
			case err == io.EOF:
				return nil
			default:
				return err
			}
		}
	})
	require.NoError(t, err)
	t.Logf("%s: files: %d, events: %d, rejected: %d", folder, sum.files, sum.events, sum.rejected)
	for reason, n := range sum.reasons {
		t.Logf("  %d × %s", n, reason)
	}
	return sum
}

func hasSuffix(suffixes ...string) func(string) bool {
	return func(name string) bool {
		for _, s := range suffixes {
			if strings.HasSuffix(name, s) {
				return true
			}
		}
		return false
	}
}

func TestDataStratus(t *testing.T) {
	sum := readFolder(t, "stratus", hasSuffix(".json"))
	require.Equal(t, 310, sum.events, "events: 310")
	require.Zero(t, sum.rejected)
}

func TestDataTrailDiscover(t *testing.T) {
	sum := readFolder(t, "traildiscover/docs/logExamples", hasSuffix(".cloudtrail"))
	require.Equal(t, 563, sum.events)
	require.Zero(t, sum.rejected)
}

func TestDataTrailScraper(t *testing.T) {
	sum := readFolder(t, "trailscraper", hasSuffix(".json", ".json.gz"))
	require.Equal(t, 3, sum.files)
	require.Equal(t, 7, sum.events)
	require.Zero(t, sum.rejected)
}

func TestDataPlaso(t *testing.T) {
	sum := readFolder(t, "plaso", hasSuffix("aws_cloudtrail.jsonl"))
	require.Equal(t, 6, sum.events)
	require.Zero(t, sum.rejected)
}

// TestDataStreamAlert reads the files of rule tests, whose records are inside
// data. Most have "..." for a time, which is a reason to reject them; each is
// either decoded or rejected.
func TestDataStreamAlert(t *testing.T) {
	sum := readFolder(t, "streamalert", func(name string) bool {
		return strings.Contains(name, "cloudtrail") && strings.HasSuffix(name, ".json")
	})
	require.Equal(t, 57, sum.events+sum.rejected)
	require.Equal(t, 42, sum.events)
	for reason := range sum.reasons {
		require.True(t, strings.Contains(reason, "is no time") || strings.Contains(reason, "expected a CloudTrail record"), reason)
	}
}

// TestDataFalco reads audit records of Kubernetes, of which one is none.
func TestDataFalco(t *testing.T) {
	sum := readFolder(t, "falco-k8s", hasSuffix(".json"))
	require.Equal(t, 51, sum.events)
	require.Equal(t, 1, sum.rejected)
}

// TestDataAudit2RBAC reads audit records in the old field form, which somebody
// made in another's name; 11 of them were forbidden.
func TestDataAudit2RBAC(t *testing.T) {
	sum := readFolder(t, "k8s-audit2rbac", hasSuffix(".log"))
	require.Equal(t, 37, sum.events)
	require.Equal(t, 11, sum.errors)
	require.Zero(t, sum.rejected)
}

func TestDataActionTrail(t *testing.T) {
	sum := readFolder(t, "streamalert/rules/classifier/aliyun", hasSuffix(".json"))
	require.Equal(t, 4, sum.events)
	require.Zero(t, sum.rejected)
}

// TestDataOfOthers reads what is no audit record of any cloud: all of it is
// rejected, and says what it is.
func TestDataOfOthers(t *testing.T) {
	sum := readFolder(t, "streamalert/rules/classifier/gsuite", hasSuffix(".json"))
	require.Zero(t, sum.events)
	require.Positive(t, sum.rejected)
	for reason := range sum.reasons {
		require.Contains(t, reason, "found ")
	}
}
