package simulate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// CallerKind is what sort of credentials a caller has.
type CallerKind uint8

// The kinds of caller.
const (
	// CallerUser is an IAM user with long-lived keys.
	CallerUser CallerKind = iota
	// CallerPerson is a person who signs in through IAM Identity Center: a
	// session of a permission set's role, named by the e-mail address.
	CallerPerson
	// CallerRole is a workload with a role, whose session keys change.
	CallerRole
	// CallerService is a service of AWS that acts of its own accord.
	CallerService
	// CallerRoot is the account itself.
	CallerRoot
)

// Caller is somebody or something whose calls a Recorder writes.
type Caller struct {
	Kind CallerKind
	// Name is the user's, the person's e-mail address, the role's, or the
	// service's principal such as lambda.amazonaws.com. Root has none.
	Name string
	// Role is a person's permission set, by default Developer.
	Role string
	// Account is the account's number.
	Account string
}

// Call is a call that a Recorder writes.
type Call struct {
	Caller Caller
	Time   time.Time
	// API is the operation as IAM writes it: "ec2:RunInstances".
	API string
	// Region is where it happens, empty where a global service tells it or the
	// account's own region is meant.
	Region string
	// From is an address, or the name of a host.
	From  string
	Agent string
	// Error is the error code, empty for success.
	Error string
	// Parameters are the request's, as JSON; what the operation usually has where
	// it is empty.
	Parameters string
	// Number tells the call from all others of the recorder: its ids and what its
	// parameters hold follow from it.
	Number uint64
	// Key says which of a user's keys it is made with, from 1; 0 is the first.
	Key int
	// Console says that it comes from a browser, with a second factor.
	Console bool
	// Read overrides what the operation's name says about whether it changes
	// anything.
	Read *bool
}

// Recorder writes calls that others thought of as CloudTrail records, like those
// of Traffic. The same call gives the same bytes, in whatever order calls come.
// It is not safe for concurrent use.
type Recorder struct {
	r       renderer
	seed    uint64
	callers map[Caller]*actor
	apis    map[string]*api
}

// NewRecorder returns a recorder whose event ids follow from the seed and the
// calls' numbers.
func NewRecorder(seed uint64) *Recorder {
	t := &Traffic{base: time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)}
	return &Recorder{r: renderer{t: t, day: -never}, seed: seed, callers: map[Caller]*actor{}, apis: map[string]*api{}}
}

// homeRegion is where calls happen of which nothing else is said.
const homeRegion = "eu-central-1"

// Append appends the record of a call, without a newline.
func (w *Recorder) Append(b []byte, c *Call) []byte {
	a, op := w.actor(c.Caller), w.api(c.API)
	if c.Read != nil && *c.Read != op.read {
		other := *op
		other.read = *c.Read
		op = &other
	}
	t := int32(c.Time.Sub(w.r.t.base) / time.Second)
	in := call{id: mix(hash(w.seed, 40) + c.Number), t: t, sess: t - floorMod(t, 3600), err: failureOf(c.Error)}
	if c.Console {
		in.flags = console
	}
	if a.kind == iamUser || a.kind == rootUser {
		a.keys = []accessKey{{-never, KeyID(c.Caller, c.Key)}}
	}
	say := told{op: op, region: c.Region, agent: jsonText(c.Agent), from: []byte(jsonText(c.From)), code: c.Error}
	if say.region == "" {
		if say.region = homeRegion; op.service.global {
			say.region = regions[0]
		}
	}
	if c.Parameters != "" {
		say.params = []byte(c.Parameters)
	}
	return w.r.record(b, a, &in, &say)
}

// floorMod is what is left of a over a whole number of b.
func floorMod(a, b int32) int32 { return a - floorDiv(a, b)*b }

// jsonText is a text as it stands between the quotes of JSON.
func jsonText(s string) string {
	b, err := json.Marshal(s)
	if err != nil { // Strings always can be written.
		return ""
	}
	return string(b[1 : len(b)-1])
}

// Identity is the name under which the daemon knows a caller.
func (c Caller) Identity() string { return newCaller(c).identity }

// KeyID is the id of a user's n-th long-lived key, from 1; 0 is the first.
func KeyID(c Caller, n int) string {
	return "AKIA" + string(appendBase32(nil, hash(callerSeed(c), 41, uint64(max(n, 1))), 16))
}

func callerSeed(c Caller) uint64 {
	return hash(42, uint64(c.Kind), hashString(c.Name), hashString(c.Account))
}

// actor returns the actor that a caller is.
func (w *Recorder) actor(c Caller) *actor {
	a := w.callers[c]
	if a == nil {
		a = newCaller(c)
		w.callers[c] = a
	}
	return a
}

// newCaller makes the actor that a caller is: what a record needs of it.
func newCaller(c Caller) *actor {
	ac := &account{id: c.Account, seed: hash(43, hashString(c.Account))}
	for _, th := range things {
		ac.names = append(ac.names, th+"-prod")
		ac.buckets = append(ac.buckets, th+"-prod-"+c.Account)
	}
	ac.users, ac.roles = []string{"backup-operator", "vendor-readonly"}, []string{"lambda-execution", "ecs-task-execution"}
	a := &actor{acct: ac, seed: callerSeed(c), name: c.Name, function: c.Name, naming: byFunction}
	id := func(prefix string, seed uint64) string { return prefix + string(appendBase32(nil, seed, 16)) }
	switch c.Kind {
	case CallerUser:
		a.kind, a.principal = iamUser, id("AIDA", hash(a.seed, 6))
		a.arn = "arn:aws:iam::" + ac.id + ":user/" + c.Name
		a.identity = a.arn
	case CallerPerson:
		set := c.Role
		if set == "" {
			set = "Developer"
		}
		a.kind, a.principal = ssoPerson, id("AROA", hash(ac.seed, 7, hashString(set)))
		a.role = fmt.Sprintf("AWSReservedSSO_%s_%016x", set, hash(ac.seed, 5, hashString(set)))
		a.rolePath = "aws-reserved/sso.amazonaws.com/" + homeRegion + "/"
		a.arn = "arn:aws:sts::" + ac.id + ":assumed-role/" + a.role + "/"
		a.identity = a.arn + c.Name
	case CallerRole:
		a.kind, a.principal, a.role = role, id("AROA", hash(a.seed, 6)), c.Name
		a.arn = "arn:aws:sts::" + ac.id + ":assumed-role/" + c.Name + "/"
		a.identity = "arn:aws:iam::" + ac.id + ":role/" + c.Name
	case CallerService:
		a.kind, a.identity = awsOwn, c.Name
	case CallerRoot:
		a.kind, a.arn = rootUser, "arn:aws:iam::"+ac.id+":root"
		a.identity = a.arn
	}
	return a
}

// api returns what is known of an operation: what the catalogue has, or what can
// be told from its name.
func (w *Recorder) api(name string) *api {
	if op := w.apis[name]; op != nil {
		return op
	}
	op := lookUp(name)
	w.apis[name] = op
	return op
}

func lookUp(name string) *api {
	if i, ok := apiByID[name]; ok {
		return &catalog[i]
	}
	s, operation, _ := strings.Cut(name, ":")
	sv := services[s]
	if sv == nil {
		sv = svc(s, "", "AccessDenied", "ResourceNotFoundException")
	}
	op := &api{service: sv, name: operation, qualified: sv.source + ":" + operation, action: name}
	for _, verb := range []string{"Get", "List", "Describe", "Lookup", "Head", "Search", "BatchGet", "Simulate", "Select"} {
		op.read = op.read || strings.HasPrefix(operation, verb)
	}
	return op
}

// Qualified is the operation as insights name it: source:name, such as
// "ec2.amazonaws.com:RunInstances".
func Qualified(name string) string { return lookUp(name).qualified }

// Operations returns the operations of which the records are known in full, as
// IAM writes them, in order.
func Operations() []string { return slices.Sorted(maps.Keys(apiByID)) }

// Known reports whether an operation is one of Operations.
func Known(name string) bool {
	_, ok := apiByID[name]
	return ok
}

// Agents are the user agents that have a short name.
func Agents() map[string]string {
	return map[string]string{
		"console": browsers[0], "firefox": browsers[3],
		"aws-cli": tools[0], "boto3": tools[3], "terraform": tools[4],
		"lambda": libraries[0], "sdk-go": libraries[1], "sdk-java": libraries[2], "sdk-js": libraries[3],
	}
}

// failureOf is the kind of failure that an error code tells of.
func failureOf(code string) failure {
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(code, p) })
	}
	switch {
	case code == "":
		return ok
	case has("Denied", "Unauthorized", "Forbidden", "NotAuthorized", "AuthorizationError"):
		return denied
	case has("Throttl", "LimitExceeded", "TooManyRequests"):
		return throttled
	case has("NotFound", "NoSuch", "NotExist", "NonExistent"):
		return missing
	case has("Expired"):
		return expired
	}
	return invalid
}
