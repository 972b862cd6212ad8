package enrich

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestFamily(t *testing.T) {
	f := func(userAgent, want string) {
		t.Helper()
		require.Equal(t, want, Family(userAgent), userAgent)
	}
	f("aws-cli/2.15.0 Python/3.11.6 Linux/5.10 exe/x86_64.amzn.2 prompt/off command/s3.ls", "aws-cli")
	f("[aws-cli/1.16.2 Python/2.7.1]", "aws-cli")
	f("aws-cli/2.2 md/awscrt exec-env/CloudShell exe/x86_64", "CloudShell")
	f("Boto3/1.34.1 md/Botocore#1.34.1 ua/2.0 os/linux", "Boto3")
	f("Botocore/1.12 Python/3.6", "Botocore")
	f("aws-sdk-java/1.11.1 Linux/4.4 Java_HotSpot(TM)", "aws-sdk-java")
	f("aws-sdk-go/1.44.0 (go1.19; linux; amd64)", "aws-sdk-go")
	f("aws-sdk-go-v2/1.30.3 os/macos lang/go#1.22", "aws-sdk-go-v2")
	f("aws-sdk-js/2.1 linux/v18", "aws-sdk-js")
	f("aws-internal/3 aws-sdk-java/1.11.590", "aws-internal")
	f("[S3Console/0.4, aws-internal/3 aws-sdk-java/1.11]", "S3Console")
	f("APN/1.0 HashiCorp/1.0 Terraform/1.5.0 (+https://www.terraform.io) terraform-provider-aws/5.0 aws-sdk-go/1.44", "Terraform")
	f("HashiCorp Terraform/1.0", "Terraform")
	f("stratus-red-team_83c9a458-ffab-4d43-8b02-9691311e8c0a", "stratus-red-team")
	f("console.amazonaws.com", "console.amazonaws.com")
	f("console.ec2.amazonaws.com", "console.ec2.amazonaws.com")
	f("signin.amazonaws.com", "signin.amazonaws.com")
	f("autoscaling.amazonaws.com", "autoscaling.amazonaws.com")
	f("AWS Internal", "AWS Internal")
	f("AWS Internal/3", "AWS Internal")
	f("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36", "Chrome")
	f("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36 Edg/120.0", "Edge")
	f("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:120.0) Gecko/20100101 Firefox/120.0", "Firefox")
	f("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15", "Safari")
	f("Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1", "PowerShell")
	f("Mozilla/5.0 (compatible)", "Mozilla")
	f("kubectl/v1.28.2 (linux/amd64) kubernetes/89a4ea3", "kubectl")
	f("curl/8.4.0", "curl")
	f("python-requests/2.31.0", "python-requests")
	f("Go-http-client/1.1", "Go-http-client")
	f("AliyunConsole", "AliyunConsole")
	f("tool-1.2.3", "tool")
	f("My Tool 3", "My")
	f("", "")
	f("   ", "")
	f("[]", "")
	f("/1.0", "/1.0")
	f("a\x00b\x7f\xff/1", "ab")
	f(strings.Repeat("é", 100), strings.Repeat("é", 32))
}

func FuzzFamily(f *testing.F) {
	for _, s := range []string{"aws-cli/2.0", "[S3Console/0.4]", "Mozilla/5.0 Chrome/1", "x-1.2", "\xff", "[", "config.amazonaws.com"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Family(s)
		require.LessOrEqual(t, len(got), maxFamily)
		require.True(t, utf8.ValidString(got), "%q", got)
	})
}

// A cache stays within its size, and gives what was put in, from any number of
// goroutines.
func TestCache(t *testing.T) {
	c := newCache[int](16)
	n := newInterner(16)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 5000 {
				k := (i*7 + g) % 500
				key := fmt.Sprintf("key-%d", k)
				if v, ok := c.get(key); ok && v != k {
					t.Errorf("got %d for %s", v, key)
				}
				c.put(key, k)
				if s := n.join("key", "-", fmt.Sprint(k)); s != key {
					t.Errorf("got %s for %s", s, key)
				}
			}
		})
	}
	wg.Wait()
	kept := 0
	for k := range 500 {
		if _, ok := c.get(fmt.Sprintf("key-%d", k)); ok {
			kept++
		}
	}
	require.LessOrEqual(t, kept, 16*ways)
	require.Greater(t, kept, 16)

	long := strings.Repeat("x", maxKey+1)
	c.put(long, 1)
	_, ok := c.get(long)
	require.False(t, ok, "a key that is too long is not kept")
	require.Equal(t, long+"y", n.join(long, "y"))
}
