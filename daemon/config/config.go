// Package config reads the configuration file: YAML, strict, with every error
// of a file told at once, each with its line, its column, what was found, what
// was expected, and what to do.
//
// The struct tags below are the one place where a key is described: its name
// (yaml), its default, its bounds (min, max), the words that it may be (enum),
// and its help. Defaults are parsed from the tags, and the reference is
// generated from them.
package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"time"

	"github.com/insightd/insightd/daemon/event"
)

// Config is the whole of a configuration file. It is not written to once it
// has been loaded; a reload makes a new one.
type Config struct {
	Sources []Source `yaml:"sources" help:"Where events are read from. Standard input and push need no entry here."`

	Lateness time.Duration `yaml:"lateness" default:"30m" min:"0s" max:"1d" help:"How much later than others an event may come and still be judged. CloudTrail delivers within about 15 minutes. Insights become final this long after the fact."`
	Future   time.Duration `yaml:"future" default:"10m" min:"0s" max:"1d" help:"How far ahead of its receipt an event's time may be. Events further ahead are stored and counted, and enter no series."`

	Storage    Storage     `yaml:"storage" help:"How long and how much is kept. Time and size bound each store on its own, whichever comes first."`
	Identities Identities  `yaml:"identities" help:"Who is a person and who is a workload."`
	Resources  Resources   `yaml:"resources" help:"What is sensitive, as patterns of resource names in which * stands for any run of characters and ? for any one. The highest that fits counts. Insights say it (filter sensitivity), and where it is high their severity is a step higher."`
	Networks   Networks    `yaml:"networks" help:"Networks whose class you know better than the built-in tables. The longest prefix that holds an address decides."`
	GeoIP      GeoIP       `yaml:"geoip" help:"Databases in MaxMind's format (.mmdb) to be used instead of the built-in ones."`
	Models     Models      `yaml:"models" help:"How insights are decided."`
	Rules      Rules       `yaml:"rules" help:"The rules that say what must never pass unseen."`
	Exceptions []Exception `yaml:"exceptions" help:"Of what nobody need be told for a time: mutes, allow-lists and maintenance windows, as /api/v1/exceptions takes them. A reload takes new ones and ends those that are gone or were changed."`
	Catalog    Catalog     `yaml:"catalog" help:"The catalogue of operations, their classes and their risk."`
	Limits     Limits      `yaml:"limits" help:"Bounds on what is kept in memory. What a bound folds or drops shows in metrics and in /api/v1/coverage."`
	Web        Web         `yaml:"web" help:"The HTTP interface. Address, TLS and users are set by flags."`
}

// Source is one place that events are read from.
type Source struct {
	Type string `yaml:"type" default:"file" enum:"file" help:"What kind of source it is."`
	// Name is the path where the file gives none.
	Name         string        `yaml:"name" help:"The name under which metrics, logs and checkpoints know the source. Names are unique. The path where it is not given."`
	Path         string        `yaml:"path" kind:"path" required:"true" help:"A file, a folder with everything below it, or a pattern such as /var/log/aws/*.json.gz. Where logs are rotated name the folder, or a pattern that matches the old ones too."`
	Provider     string        `yaml:"provider" help:"Whose records they are. Detected for each record where it is not given."`
	Account      string        `yaml:"account" help:"The account of records that name none, such as the name of the cluster whose Kubernetes audit log it is."`
	Follow       bool          `yaml:"follow" default:"true" help:"Go on reading what is added. Where it is false the source is read once."`
	PollInterval time.Duration `yaml:"poll_interval" default:"10s" min:"100ms" max:"1d" help:"How often to look for new files where the file system does not tell of them, as network file systems do not."`
}

// Storage is how long and how much is kept.
type Storage struct {
	Events   Store         `yaml:"events" help:"The event log, from which everything else can be rebuilt."`
	Series   Store         `yaml:"series" help:"The time series."`
	Insights InsightsStore `yaml:"insights" help:"Insights."`
}

// Store bounds a store by time and by size.
type Store struct {
	Retention time.Duration `yaml:"retention" default:"90d" min:"1d" help:"How long to keep. Older data is deleted, and older events are refused."`
	MaxSize   Bytes         `yaml:"max_size" default:"0" help:"How much to keep. The oldest is deleted first. 0 is no bound."`
}

// InsightsStore bounds the store of insights, which is small, by time alone.
type InsightsStore struct {
	Retention time.Duration `yaml:"retention" default:"93d" min:"1d" help:"How long to keep insights after they ended."`
}

// Identities says who is a person.
type Identities struct {
	Critical       Critical         `yaml:"critical" help:"Critical identities, by label, as patterns of the whole identity in which * stands for any run of characters and ? for any one, such as arn:aws:iam::*:user/emergency-*. Insights say the labels (filter identity_label), and their severity is a step higher."`
	PeopleSessions []*regexp.Regexp `yaml:"people_sessions" help:"Session names of assumed roles that stand for a person, as regular expressions that match the whole name. Names that are e-mail addresses and roles of IAM Identity Center are people without being listed."`
}

// Critical labels identities.
type Critical struct {
	Admin      []string `yaml:"admin" help:"Administrators."`
	BreakGlass []string `yaml:"break_glass" help:"Identities that are for emergencies only. Each use raises a RuleInsight of the rule break-glass, severity High, from the account's first minute on; only an exception that names that rule keeps it from being told."`
	CI         []string `yaml:"ci" help:"Pipelines that build and deploy."`
	DataAccess []string `yaml:"data_access" help:"Identities that reach sensitive data."`
}

// Resources says which resources are sensitive.
type Resources struct {
	High   []string `yaml:"high" help:"Resources of high sensitivity."`
	Medium []string `yaml:"medium" help:"Resources of medium sensitivity."`
	Low    []string `yaml:"low" help:"Resources of low sensitivity."`
}

// Exception says of what nobody need be told for a time.
type Exception struct {
	ID      string         `yaml:"id" help:"The id under which insights and /api/v1/exceptions name it, of letters, digits and . _ -. Made of what the exception says where it is not given."`
	Kind    string         `yaml:"kind" required:"true" enum:"mute|allow|maintenance" help:"What it is for. They work alike, but maintenance needs a start."`
	Owner   string         `yaml:"owner" required:"true" help:"Who answers for it."`
	Reason  string         `yaml:"reason" required:"true" help:"Why it is needed."`
	Ticket  string         `yaml:"ticket" help:"The change or ticket that it belongs to."`
	Starts  time.Time      `yaml:"starts" help:"From which event time on it holds; at once where it is not given. What began before it is told."`
	Expires time.Time      `yaml:"expires" required:"true" help:"Up to which event time it holds, at most 366 days ahead. What goes on then is told."`
	Scope   ExceptionScope `yaml:"scope" required:"true" help:"Of what it is: of insights that have all that is given, in all their events. At least one key beside max_rate is needed."`
}

// ExceptionScope says of what an exception is.
type ExceptionScope struct {
	Provider  string  `yaml:"provider" help:"The provider."`
	Account   string  `yaml:"account" help:"The account, as a pattern like those of identities.critical."`
	Identity  string  `yaml:"identity" help:"Who, as such a pattern."`
	Operation string  `yaml:"operation" help:"What was called, as such a pattern of service:operation."`
	Type      string  `yaml:"insight_type" help:"The insight type, such as ApiCallRateInsight."`
	Rule      string  `yaml:"rule" help:"The id of the rule of a RuleInsight, as such a pattern."`
	Network   string  `yaml:"network" help:"Where from: a CIDR, an address, or a class of networks such as corporate."`
	Country   string  `yaml:"country" help:"Where from: ISO 3166-1 alpha-2 code, such as DE."`
	MaxRate   float64 `yaml:"max_rate" min:"0" help:"How many calls a minute it is of at the most; 0 is any number."`
}

// Networks classes networks.
type Networks struct {
	Corporate []netip.Prefix `yaml:"corporate" help:"Networks of your own: offices and VPN exits."`
	Cloud     []netip.Prefix `yaml:"cloud" help:"Networks of cloud providers."`
	Hosting   []netip.Prefix `yaml:"hosting" help:"Networks of hosting companies."`
	VPN       []netip.Prefix `yaml:"vpn" help:"Exits of commercial VPN services."`
	Tor       []netip.Prefix `yaml:"tor" help:"Exits of the Tor network."`
}

// GeoIP names databases.
type GeoIP struct {
	Country string `yaml:"country" kind:"path" help:"Country by address."`
	City    string `yaml:"city" kind:"path" help:"City and coordinates by address, for maps; it answers for country too where no country database is named."`
	ASN     string `yaml:"asn" kind:"path" help:"Autonomous system by address."`
}

// Models says how insights are decided.
type Models struct {
	WarmUp     time.Duration `yaml:"warm_up" default:"1d" min:"0s" max:"90d" help:"How long an account is only learned, from its first event on. History counts."`
	DataEvents bool          `yaml:"data_events" default:"false" help:"Let CloudTrail's data events (object reads and writes, function calls) into the call-rate models. They are counted and searchable either way."`
	Budget     Budget        `yaml:"budget" help:"How much false alarm is acceptable."`
}

// Budget is what false insights may cost.
type Budget struct {
	FalseInsightsPerDay float64 `yaml:"false_insights_per_day" default:"5" min:"0" max:"1000" help:"How many false insights an account may raise in a day. Thresholds follow from it, and insights beyond it are kept and marked as suppressed. 0 is no bound."`
}

// AllPacks stands for every shipped pack.
const AllPacks = "all"

// Rules names packages of rules.
type Rules struct {
	Packs []string `yaml:"packs" default:"all" enum:"all|aws|azure|alibaba|ibm|gcp|kubernetes" help:"Which of the shipped packs are in use, as a list, which may be empty. A single rule is taken out of use by a rule of your own with its id and dormant: true."`
	Files []string `yaml:"files" kind:"path" help:"Files and folders with packages of your own. A rule in them takes the place of the shipped one of the same id. A rule with errors disables itself only, which the log, /api/v1/rules and the metric insightd_rules tell."`
}

// Catalog names catalogue files.
type Catalog struct {
	Files []string `yaml:"files" kind:"path" help:"Files that add to the built-in catalogue or replace entries of it, the last one winning."`
}

// Limits are bounds on what is kept in memory.
type Limits struct {
	Series           int `yaml:"series" default:"200000" min:"1000" help:"Active series in all."`
	SeriesPerAccount int `yaml:"series_per_account" default:"100000" min:"1000" help:"Active series of one account."`
	ModelStates      int `yaml:"model_states" default:"200000" min:"1000" help:"Model states of one account; the longest idle ones make room."`
	Identities       int `yaml:"identities" default:"50000" min:"1000" help:"Identities of one account that are known; the longest idle ones make room, with their models."`
	OpenInsights     int `yaml:"open_insights" default:"1000" min:"10" help:"Insights of one account that are open at a time. Beyond it none is raised until others end, and what was not is counted."`
}

// Web is the HTTP interface.
type Web struct {
	Tokens []Token   `yaml:"tokens" help:"Who may ask. Where the list is empty everybody who reaches the address may do everything. A reload takes new tokens and drops old ones."`
	Limits WebLimits `yaml:"limits" help:"Bounds on requests. An error names the bound that was met."`
}

// Token lets whoever sends it do what its scopes say. Exactly one of TokenFile,
// Token and TokenSHA256 is set.
type Token struct {
	Name        string   `yaml:"name" required:"true" help:"Under which logs, metrics and the watermark know the client. Letters, digits and . _ - only; names are unique."`
	Scopes      []string `yaml:"scopes" enum:"ingest|read|admin" help:"What the token is for; a scope contains no other. ingest: push events. read: everything that is shown. admin: reload, shutdown, profiles, and what changes insights, exceptions and baselines."`
	TokenFile   string   `yaml:"token_file" kind:"path" help:"The file that holds the token; white space around it is ignored. It is read at the start and at each reload."`
	Token       Secret   `yaml:"token" help:"The token itself, of at least 16 characters. Prefer token_file or token_sha256: this file is easily copied."`
	TokenSHA256 Secret   `yaml:"token_sha256" help:"The SHA-256 of the token in hexadecimal digits, as sha256sum writes it, so that the daemon never has the token itself."`
}

// WebLimits are bounds on requests.
type WebLimits struct {
	MaxBodySize          Bytes         `yaml:"max_body_size" default:"64MB" min:"1KB" help:"The largest request body, as it is sent."`
	MaxDecompressedSize  Bytes         `yaml:"max_decompressed_size" default:"1GB" min:"1KB" help:"The largest request body, decompressed."`
	MaxRecordSize        Bytes         `yaml:"max_record_size" default:"2MB" min:"64KB" max:"64MB" help:"The largest single record that is pushed; larger ones are rejected, their neighbours are not."`
	MaxCompressionRatio  int           `yaml:"max_compression_ratio" default:"250" min:"10" max:"2000" help:"How many times larger than as it is sent a body may be when decompressed, once that is more than 8MB. CloudTrail's files are 8 times larger."`
	MinBodyRate          Bytes         `yaml:"min_body_rate" default:"2KB" min:"1B" help:"How many bytes of a body a client has to send a second, over any 20 seconds that it is waited for. Slower bodies are given up."`
	MaxHeaderSize        Bytes         `yaml:"max_header_size" default:"64KB" min:"4KB" max:"1MB" help:"The largest request line with all headers."`
	MaxHeaders           int           `yaml:"max_headers" default:"100" min:"20" max:"10000" help:"How many headers a request may have."`
	MaxConcurrentPushes  int           `yaml:"max_concurrent_pushes" default:"32" min:"1" max:"10000" help:"How many bodies are read at once, and half as many of one address, so that slow ones leave room. Others wait for 5 seconds and are then told to come again. Each takes at most about max_record_size three times over and 4MB."`
	MaxWatchers          int           `yaml:"max_watchers" default:"100" min:"1" max:"100000" help:"How many streams of insights are open at once."`
	MaxConnections       int           `yaml:"max_connections" default:"1000" min:"10" max:"1000000" help:"How many connections are open at once, and half as many of one address. Beyond it the one that is idle for longest is closed for a new one."`
	QueryTimeout         time.Duration `yaml:"query_timeout" default:"2m" min:"1s" max:"1h" help:"After how long a query is given up."`
	MaxQueryRange        time.Duration `yaml:"max_query_range" default:"400d" min:"1h" help:"The longest time between the start and the end of a question for events; PromQL is not held to it."`
	MaxSamples           int           `yaml:"max_samples" default:"50000000" min:"1000" help:"How many samples a query may load into memory."`
	MaxConcurrentQueries int           `yaml:"max_concurrent_queries" default:"20" min:"1" max:"10000" help:"How many queries run at once; others wait."`
}

// Load reads a file. Relative paths in it are taken from the file's own folder.
// The error holds one *Error for each thing that is wrong in the file.
func Load(path string) (*Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	c, err := Parse(path, b)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	walkPaths(reflect.ValueOf(c).Elem(), func(v reflect.Value) {
		if p := v.String(); p != "" && !filepath.IsAbs(p) {
			v.SetString(filepath.Join(dir, p))
		}
	})
	return c, nil
}

// Parse reads a configuration. name stands in errors, and relative paths are
// left as they are. The error is an Errors.
func Parse(name string, b []byte) (*Config, error) { return ParseOver(Default(), name, b) }

// ParseOver is Parse with other defaults: what the text does not say stays as it
// is in c, which is written to.
func ParseOver(c *Config, name string, b []byte) (*Config, error) {
	p := &parser{file: name, at: map[string]position{}}
	p.parse(b, reflect.ValueOf(c).Elem())
	if len(p.errs) == 0 {
		p.check(c)
	}
	if len(p.errs) > 0 {
		p.errs.sort()
		return nil, p.errs
	}
	return c, nil
}

// Default returns the configuration of an empty file.
func Default() *Config {
	c := &Config{}
	setDefaults(reflect.ValueOf(c).Elem())
	return c
}

// check looks at what several keys say together.
func (p *parser) check(c *Config) {
	named := map[string]string{}
	for i := range c.Sources {
		s, key := &c.Sources[i], fmt.Sprintf("sources[%d]", i)
		at := key + ".name"
		if s.Name == "" {
			s.Name, at = s.Path, key+".path"
		}
		if other, ok := named[s.Name]; ok {
			p.report(at, fmt.Sprintf("a second source named %q, the first is at %v", s.Name, p.at[other]),
				"a name of its own for each source", "give one of them another name")
		}
		named[s.Name] = at
		if err := checkPattern(s.Path); err != nil {
			p.report(key+".path", fmt.Sprintf("the pattern %q (%v)", s.Path, err),
				"a path, in which * ? [ and \\ have their meaning as in shells", `put a \ before a character that is meant as it stands`)
		}
		if providers := event.Providers(); s.Provider != "" && !contains(providers, s.Provider) {
			p.report(key+".provider", quote(s.Provider), oneOf(providers), didYouMean(s.Provider, providers))
		}
	}
	if st := c.Storage.Events; c.Lateness >= st.Retention {
		p.report("lateness", format(c.Lateness), "less than storage.events.retention, which is "+format(st.Retention),
			"shorten the one or lengthen the other")
	}
	p.checkLimits(c)
	p.checkNetworks(&c.Networks)
	if i := slices.Index(c.Rules.Packs, AllPacks); i >= 0 && len(c.Rules.Packs) > 1 {
		p.report(fmt.Sprintf("rules.packs[%d]", i), quote(AllPacks)+" beside others", "it alone, or names of packs", "remove it, or the others")
	}
	p.checkPatterns(&c.Identities.Critical, "identities.critical")
	p.checkPatterns(&c.Resources, "resources")
	p.checkExceptions(c.Exceptions, time.Now())
	p.checkTokens(c.Web.Tokens)
}

// checkLimits compares bounds that stand beside each other. A default gives way
// to what the file says.
func (p *parser) checkLimits(c *Config) {
	const perAccount, decompressed = "limits.series_per_account", "web.limits.max_decompressed_size"
	if l := &c.Limits; l.SeriesPerAccount > l.Series {
		if p.given(perAccount) {
			p.report(perAccount, format(l.SeriesPerAccount), "at most limits.series, which is "+format(l.Series),
				"lower the one or raise the other")
		}
		l.SeriesPerAccount = l.Series
	}
	if l := &c.Web.Limits; l.MaxDecompressedSize < l.MaxBodySize {
		if p.given(decompressed) {
			p.report(decompressed, format(l.MaxDecompressedSize), "at least web.limits.max_body_size, which is "+format(l.MaxBodySize),
				"raise the one or lower the other")
		}
		l.MaxDecompressedSize = l.MaxBodySize
	}
}

// checkNetworks finds prefixes that are listed twice. Prefixes inside others
// are meant: the longest decides.
func (p *parser) checkNetworks(n *Networks) {
	seen := map[netip.Prefix]string{}
	v := reflect.ValueOf(n).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("yaml")
		for j, prefix := range v.Field(i).Interface().([]netip.Prefix) {
			key := fmt.Sprintf("networks.%s[%d]", name, j)
			if first, ok := seen[prefix]; ok {
				p.report(key, fmt.Sprintf("%v a second time, it is at %v already", prefix, p.at[first]),
					"each network once", "remove one of the two")
				continue
			}
			seen[prefix] = key
		}
	}
}

// checkPattern reports whether a path is well-formed as a pattern.
func checkPattern(path string) error {
	_, err := filepath.Match(path, "")
	if errors.Is(err, filepath.ErrBadPattern) {
		return errors.New("a bracket or a backslash without its end")
	}
	return err
}
