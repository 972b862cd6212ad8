package event

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseTime(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		got, ok := parseTime(text)
		require.Equal(t, want != "", ok)
		if ok {
			require.Equal(t, want, got.Format(time.RFC3339Nano))
			require.Equal(t, time.UTC, got.Location())
		}
	}
	f("2024-08-02T08:53:24Z", "2024-08-02T08:53:24Z")
	f("2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z")
	f("2024-08-02T08:53:24.123456789Z", "2024-08-02T08:53:24.123456789Z")
	f("2024-08-02T08:53:24+02:00", "2024-08-02T06:53:24Z")
	f("2024-08-02 08:53:24.000", "2024-08-02T08:53:24Z")
	f("2024-08-02 08:53:24", "2024-08-02T08:53:24Z")
	f("2024-08-02T08:53:24.5Z", "2024-08-02T08:53:24.5Z")
	f("2024-08-02T08:53:24.94+0000", "2024-08-02T08:53:24.94Z")
	f("2024-08-02T08:53:24+0000", "2024-08-02T08:53:24Z")
	f("2024-08-02T08:53:24.1234567899Z", "2024-08-02T08:53:24.123456789Z")
	f("2024-08-02T08:53:24.Z", "")
	f("2024-08-02T08:53:24.5", "")
	f("2024-08-02T08:53:24.5+0100", "2024-08-02T07:53:24.5Z")
	f("2023-02-29T00:00:00Z", "")
	f("1900-02-29T00:00:00Z", "")
	f("2024-13-01T00:00:00Z", "")
	f("2024-00-01T00:00:00Z", "")
	f("2024-01-00T00:00:00Z", "")
	f("2024-04-31T00:00:00Z", "")
	f("2024-01-01T24:00:00Z", "")
	f("2024-01-01T00:60:00Z", "")
	f("2024-01-01T00:00:60Z", "")
	f("2024-01-01T0a:00:00Z", "")
	f("2024-01-01T00:00:00", "")
	f("...", "")
	f("eventTime", "")
	f("", "")
}

// TestParseZuluAgreesWithTimeParse walks the calendar.
func TestParseZuluAgreesWithTimeParse(t *testing.T) {
	for day := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 10000; day = day.AddDate(0, 0, 1) {
		if y := day.Year(); y%100 != 0 && y%4 != 0 && y%53 != 0 {
			day = day.AddDate(1, 0, 0)
			continue
		}
		text := day.Add(time.Duration(day.YearDay()) * 223 * time.Second).Format("2006-01-02T15:04:05Z")
		got, ok := parseZulu(text)
		require.True(t, ok, text)
		want, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		if !got.Equal(want) {
			require.Equal(t, want, got, text)
		}
	}
}

func TestParseAddress(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		got := parseAddress(text)
		if want == "" {
			require.False(t, got.IsValid(), text)
			return
		}
		require.Equal(t, netip.MustParseAddr(want), got)
	}
	f("198.51.100.7", "198.51.100.7")
	f("0.0.0.0", "0.0.0.0")
	f("255.255.255.255", "255.255.255.255")
	f("2001:db8::7", "2001:db8::7")
	f("::ffff:198.51.100.7", "198.51.100.7")
	f("fe80::1%eth0", "fe80::1")
	f("256.0.0.1", "")
	f("1.2.3", "")
	f("1.2.3.4.5", "")
	f("1..2.3", "")
	f("1.2.3.", "")
	f(".1.2.3", "")
	f("225.01.00.16", "")
	f("1.2.3.4:443", "")
	f("AWS Internal", "")
	f("config.amazonaws.com", "")
	f("", "")
	for _, s := range []string{"198.51.100.7", "config.amazonaws.com", "AWS Internal", "2001:db8::7"} {
		require.Zero(t, testing.AllocsPerRun(100, func() { parseAddress(s) }), s)
	}
}

func TestStripVersion(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		require.Equal(t, want, stripVersion(name))
		require.Equal(t, want, referenceStrip(name))
	}
	f("CreateFunction20150331", "CreateFunction")
	f("AddPermission20150331v2", "AddPermission")
	f("AddPermission20150331v12", "AddPermission")
	f("CreateDistribution2020_05_31", "CreateDistribution")
	f("CreateDistribution_2020_05_31", "CreateDistribution")
	f("UpdateEventSourceMapping20150331", "UpdateEventSourceMapping")
	f("RunInstances", "RunInstances")
	f("ListObjectsV2", "ListObjectsV2")
	f("Get12345678", "Get12345678") // No month is 56.
	f("Get20151331", "Get20151331") // Nor 13.
	f("Invoke20150331x2", "Invoke20150331x2")
	f("Thing120150331", "Thing120150331") // Nine digits.
	f("20150331", "20150331")
	f("2020_05_31", "2020_05_31")
	f("v2", "v2")
	f("", "")
}

func TestAccessOf(t *testing.T) {
	f := func(name string, want Access) {
		t.Helper()
		require.Equal(t, want, accessOf(name), name)
	}
	for _, s := range []string{
		"GetObject", "ListUsers", "DescribeInstances", "HeadBucket", "LookupEvents", "SearchResources",
		"BatchGetItem", "Query", "Scan", "SelectObjectContent", "CheckDNSAvailability", "TestEventPattern", "ValidateTemplate",
		"PreviewAgents", "EstimateTemplateCost", "SimulatePrincipalPolicy", "DiscoverInstances", "ViewBilling", "CountThings",
		"FilterLogEvents", "AssumeRole", "Decrypt", "GenerateDataKey",
	} {
		f(s, AccessRead)
	}
	for _, s := range []string{
		"RunInstances", "DeleteTrail", "ConsoleLogin", "SwitchRole", "CheckMfa", "Getaway", "Listen",
		"Headline", "Scanner", "Issue", "CreateUser", "PutObject", "Invoke", "TerminateInstances", "CheckoutLicense",
	} {
		f(s, AccessWrite)
	}
	f("", AccessUnknown)
}

func TestLongLived(t *testing.T) {
	f := func(provider, credential string, want bool) {
		t.Helper()
		require.Equal(t, want, LongLived(provider, credential))
	}
	f("aws", "AKIAEXAMPLE", true)
	f("aws", "ASIAEXAMPLE", false)
	f("aws", "AKIA", false)
	f("alibaba", "LTAI5texample", true)
	f("alibaba", "STS.NTexample", false)
	f("kubernetes", "X509SHA256=00", true)
	f("kubernetes", "AKIAEXAMPLE", true)
	f("kubernetes", "ASIAEXAMPLE", false)
	f("ibm", "key", true)
}

func TestJoinGivesTheSameStringAgain(t *testing.T) {
	p := stringPool{size: 8}
	require.Equal(t, "create pods/exec", p.join("create", " ", "pods", "/", "exec"))
	require.Equal(t, "create pods/exec", p.join("create pods/exec"), "other parts of the same text")
	require.Empty(t, p.join())
	require.Zero(t, testing.AllocsPerRun(100, func() { p.join("create", " ", "pods", "/", "exec") }))
	for i := range 5000 { // More than it remembers.
		text := strconv.Itoa(i * 7919)
		require.Equal(t, text+"/"+text, p.join(text, "/", text))
	}
	require.Equal(t, "a b", (&stringPool{}).join("a", " ", "b"))
}
