package scenario

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const scripts = "../../testdata/scenarios"

// parse reads a script that has no errors.
func parse(t testing.TB, src string) *File {
	t.Helper()
	f, err := Parse("x.test", []byte(src), ParseOptions{})
	require.NoError(t, err)
	return f
}

func TestErrorsSayWhereAndWhatInstead(t *testing.T) {
	f := func(src, want string) {
		t.Helper()
		_, err := Parse("x.test", []byte(src), ParseOptions{Check: func(b []byte) error {
			if strings.Contains(string(b), "warm_up") {
				return nil
			}
			return errors.New("found no such key, expected models.warm_up")
		}})
		require.Error(t, err, src)
		require.Equal(t, want, err.Error())
	}
	const load = "load 2d user a every 1h s3:ListBuckets\n"
	const statements = "a statement, one of case, clear, seed, start, set, account, region, load, at, json, gap, deliver, expect, rule"
	f("laod 2d user a every 1h s3:ListBuckets\nexpect none", `x.test:1:1: found "laod", expected `+statements+`; did you mean "load"?`)
	f("load 2d usr a every 1h s3:ListBuckets\nexpect none", `x.test:1:9: found "usr", expected one of user, person, role, service, root; did you mean "user"?`)
	f("load 2 user a every 1h s3:ListBuckets\nexpect none", `x.test:1:6: found "2" (a number without a unit), expected a span such as 21d, +2d..+3d or +2d for 3h`)
	f("load +2d..+1d user a every 1h s3:ListBuckets\nexpect none", `x.test:1:11: found "+1d" (it is not after the start of the span), expected a later time`)
	f("load 2d user a every 1h ec2:RunInstnces\nexpect none", `x.test:1:25: found "ec2:RunInstnces", expected an operation; did you mean "ec2:RunInstances"? If not, put it into quotes`)
	f("load 2d user a every 1h RunInstances\nexpect none", `x.test:1:25: found "RunInstances", expected an operation such as ec2:RunInstances, a number of calls, or one of every, poisson, at, weekly, monthly, weekdays, weekends, on, hours, zone, growth, from, agent, error, region, account, key, console, read, write, with`)
	f("load 2d user a s3:ListBuckets\nexpect none", `x.test:1:1: found traffic without a pattern, expected one of every 5m, poisson 20/h, at 03:00, weekly mon 10:00, monthly 1 02:00`)
	f("load 2d user a every 1h\nexpect none", `x.test:1:24: found the end of the statement, expected an operation such as ec2:RunInstances`)
	f("load 2d user a every 1h poisson 2/h s3:ListBuckets\nexpect none", `x.test:1:25: found "poisson" (a second pattern), expected one; write another load`)
	f("load 2d user a every 0s s3:ListBuckets\nexpect none", `x.test:1:22: found "0s" (nothing), expected a duration of at least 1s`)
	f("load 2d user a poisson 2/fortnight s3:ListBuckets\nexpect none", `x.test:1:24: found "2/fortnight", expected a rate such as 20/h, with the units s, m, h, d and w`)
	f("load 2d user a at 25:00 s3:ListBuckets\nexpect none", `x.test:1:19: found "25:00" (no time of day), expected a time of day such as 03:00, or a minute of every hour such as :00`)
	f("load 2d user a weekly moon 10:00 s3:ListBuckets\nexpect none", `x.test:1:23: found "moon", expected one of sun, mon, tue, wed, thu, fri, sat; did you mean "mon"?`)
	f("load 2d user a every 1h zone Europe/Berln s3:ListBuckets\nexpect none", `x.test:1:30: found "Europe/Berln", expected a time zone such as Europe/Berlin`)
	f("load 2d user a every 1h s3:ListBuckets from 10.0.0.7/8\nexpect none", `x.test:1:45: found "10.0.0.7/8" (bits are set behind the prefix), expected an address, a network such as 198.51.100.0/24, or the name of a host; the network is 10.0.0.0/8`)
	f("load 2d user a every 1h s3:ListBuckets agent aws-cly\nexpect none", `x.test:1:46: found "aws-cly", expected one of aws-cli, boto3, console, firefox, lambda, sdk-go, sdk-java, sdk-js, terraform, or a user agent in quotes; did you mean "aws-cli"?`)
	f("load 2d role a every 1h s3:ListBuckets key 2\nexpect none", `x.test:1:40: found "key" (it has no key that lasts), expected a user with more than one key`)
	f("load 2d person anna every 1h s3:ListBuckets\nexpect none", `x.test:1:16: found "anna", expected an e-mail address`)
	f(`load 2d user a every 1h s3:ListBuckets agent "x`+"\nexpect none", `x.test:1:46: found quotes that are not closed, expected a text in quotes, in which \" and \\ stand for " and \; close the quotes on the same line`)
	f(`at +1d user a s3:ListBuckets with {"a":}`+"\nexpect none", `x.test:1:35: found "{\"a\":}", expected the parameters of the request as JSON in braces`)
	f("set models.warmup 3d\n"+load+"expect none", `x.test:1:19: found no such key, expected models.warm_up`)
	f("set models.warm_up\n"+load+"expect none", `x.test:1:19: found the end of the statement, expected a value`)
	f(load+"start 2026-03-02\nexpect none", `x.test:2:1: found "start" (times before it count from another start), expected it before everything that has a time; move it to the top`)
	f(load, `x.test:1:1: found the case "x" without an expectation, expected at least one expect; "expect none" says that nothing is raised`)
	f("", `x.test:1:1: found a script without an expectation, expected at least one expect; "expect none" says that nothing is raised`)
	f(load+"case \"a\"\nexpect none\ncase \"a\"\nexpect none", `x.test:4:6: found "a", expected a name of its own for each case; the first is on line 2`)
	f(load+"case a\nexpect none", `x.test:2:6: found "a", expected the name of the case in quotes; write case "a"`)
	f(load+"expect ApiCallRate for user a", `x.test:2:8: found "ApiCallRate", expected a type of insight, one of ApiCallRateInsight, ApiErrorRateInsight, IpInsight, AkInsight, PolicyChangeInsight, PasswordChangeInsight, TrailConcealmentInsight, …; did you mean "ApiCallRateInsight"?`)
	f(load+"expect AkInsight from user a", `x.test:2:18: found "from", expected one of for, on, during, starting, detected, ending, active, ended, confidence, score, severity, suppressed, notified, reason, summary, address, region`)
	f(load+"expect AkInsight severity Hihg", `x.test:2:27: found "Hihg", expected one of Low, Medium, High, Critical; did you mean "High"?`)
	f(load+"expect AkInsight starting 3d", `x.test:2:27: found "3d", expected a span such as +2d..+3d, +2d10:00 ± 5m, +2d for 3h, before +2d or after +2d`)
	f(load+"at +1d expect AkInsight active", `x.test:2:25: found "active", expected no state where a moment is given; what was active then is looked at`)
	f(load+"deliver live, shuffled\nexpect none", `x.test:2:15: found "shuffled", expected late deliveries where they are live; what is live comes in time, or late`)
	f(load+"load file x.json\nexpect none", `x.test:2:11: found "x.json" (no files can be read here), expected a script without files`)
	f(load+"at +1d thumbs sideways AkInsight\nexpect none", `x.test:2:15: found "sideways", expected one of up, down`)
	f(load+"at +1d thumbs down AkInsight, IpInsight\nexpect none", `x.test:2:31: found "IpInsight", expected one type of insight; write a statement for each type`)
	f(load+"at +1d rebaseline a\nexpect none", `x.test:2:19: found "a", expected one of user, person, role, service, root`)
	f(load+"rule x\nexpect none", `x.test:2:1: found "rule" (rules have no language yet), expected a statement, one of case, clear, seed, start, set, account, region, load, at, json, gap, deliver, expect`)
	f(load+"expect none\n\xff", "x.test:3:1: found bytes that are no UTF-8, expected text in UTF-8")
	// All errors of a script are told at once.
	f("gap +1d\nseed x\n"+load+"expect none", "x.test:1:8: found the end of the statement, expected a span such as 21d, +2d..+3d or +2d for 3h\nx.test:2:6: found \"x\", expected a whole number")
}

func TestCasesShareWhatComesBeforeThem(t *testing.T) {
	f := parse(t, `
load 2d user a every 1h s3:ListBuckets  # For all.
region eu-west-1
case "one"
at +1d user a ec2:RunInstances
expect none
case "two"
  region us-west-2
at +1d user a ec2:RunInstances
at +1d user a ec2:StopInstances
expect none
clear
load 1d user b every 1h s3:ListBuckets
expect none
`)
	require.Len(t, f.Cases, 3)
	events := func(i int) (n int, region string) {
		list, err := f.Cases[i].entries()
		require.NoError(t, err)
		for _, e := range list {
			if e.call.API == "ec2:RunInstances" {
				region = e.call.Region
			}
		}
		return len(list), region
	}
	n, region := events(0)
	require.Equal(t, 49, n)
	require.Equal(t, "eu-west-1", region)
	n, region = events(1)
	require.Equal(t, 50, n)
	require.Equal(t, "us-west-2", region, "each case begins with what is shared")
	n, _ = events(2)
	require.Equal(t, 24, n, "clear forgets")
	require.Equal(t, "x", f.Cases[2].Name)
}

// TestAStatementGoesOnIndented reads a statement over lines, one of which begins
// with a word that could begin a statement.
func TestAStatementGoesOnIndented(t *testing.T) {
	f := parse(t, "load 2d user a\n  # A comment between.\n\n\tat :15,\n  :45 s3:ListBuckets,\n  iam:ListUsers\nexpect none\n  of AkInsight\n")
	list, err := f.Cases[0].entries()
	require.NoError(t, err)
	require.Len(t, list, 96)
	require.Equal(t, "s3:ListBuckets", list[0].call.API)
	require.Equal(t, "iam:ListUsers", list[1].call.API)
	require.Equal(t, []string{"AkInsight"}, f.Cases[0].expects[0].types)
}

func TestTimesOfScripts(t *testing.T) {
	start := time.Date(2026, time.March, 2, 6, 0, 0, 0, time.UTC)
	f := func(s string, want time.Time) {
		t.Helper()
		got, err := parseTime(s, start)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
		require.True(t, looksLikeTime(s))
	}
	f("+0", start)
	f("+36h", start.Add(36*time.Hour))
	f("+15d03:12", start.Add(15*day+3*time.Hour+12*time.Minute))
	f("+03:12:30", start.Add(3*time.Hour+12*time.Minute+30*time.Second))
	f("+1d24:00", start.Add(2*day))
	f("2026-03-17", time.Date(2026, time.March, 17, 0, 0, 0, 0, time.UTC))
	f("2026-03-17T03:12:00+02:00", time.Date(2026, time.March, 17, 1, 12, 0, 0, time.UTC))
	for _, s := range []string{"+", "+3", "+3d4", "+1d25:00", "+d03:00", "+500d", "1999-01-01", "2026-13-01", "tomorrow"} {
		_, err := parseTime(s, start)
		require.Error(t, err, s)
	}
	require.Equal(t, "+15d03:12", offset(start.Add(15*day+3*time.Hour+12*time.Minute), start))
	require.Equal(t, "+0d00:00:09", offset(start.Add(9*time.Second), start))
	require.Equal(t, "2026-03-02T05:00:00Z", offset(start.Add(-time.Hour), start))
}

// TestScriptsOfTheProjectAreSound reads every script without the configuration.
func TestScriptsOfTheProjectAreSound(t *testing.T) {
	names, err := Find([]string{scripts})
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(names), 30)
	for _, name := range names {
		f, err := ParseFile(name, nil)
		require.NoError(t, err)
		require.NotEmpty(t, f.Cases)
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(b), "# "), "%s begins with what it is about", name)
	}
}

func TestFindNamesScripts(t *testing.T) {
	_, err := Find([]string{filepath.Join(t.TempDir(), "none")})
	require.ErrorContains(t, err, "looking for scripts")
	_, err = Find([]string{t.TempDir()})
	require.ErrorContains(t, err, "there is no file named *.test below")
	one, err := Find([]string{scripts + "/burst.test", scripts + "/burst.test"})
	require.NoError(t, err)
	require.Len(t, one, 1)
}

// FuzzParse reads what nobody wrote: a script is read, or every error has a
// place in it.
func FuzzParse(f *testing.F) {
	names, err := Find([]string{scripts})
	require.NoError(f, err)
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		file, err := Parse("x.test", src, ParseOptions{})
		lines := strings.Count(string(src), "\n") + 1
		if err != nil {
			errs, ok := errors.AsType[Errors](err)
			require.True(t, ok)
			for _, e := range errs {
				require.NotEmpty(t, e.Found)
				require.True(t, e.Line >= 1 && e.Line <= lines && e.Column >= 1, "%v", e)
			}
			return
		}
		for _, c := range file.Cases {
			require.NotEmpty(t, c.expects)
			again, err := Parse("x.test", src, ParseOptions{})
			require.NoError(t, err)
			require.Len(t, again.Cases, len(file.Cases))
		}
	})
}
