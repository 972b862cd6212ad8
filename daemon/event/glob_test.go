package event

import (
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGlob(t *testing.T) {
	f := func(pattern, text string, want bool) {
		t.Helper()
		require.Equal(t, want, Glob(pattern, text), "%q %q", pattern, text)
	}
	f("", "", true)
	f("", "a", false)
	f("*", "", true)
	f("arn:aws:iam::*:user/emergency-*", "arn:aws:iam::111111111111:user/emergency-1", true)
	f("arn:aws:iam::*:user/emergency-*", "arn:aws:iam::111111111111:user/a/emergency-1", false)
	f("*/emergency", "arn:aws:iam::1:user/a/b/emergency", true)
	f("*/emergency", "arn:aws:iam::1:user/a/b/emergency2", false)
	f("a*b*c", "a-b-b-c", true)
	f("a*b*c", "a-b-b-", false)
	f("a?c", "abc", true)
	f("a?c", "aäc", true)
	f("a?c", "ac", false)
	f("a?", "a", false)
	f("s3.amazonaws.com:Delete*", "s3.amazonaws.com:DeleteBucket", true)
	f("[a]", "a", false)
	f("A", "a", false)
	require.True(t, Anything("**"))
	require.False(t, Anything("*a"))
}

func FuzzGlob(f *testing.F) {
	f.Add("a*b?c", "aXbYc")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		got := Glob(pattern, text)
		if strings.ContainsAny(pattern, `[\`) || strings.Contains(text, "/") || strings.ToValidUTF8(pattern+text, "") != pattern+text {
			return
		}
		want, err := path.Match(pattern, text) // Without folders they are the same.
		require.NoError(t, err)
		require.Equal(t, want, got, "%q %q", pattern, text)
	})
}
