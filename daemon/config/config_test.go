package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the reference of the configuration anew")

func TestGood(t *testing.T) {
	files, err := filepath.Glob("testdata/*.good.yml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c, err := Load(file)
			require.NoError(t, err)
			again, err := Parse("printed", []byte(c.String()))
			require.NoError(t, err, c.String())
			require.Equal(t, c, again)
			require.Equal(t, c.String(), again.String())
		})
	}
}

func TestDefaults(t *testing.T) {
	c, err := Load("testdata/empty.good.yml")
	require.NoError(t, err)
	require.Equal(t, Default(), c)
	require.Equal(t, &Config{
		Lateness: 30 * time.Minute,
		Future:   10 * time.Minute,
		Storage: Storage{
			Events:   Store{Retention: 90 * 24 * time.Hour},
			Series:   Store{Retention: 90 * 24 * time.Hour},
			Insights: InsightsStore{Retention: 93 * 24 * time.Hour},
		},
		Models: Models{WarmUp: 24 * time.Hour, Budget: Budget{FalseInsightsPerDay: 5}},
		Rules:  Rules{Packs: []string{AllPacks}},
		Limits: Limits{Series: 200_000, SeriesPerAccount: 100_000, ModelStates: 200_000, Identities: 50_000, OpenInsights: 1000},
		Web: Web{Limits: WebLimits{
			MaxBodySize: 64 << 20, MaxDecompressedSize: 1 << 30, MaxQueryRange: 400 * 24 * time.Hour,
			MaxSamples: 50_000_000, MaxConcurrentQueries: 20,
			MaxRecordSize: 2 << 20, MaxCompressionRatio: 250, MinBodyRate: 2 << 10, MaxHeaderSize: 64 << 10, MaxHeaders: 100,
			MaxConcurrentPushes: 32, MaxWatchers: 100, MaxConnections: 1000, QueryTimeout: 2 * time.Minute,
		}},
	}, c)
}

func TestFull(t *testing.T) {
	c, err := Load("testdata/full.good.yml")
	require.NoError(t, err)
	day := 24 * time.Hour
	require.Equal(t, &Config{
		Sources: []Source{
			{Type: "file", Name: "trail", Path: "testdata/logs/cloudtrail", Provider: "aws", Follow: true, PollInterval: 30 * time.Second},
			{Type: "file", Name: "/var/log/audit/*.json.gz", Path: "/var/log/audit/*.json.gz", PollInterval: 10 * time.Second},
		},
		Lateness: 45 * time.Minute,
		Future:   5 * time.Minute,
		Storage: Storage{
			Events:   Store{Retention: 15 * day, MaxSize: 512 << 20},
			Series:   Store{Retention: 400 * day, MaxSize: 3 << 29},
			Insights: InsightsStore{Retention: 365 * day},
		},
		Identities: Identities{PeopleSessions: []*regexp.Regexp{
			regexp.MustCompile(`^(?:[a-z]+\.[a-z]+)$`), regexp.MustCompile(`^(?:ops-.*)$`),
		}, Critical: Critical{Admin: []string{"arn:aws:iam::*:user/admin-*"}, BreakGlass: []string{"*:user/emergency-?"}, CI: []string{"*:role/deploy"}}},
		Resources: Resources{High: []string{"arn:aws:s3:::payroll*"}, Low: []string{"arn:aws:s3:::scratch-*"}},
		Exceptions: []Exception{
			{
				ID: "spring-move", Kind: "maintenance", Owner: "platform team", Reason: "The old network goes.", Ticket: "CHG-12",
				Starts: time.Date(2026, 3, 14, 22, 0, 0, 0, time.UTC), Expires: time.Date(2026, 3, 15, 3, 0, 0, 0, time.UTC),
				Scope: ExceptionScope{Account: "111111111111", Operation: "ec2.amazonaws.com:*", Network: "corporate", MaxRate: 120},
			},
			{
				Kind: "mute", Owner: "anna", Reason: "A noisy job", Expires: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC),
				Scope: ExceptionScope{Identity: "*:role/nightly", Type: "ApiCallRateInsight"},
			},
		},
		Networks: Networks{
			Corporate: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:1::/48")},
			Hosting:   []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
			VPN:       []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")},
			Tor:       []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")},
		},
		GeoIP:   GeoIP{Country: "testdata/geo/country.mmdb", ASN: "/usr/share/GeoIP/asn.mmdb"},
		Models:  Models{WarmUp: 3 * day, DataEvents: true, Budget: Budget{FalseInsightsPerDay: 0.5}},
		Rules:   Rules{Packs: []string{"aws", "kubernetes"}, Files: []string{"testdata/rules/ours"}},
		Catalog: Catalog{Files: []string{"testdata/catalog/ours.yml"}},
		Limits:  Limits{Series: 1_000_000, SeriesPerAccount: 500_000, ModelStates: 300_000, Identities: 50_000, OpenInsights: 1000},
		Web: Web{
			Tokens: []Token{{Name: "grafana", Scopes: []string{"read"}, TokenFile: "testdata/secrets/grafana"}},
			Limits: WebLimits{
				MaxBodySize: 16 << 20, MaxDecompressedSize: 256 << 20, MaxQueryRange: 93 * day,
				MaxSamples: 10_000_000, MaxConcurrentQueries: 4,
				MaxRecordSize: 1 << 20, MaxCompressionRatio: 100, MinBodyRate: 512, MaxHeaderSize: 32 << 10, MaxHeaders: 50,
				MaxConcurrentPushes: 8, MaxWatchers: 20, MaxConnections: 200, QueryTimeout: 30 * time.Second,
			},
		},
	}, c)
}

func TestDefaultsGiveWay(t *testing.T) {
	c, err := Load("testdata/giving_way.good.yml")
	require.NoError(t, err)
	require.Equal(t, 5000, c.Limits.SeriesPerAccount)
	require.Equal(t, Bytes(2<<30), c.Web.Limits.MaxDecompressedSize)

	c, err = Load("testdata/sections_empty.good.yml")
	require.NoError(t, err)
	require.Equal(t, 200*24*time.Hour, c.Storage.Insights.Retention)
}

func TestBad(t *testing.T) {
	for _, tc := range []struct {
		file   string
		errors []string
	}{
		{"unknown_key", []string{
			`3:5: storage.events: found the unknown key "retension", expected one of retention, max_size; did you mean "retention"?`,
			`4:1: found the unknown key "retention", expected one of sources, lateness, future, storage, identities, resources, networks, geoip, models, rules, exceptions, catalog, limits, web; the key is known elsewhere: storage.events.retention, storage.series.retention, storage.insights.retention`,
			`5:1: found the unknown key "web.listen-address", expected one of sources, lateness, future, storage, identities, resources, networks, geoip, models, rules, exceptions, catalog, limits, web; remove it, or see the reference of all keys`,
		}},
		{"wrong_type", []string{
			`1:10: sources: found the string "logs", expected a list; put "- " before each element, or brackets around them all`,
			`2:11: lateness: found "30" (a number without a unit), expected a duration such as 90d, 30m or 1h30m, with the units ms, s, m, h, d, w and y; put a unit behind the number`,
			`3:9: future: found a list, expected a duration such as 90d, 30m or 1h30m, with the units ms, s, m, h, d, w and y`,
			`4:10: storage: found the string "90d", expected a section with the keys events, series, insights`,
			`7:7: identities.people_sessions[0]: found the number 5, expected a regular expression (RE2); put it into quotes if it is meant`,
			`8:6: identities.people_sessions[1]: found an element without content, expected a regular expression (RE2); remove it`,
			`10:11: models.warm_up: found no value, expected a duration such as 90d, 30m or 1h30m, with the units ms, s, m, h, d, w and y; remove the key to have its default`,
			`11:16: models.data_events: found the string "yes", expected true or false`,
			`12:36: models.budget.false_insights_per_day: found the string "many", expected a number`,
			`14:11: limits.series: found the string "200000", expected a whole number; take off the quotes`,
			`15:17: limits.model_states: found the number 2.5, expected a whole number`,
		}},
		{"values", []string{
			`1:11: lateness: found 2d, expected at most 1d; lower it`,
			`2:9: future: found "-5m" (less than nothing), expected a duration such as 90d, 30m or 1h30m, with the units ms, s, m, h, d, w and y; correct the value`,
			`4:23: storage.events.retention: found 12h, expected at least 1d; raise it`,
			`4:38: storage.events.max_size: found "512" (a number without a unit), expected a size such as 512MB, with the units B, KB, MB, GB, TB and PB; put a unit behind the number`,
			`5:23: storage.series.retention: found "15 days" (no duration), expected a duration such as 90d, 30m or 1h30m, with the units ms, s, m, h, d, w and y; correct the value`,
			`5:42: storage.series.max_size: found "5 MBit" (unknown unit " MBit"), expected a size such as 512MB, with the units B, KB, MB, GB, TB and PB; correct the value`,
			`7:21: identities.people_sessions[0]: found "[a-z" (missing closing ]: [a-z), expected a regular expression (RE2); correct the value`,
			`7:29: identities.people_sessions[1]: found "a{2000}" (invalid repeat count: {2000}), expected a regular expression (RE2); correct the value`,
			`9:15: networks.corporate[0]: found "10.0.0.1/8" (bits are set behind the prefix; the network is 10.0.0.0/8), expected a network such as 198.51.100.0/24 or 2001:db8::/32, or an address; correct the value`,
			`9:27: networks.corporate[1]: found "10.0.0.0/33" (no network), expected a network such as 198.51.100.0/24 or 2001:db8::/32, or an address; correct the value`,
			`9:40: networks.corporate[2]: found "office" (no network), expected a network such as 198.51.100.0/24 or 2001:db8::/32, or an address; correct the value`,
			`12:36: models.budget.false_insights_per_day: found ".inf" (no finite number), expected a number; correct the value`,
			`13:18: limits.series: found the number 99999999999999999999, expected a whole number`,
			`13:54: limits.model_states: found 10, expected at least 1000; raise it`,
			`14:40: web.limits.max_concurrent_queries: found 0, expected at least 1; raise it`,
		}},
		{"sources", []string{
			`2:5: sources[0]: found no path, expected one; add the key "path": A file, a folder with everything below it, or a pattern such as /var/log/aws/*.json.gz.`,
			`4:29: sources[2].type: found "bucket", expected file`,
			`5:12: sources[3].path: found an empty value, expected a string; give one`,
		}},
		{"together", []string{
			`3:23: sources[1].name: found a second source named "trail", the first is at 2:23, expected a name of its own for each source; give one of them another name`,
			`4:12: sources[2].path: found the pattern "three/[x" (a bracket or a backslash without its end), expected a path, in which * ? [ and \ have their meaning as in shells; put a \ before a character that is meant as it stands`,
			`5:28: sources[3].provider: found "asw", expected `,
			`6:11: lateness: found 1d, expected less than storage.events.retention, which is 1d; shorten the one or lengthen the other`,
			`10:20: networks.vpn[1]: found 10.0.0.0/8 a second time, it is at 9:15 already, expected each network once; remove one of the two`,
			`11:22: rules.packs[1]: found "all" beside others, expected it alone, or names of packs; remove it, or the others`,
			`12:44: limits.series_per_account: found 3000, expected at most limits.series, which is 2000; lower the one or raise the other`,
			`13:59: web.limits.max_decompressed_size: found 1GB, expected at least web.limits.max_body_size, which is 2GB; raise the one or lower the other`,
		}},
		{"tokens", []string{
			`4:16: web.tokens[0].scopes[0]: found "write", expected one of ingest, read, admin`,
			`5:14: web.tokens[0].token: found a list, expected a secret`,
			`6:25: web.tokens[1].scopes: found the string "read", expected a list; `,
			`6:38: web.tokens[1].token: found a value that is no string, expected a secret; put it into quotes`,
			`7:14: web.tokens[2].name: found the number 5, expected a string; put it into quotes if it is meant`,
			`7:32: web.tokens[2].scopes[1]: found "root", expected one of ingest, read, admin`,
			`7:39: web.tokens[2]: found the unknown key "tokens", expected one of name, scopes, token_file, token, token_sha256; did you mean "token"?`,
		}},
		{"tokens_together", []string{
			`3:7: web.tokens[0]: found no scopes, expected one or more of ingest, read and admin; add the key "scopes", such as scopes: [read]`,
			`3:7: web.tokens[0]: found 0 of token_file, token and token_sha256, expected exactly one of them; name the file that holds the token in token_file`,
			`4:14: web.tokens[1].name: found "two words", expected letters, digits and . _ -, at most 64; choose another name`,
			`4:48: web.tokens[1].token: found a token of 9 characters, where at least 16 are asked for; make a token with: openssl rand -hex 32`,
			`5:7: web.tokens[2]: found 2 of token_file, token and token_sha256, expected exactly one of them; name the file that holds the token in token_file`,
			`5:14: web.tokens[2].name: found a second token named "a", the first is at 3:14, expected a name of its own for each token; give one of them another name`,
			`5:32: web.tokens[2].scopes[1]: found "read" a second time, expected each scope once; remove one of the two`,
			`6:48: web.tokens[3].token_sha256: found something else than the 64 hexadecimal digits of a SHA-256; make a token with: openssl rand -hex 32`,
			`8:40: web.tokens[5].token: found the same token as at 7:40, expected a token of its own for each client; make another one with: openssl rand -hex 32`,
		}},
		{"twice", []string{
			`2:10: models: found a merge key, expected one of warm_up, data_events, budget; write out what is merged, or use an alias as a value`,
			`3:1: found the key "lateness" a second time, it is at 1:1 already, expected each key once; remove one of the two`,
		}},
		{"syntax", []string{`3:1: found no YAML (`}},
		{"documents", []string{`2:1: found a second document, expected one document; remove the line --- and what is behind it, or make it a file of its own`}},
		{"list", []string{`1:1: found a list, expected a section with the keys sources, `}},
		{"alias", []string{`1:1: found no YAML (unknown anchor 'gone' referenced), expected YAML; `}},
		{"open", []string{`1:1: found no YAML (`}},
	} {
		t.Run(tc.file, func(t *testing.T) {
			file := "testdata/" + tc.file + ".bad.yml"
			_, err := Load(file)
			require.Error(t, err)
			got := strings.Split(err.Error(), "\n")
			require.Len(t, got, len(tc.errors), err.Error())
			for i, want := range tc.errors {
				require.NotContains(t, got[i], "hunter2", "a secret")
				require.True(t, strings.HasPrefix(got[i], file+":"+want), "got  %s\nwant %s:%s", got[i], file, want)
			}
			var first *Error
			require.ErrorAs(t, err, &first)
			require.Equal(t, file, first.File)
		})
	}
	files, err := filepath.Glob("testdata/*.bad.yml")
	require.NoError(t, err)
	require.Len(t, files, 13, "every bad file has its line in the table")
}

func TestLoadAbsent(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yml"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "reading the configuration: open ")
}

func TestSecretIsNeverShown(t *testing.T) {
	type section struct {
		Token Secret `yaml:"token"`
		Empty Secret `yaml:"empty"`
	}
	s := section{Token: "hunter2"}
	n := node(reflect.ValueOf(s))
	require.Equal(t, "<secret>", n.Content[1].Value)
	require.Empty(t, n.Content[3].Value)
	require.Equal(t, "<secret>", s.Token.String())

	p := &parser{file: "f", at: map[string]position{}}
	p.parse([]byte("token: <secret>\nempty: hunter2\n"), reflect.ValueOf(&s).Elem())
	require.Equal(t, "{<secret> <secret>} {Token:<secret> Empty:<secret>}", fmt.Sprintf("%v %+v", s, s))
	require.NotContains(t, fmt.Sprintf("%#v %s %q", s, s, s), "hunter2")
	b, err := json.Marshal(s)
	require.NoError(t, err)
	require.NotContains(t, string(b), "hunter2")
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("Shown", "token", s.Token, "section", s)
	slog.New(slog.NewTextHandler(&log, nil)).Info("Shown", "token", s.Token, "section", s)
	require.NotContains(t, log.String(), "hunter2")

	require.EqualError(t, p.errs, `f:1:8: token: found "<secret>" (what is shown in place of a secret), expected a secret; correct the value`)
	require.Equal(t, Secret("hunter2"), s.Empty)

	p = &parser{file: "f", at: map[string]position{}}
	p.parse([]byte("token: 123456789\n"), reflect.ValueOf(&s).Elem())
	require.EqualError(t, p.errs, `f:1:8: token: found a value that is no string, expected a secret; put it into quotes`)
}

func TestHashOfToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	const text = "0123456789abcdef"
	want := sha256.Sum256([]byte(text))
	write("\n  " + text + "\n")
	for _, tok := range []Token{{TokenFile: file}, {Token: text}, {TokenSHA256: Secret(hex.EncodeToString(want[:]))}} {
		got, err := tok.Hash()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	tok := Token{Name: "a", TokenFile: file}
	for body, wrong := range map[string]string{
		"":                                  "holds a token of 0 characters",
		"hunter2":                           "holds a token of 7 characters",
		text + "\n" + text:                  "characters that no header can hold",
		strings.Repeat("x", maxTokenFile+1): "it is no small file",
	} {
		write(body)
		_, err := tok.Hash()
		require.ErrorContains(t, err, wrong)
		require.ErrorContains(t, err, file)
		require.NotContains(t, err.Error(), "hunter2")
	}
	require.NoError(t, os.Remove(file))
	_, err := tok.Hash()
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestScalarsRoundTrip(t *testing.T) {
	f := func(typ reflect.Type, in, want string) {
		t.Helper()
		x, err := scalars[typ].parse(in)
		require.NoError(t, err)
		require.Equal(t, want, format(x))
		again, err := scalars[typ].parse(want)
		require.NoError(t, err)
		require.Equal(t, format(x), format(again))
	}
	size := reflect.TypeFor[Bytes]()
	f(size, "0", "0")
	f(size, "0MB", "0")
	f(size, "1024B", "1KB")
	f(size, "1025B", "1025B")
	f(size, "1.5g", "1536MB")
	f(size, "2TiB", "2TB")
	f(size, "4K", "4KB")
	duration := reflect.TypeFor[time.Duration]()
	f(duration, "0", "0s")
	f(duration, "90m", "1h30m")
	f(duration, "93d", "93d")
	f(duration, "14d", "2w")
	f(duration, "250ms", "250ms")
	prefix := reflect.TypeFor[netip.Prefix]()
	f(prefix, "::1", "::1/128")
	f(prefix, "::ffff:192.0.2.1", "192.0.2.1/32")
	f(prefix, "0.0.0.0/0", "0.0.0.0/0")
	number := reflect.TypeFor[float64]()
	f(number, "1e-3", "0.001")
	f(number, "5", "5")
	f(reflect.TypeFor[int](), "0x10", "16")
	f(reflect.TypeFor[bool](), "True", "true")
	f(reflect.TypeFor[*regexp.Regexp](), "a|b", "a|b")
}

func TestRegexpMatchesTheWholeName(t *testing.T) {
	re, err := parseRegexp("a|b")
	require.NoError(t, err)
	require.True(t, re.MatchString("b"))
	require.False(t, re.MatchString("ab"))
	_, err = parseRegexp("a)(b")
	require.Error(t, err)
}

func TestNearestKey(t *testing.T) {
	f := func(written, want string) {
		t.Helper()
		require.Equal(t, want, didYouMean(written, []string{"path", "poll_interval", "provider", "follow"}))
	}
	f("paht", `did you mean "path"?`)
	f("Path", `did you mean "path"?`)
	f("poll-interval", `did you mean "poll_interval"?`)
	f("pollinterval", `did you mean "poll_interval"?`)
	f("bucket", "")
	f("", "")
	f(strings.Repeat("x", 1000), "")
}

// The reference is made of the struct tags, so it is right; this test keeps the
// copies that people read the same. Run it with -update to write them anew.
func TestReference(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Reference() {
		require.False(t, seen[k.Name], k.Name)
		seen[k.Name] = true
		require.NotEmpty(t, k.Type, k.Name)
		require.Regexp(t, `^[A-Z].*\.$`, k.Help, "the help of %s is made of sentences", k.Name)
	}
	require.Equal(t, Key{
		"sources[].poll_interval", "duration", "10s",
		"How often to look for new files where the file system does not tell of them, as network file systems do not. From 100ms to 1d.",
	},
		Reference()[7])

	const (
		file   = "REFERENCE.md"
		readme = "../../README.md"
		begin  = "<!-- configuration reference: written by make docs -->\n"
		end    = "<!-- end of configuration reference -->"
	)
	want := "# Configuration reference\n\nWritten by `make docs` from the struct tags in config.go.\n\n" + ReferenceTable()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
	}
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "run make docs")

	text, err := os.ReadFile(readme)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(text), begin)
	if !ok {
		return // README has chosen to point to the file.
	}
	old, tail, ok := strings.Cut(rest, end)
	require.True(t, ok, "README.md lacks %q", end)
	if *update {
		require.NoError(t, os.WriteFile(readme, []byte(head+begin+ReferenceTable()+end+tail), 0o644))
		return
	}
	require.Equal(t, ReferenceTable(), old, "run make docs")
}

// Whatever is in a file, Parse does not panic, every error has a place in the
// file, and what it takes survives being printed.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yml")
	require.NoError(f, err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse("f", b)
		if err != nil {
			var errs Errors
			require.ErrorAs(t, err, &errs)
			for _, e := range errs {
				require.Positive(t, e.Line)
				require.Positive(t, e.Column)
				require.NotEmpty(t, e.Found)
			}
			return
		}
		for i := range c.Web.Tokens {
			c.Web.Tokens[i].Token, c.Web.Tokens[i].TokenSHA256 = "", ""
			c.Web.Tokens[i].TokenFile = "secret" // What is masked cannot be read back.
		}
		again, err := Parse("printed", []byte(c.String()))
		require.NoError(t, err, c.String())
		require.Equal(t, c.String(), again.String())
	})
}

// TestSecretsInTheWrongPlaceAreNotShown makes mistakes by which a token stands where
// something else is expected.
func TestSecretsInTheWrongPlaceAreNotShown(t *testing.T) {
	for _, text := range []string{
		"web:\n  tokens: [hunter2-plain-0123456789]\n",
		"web:\n  tokens: hunter2-plain-0123456789\n",
		"web:\n  tokens:\n    - token:hunter2-plain-0123456789\n",
		"web:\n  tokens:\n    - {name: a, scopes: [read], token: *hunter2-plain-0123456789}\n",
		"web:\n  tokens:\n    - {name: a, scopes: [read], token: !hunter2-plain-0123456789 x}\n",
		"web:\n  tokens:\n    - hunter2-plain-0123456789: [read]\n",
	} {
		_, err := Parse("insightd.yml", []byte(text))
		require.Error(t, err, text)
		require.NotContains(t, err.Error(), "hunter2", text)
	}
	_, err := Parse("insightd.yml", []byte("web:\n  tokens:\n    - {name: a, scope: [read]}\n"))
	require.ErrorContains(t, err, `the unknown key "scope"`)
}
