package simulate

import (
	"fmt"
	"strings"
)

// kind is what sort of credentials an actor has.
type kind uint8

const (
	iamUser   kind = iota // A long-lived key, and a console password if a person.
	ssoPerson             // An assumed role with the e-mail address as session.
	role                  // An assumed role whose sessions come and go.
	awsOwn                // A service principal.
	rootUser              // The account itself. It makes no traffic of its own.
)

// naming is how a workload names its sessions.
type naming uint8

const (
	byFunction naming = iota // Always the function's name.
	byInstance               // An instance id that lives for days.
	byTask                   // A container task that lives for a day.
	byRun                    // A number for every run.
)

// account is one AWS account.
type account struct {
	id     string
	seed   uint64
	region uint8 // Home region, an index of regions.
	site   int   // Where most of its people are, an index of sites.
	actors []*actor
	nats   [][3]uint32 // By region.
	// The pools that templates are filled from.
	names, buckets, users, roles []string

	gaps   []span // Nothing but incidents is delivered.
	storms []storm
	// holidays holds the public holidays, by site and day.
	holidays map[[2]int]bool
}

// span is [from, to) in seconds after the base.
type span struct{ from, to int32 }

func (s span) has(t int32) bool { return s.from <= t && t < s.to }

// storm is a time in which a service throttles that share of its calls.
type storm struct {
	span
	service *service
	share   float64
}

// accessKey is a long-lived key and from when it is used.
type accessKey struct {
	from int32
	id   string
}

// change is a legitimate change of an actor's habits.
type change struct {
	span
	kind   string
	factor float64     // level_shift.
	site   int         // travel.
	pack   *repertoire // new_service, role_change.
}

// actor is somebody or something that makes calls.
type actor struct {
	idx  int32
	acct *account
	arch archetype
	kind kind
	seed uint64

	name      string // User name, or the e-mail address of an SSO person.
	role      string // Role name.
	rolePath  string // Path of the role in its own ARN, with the slash at the end.
	principal string // AIDA… or AROA….
	identity  string // As the daemon names it.
	arn       string // User ARN, or the assumed-role ARN up to the session.
	naming    naming
	function  string
	keys      []accessKey
	// person is what an SSO person is the same by in all accounts.
	person uint64

	rep     repertoire
	regions [2]uint8
	second  float64 // Share of calls in the second region.
	agent   uint8   // The program of automations, and of people's own calls.
	browser uint8
	site    int
	rate    float64 // Relative to the archetype's usual.

	errors  float64 // Share of calls that fail.
	failing apiID   // An API that fails that often, for those that have one.
	failure float64

	// ops is how many sensitive operations of a class are made a working day,
	// or a run.
	ops [classes]float64

	// People.
	shift    float64 // Hours that their day is later than others'.
	weekend  float64
	console  float64 // Share of sessions in the console.
	office   float64 // Share of days in the office.
	lease    int     // Days for which a home keeps its address.
	stubborn float64 // How often a session fails again and again.
	expiry   int     // Day of the password's 90 on which it expires.

	// Automations.
	period  int32 // Seconds.
	phase   int32
	size    int
	growth  float64 // drift: a day.
	monthly int     // cron: day of the month of the large run, or 0.
	roving  bool    // Its addresses change, as those of functions without a VPC do.
	from    []uint32

	joined  int32
	changes []change
}

const never = int32(1) << 30

var (
	givenNames = strings.Fields("anna ben carla david elena felix grace hugo ines jonas kira liam maria noah olga paul rosa sam tina umar vera will xenia yann zoe amir bianca chen dora erik fiona george hana ivan julia ken lena mark nina oscar priya ravi sofia tom ursula victor wanda yuki pedro luisa")
	surnames   = strings.Fields("meier smith garcia kowalski tanaka sharma silva dubois jones fischer brown rossi novak patel sato lima martin wilson weber taylor nowak kumar ito costa bernard evans wagner clark moreau walker becker hall suzuki souza leroy wright schulz green richter baker")
	things     = strings.Fields("orders billing search catalog payments checkout inventory shipping reports metrics events users auth media images pricing fraud ledger sync export import mail notify cache gateway web api worker batch archive")
	suffixes   = strings.Fields("prod staging core v2 eu main internal edge")
	functions  = map[archetype][]string{
		ci: {"deployer", "pipeline", "release", "build"}, cron: {"snapshots", "cleanup", "tagger", "rotation", "scheduler", "backup"},
		autoscale: {"karpenter", "scaler", "cluster-autoscaler"}, poll: {"monitoring", "inventory", "exporter", "watcher"},
		app: {"service", "api", "worker", "backend"}, etl: {"etl", "ingest", "transform", "warehouse"},
		drift: {"processor", "consumer"}, weekly: {"rollout", "platform-release"}, sparse: {"legacy", "migration", "audit-export"},
	}
	ssoRoles = map[archetype]string{dev: "Developer", analyst: "DataAnalyst", admin: "AdministratorAccess", secops: "SecurityAudit"}
)

// populate makes the accounts and everybody in them.
func (t *Traffic) populate() {
	org := newRNG(t.o.Seed, 1)
	first := org.intn(4)
	for i := range t.o.Accounts {
		seed := hash(t.o.Seed, 2, uint64(i))
		r := newRNG(seed, 1)
		ac := &account{seed: seed, site: first, holidays: map[[2]int]bool{}}
		if i > 0 {
			ac.site = r.intn(len(sites))
		}
		ac.region = sites[ac.site].region
		// The index stands in the id, so that no two accounts share one.
		ac.id = fmt.Sprintf("%03d%04d%05d", 200+r.intn(700), i, r.intn(100000))
		for j := range regions {
			var n [3]uint32
			for k := range n {
				n[k] = natBlocks[j].addr(r.next())
			}
			ac.nats = append(ac.nats, n)
		}
		for _, th := range things {
			n := th + "-" + pick(&r, suffixes)
			ac.names = append(ac.names, n)
			ac.buckets = append(ac.buckets, fmt.Sprintf("%s-%s", n, ac.id[6:]))
		}
		t.accounts = append(t.accounts, ac)
		t.truth.Accounts = append(t.truth.Accounts, ac.id)
		used := map[string]bool{}
		for arch, n := range apportion(t.o.Identities) {
			for k := range n {
				t.addActor(ac, archetype(arch), k, used)
			}
		}
		for k, principal := range []string{"lambda.amazonaws.com", "autoscaling.amazonaws.com"} {
			a := t.addActor(ac, awsService, k, used)
			a.name, a.identity = principal, principal
		}
		for _, a := range ac.actors {
			switch a.kind {
			case iamUser:
				ac.users = append(ac.users, a.name)
			case role:
				ac.roles = append(ac.roles, a.role)
			}
		}
		ac.users = append(ac.users, "backup-operator", "vendor-readonly")
		ac.roles = append(ac.roles, "lambda-execution", "ecs-task-execution")
	}
}

// addActor makes the k-th actor of an archetype in an account.
func (t *Traffic) addActor(ac *account, arch archetype, k int, used map[string]bool) *actor {
	a := &actor{
		idx: int32(len(t.actors)), acct: ac, arch: arch, seed: hash(ac.seed, 3, uint64(arch), uint64(k)),
		joined: -never, site: ac.site, rate: 1,
	}
	r := newRNG(a.seed, 1)
	a.regions = [2]uint8{ac.region, uint8(r.intn(len(regions)))}
	if r.chance(0.3) {
		a.second = r.uniform(0.02, 0.3)
	}
	a.errors = r.uniform(0.003, 0.02)
	switch {
	case arch == awsService:
		a.kind = awsOwn
	case arch.person():
		a.makePerson(&r, k, t.o.Seed, used)
	default:
		a.makeAutomation(&r, k, used)
	}
	a.rep = a.rep.or(repertoires[arch].part(&r, arch))
	a.key()
	t.actors = append(t.actors, a)
	ac.actors = append(ac.actors, a)
	return a
}

func (r repertoire) or(other repertoire) repertoire {
	if r.reads == nil && r.writes == nil {
		return other
	}
	return r
}

// part is what one individual uses of an archetype's repertoire.
func (r repertoire) part(g *rng, arch archetype) repertoire {
	few := func(all []apiID, low, high int) []apiID {
		out := append([]apiID(nil), all...)
		// The front is more likely: a partial shuffle by jittered rank.
		for i := range out {
			j := min(len(out)-1, i+g.intn(len(out)/2+1))
			if g.chance(0.4) {
				out[i], out[j] = out[j], out[i]
			}
		}
		return out[:min(len(out), g.between(low, high))]
	}
	var q repertoire
	if len(r.pages) > 0 {
		order := append([][]apiID(nil), r.pages...)
		shuffle(g, order[1:])
		q.pages = order[:min(len(order), g.between(3, 6))]
	}
	switch arch {
	case dev, admin:
		q.reads, q.writes = few(r.reads, 5, 10), few(r.writes, 5, 13)
	case poll:
		q.reads = few(r.reads, 2, 5)
	case awsService:
		return r
	default:
		q.reads, q.writes = few(r.reads, 3, 8), few(r.writes, 2, 8)
	}
	return q
}

// makePerson decides who a person is and how the days go.
func (a *actor) makePerson(r *rng, k int, seed uint64, used map[string]bool) {
	a.kind = ssoPerson
	if r.chance(0.25) {
		a.kind = iamUser
	}
	// A third of the SSO people work in every account, and are the same person
	// there: same name, homes and hours.
	pr := newRNG(a.seed, 2)
	if a.kind == ssoPerson && k%3 == 0 {
		pr = newRNG(seed, 4, uint64(a.arch), uint64(k))
	}
	a.person = pr.next()
	// Names have a stream of their own, so that one that is taken in an account
	// changes nothing else of the person.
	nr := newRNG(a.person, 3)
	for try := 0; ; try++ {
		a.name = pick(&nr, givenNames) + "." + pick(&nr, surnames)
		if try > 50 {
			a.name = fmt.Sprintf("%s%d", a.name, nr.intn(10000))
		}
		if !used[a.name] {
			break
		}
	}
	used[a.name] = true
	if pr.chance(0.35) {
		a.site = pr.intn(len(sites))
	}
	a.regions[0] = a.acct.region
	if a.kind == ssoPerson {
		a.name += "@example.com"
		a.role = fmt.Sprintf("AWSReservedSSO_%s_%016x", ssoRoles[a.arch], hash(a.acct.seed, 5, uint64(a.arch)))
		a.rolePath = "aws-reserved/sso.amazonaws.com/" + regions[a.acct.region] + "/"
	}
	a.browser = uint8(pr.intn(len(browsers)))
	a.agent = toolAgent(pr.intn(len(tools)))
	a.rate = pr.uniform(0.4, 1.6)
	a.shift = float64(1.2 * pr.norm())
	a.weekend = 0.02
	if pr.chance(0.2) {
		a.weekend = pr.uniform(0.1, 0.4)
	}
	a.console = pr.uniform(0.25, 0.9)
	a.office = pr.uniform(0, 0.9)
	a.lease = pr.between(8, 60)
	if pr.chance(0.25) {
		a.stubborn = pr.uniform(0.01, 0.06)
	}
	a.expiry = pr.intn(90)
	a.errors = r.uniform(0.01, 0.05)
	switch a.arch {
	case admin:
		a.ops = [classes]float64{policy: r.uniform(0.3, 1.5), password: r.uniform(0.05, 0.3), trail: 0.01}
	case secops:
		a.ops = [classes]float64{policy: 0.1, password: 0.05, trail: r.uniform(0.05, 0.2)}
	case dev:
		if r.chance(0.25) {
			a.ops[policy] = r.uniform(0.03, 0.15)
		}
		if r.chance(0.1) {
			a.ops[password] = r.uniform(0.02, 0.1)
		}
	}
}

// makeAutomation decides what an automation does and when.
func (a *actor) makeAutomation(r *rng, k int, used map[string]bool) {
	base := pick(r, functions[a.arch])
	for {
		a.function = pick(r, things) + "-" + base
		if len(used) > 400 {
			a.function = fmt.Sprintf("%s-%d", a.function, r.intn(100000))
		}
		if !used[a.function] {
			break
		}
		base = pick(r, functions[a.arch])
		if r.chance(0.2) {
			base = fmt.Sprintf("%s-%d", base, r.between(2, 99))
		}
	}
	used[a.function] = true
	a.kind = role
	user := 0.25
	if a.arch == sparse || a.arch == poll {
		user = 0.5
	}
	if r.chance(user) {
		a.kind = iamUser
		a.name = "svc-" + a.function
	} else {
		a.role = a.function
	}
	a.agent = libraryAgent(r.intn(len(libraries)))
	a.rate = r.uniform(0.4, 1.6)
	switch a.arch {
	case ci, etl, weekly:
		a.naming = byRun
	case app, drift:
		a.naming = pick(r, []naming{byInstance, byInstance, byTask})
	case autoscale, poll:
		a.naming = pick(r, []naming{byInstance, byTask, byFunction})
	default:
		a.naming = byFunction
	}
	a.phase = int32(r.intn(daySeconds))
	switch a.arch {
	case ci:
		a.rate *= 22
		if k%3 == 0 {
			a.ops[policy] = 0.15
		}
	case cron:
		periods := []int32{900, 1800, 3600, 3600, 7200, 21600, 43200, 86400, 86400, 86400}
		a.period = periods[k%len(periods)]
		a.size = min(60, max(5, int(float64(r.between(300, 900))*float64(a.period)/daySeconds)))
		if k%3 == 0 {
			a.monthly = r.between(1, 28)
		}
		if k%5 == 1 {
			a.ops[password] = 0.5
		}
		if k%10 == 7 {
			a.ops[trail] = 0.3
		}
		a.roving = a.kind == role && r.chance(0.4)
	case autoscale:
		a.rate *= 10
	case poll:
		a.period = []int32{30, 60, 60, 120, 300, 60}[k%6]
		a.size = r.between(1, 3)
		if a.period >= 120 {
			a.size = r.between(3, 10)
		}
	case app:
		a.rate *= 2400
		if k%5 == 2 {
			a.errors = r.uniform(0.1, 0.4)
		}
	case etl:
		a.size = r.between(300, 1100)
		a.roving = a.kind == role && r.chance(0.2)
	case drift:
		a.rate *= 600
		a.growth = r.uniform(0.02, 0.05)
		if k%2 == 1 {
			a.growth = -a.growth
		}
	case weekly:
		a.size = r.between(300, 900)
	}
	if r.chance(0.06) {
		a.failure = r.uniform(0.6, 0.95)
	}
	// On the organisation's own servers, at a vendor's, or behind the NAT.
	switch {
	case a.kind == iamUser && r.chance(0.5):
		a.from = []uint32{officeNet(a.acct, a.site) | uint32(40+r.intn(60))}
	case a.kind == iamUser:
		for range r.between(1, 4) {
			a.from = append(a.from, natBlocks[0].addr(r.next()))
		}
	}
}

// key gives the actor its ARN, its identity and its first credentials.
func (a *actor) key() {
	ac := a.acct.id
	r := newRNG(a.seed, 6)
	switch a.kind {
	case iamUser:
		a.arn = "arn:aws:iam::" + ac + ":user/" + a.name
		a.identity = a.arn
		a.principal = "AIDA" + string(appendBase32(nil, r.next(), 16))
		a.keys = []accessKey{{-never, "AKIA" + string(appendBase32(nil, r.next(), 16))}}
	case ssoPerson:
		a.arn = "arn:aws:sts::" + ac + ":assumed-role/" + a.role + "/"
		a.identity = a.arn + a.name
		a.principal = "AROA" + string(appendBase32(nil, hash(a.acct.seed, 7, uint64(a.arch)), 16))
	case role:
		a.arn = "arn:aws:sts::" + ac + ":assumed-role/" + a.role + "/"
		a.identity = "arn:aws:iam::" + ac + ":role/" + a.role
		a.principal = "AROA" + string(appendBase32(nil, r.next(), 16))
	}
	if len(a.rep.writes) > 0 && a.failure > 0 {
		a.failing = pick(&r, a.rep.writes)
	} else if a.failure > 0 {
		a.failing = pick(&r, a.rep.reads)
	}
}

// appendKey appends the access key id of a call: the long-lived key of that
// time, or that of the session.
func (a *actor) appendKey(b []byte, c *call) []byte {
	if a.kind == awsOwn {
		return b
	}
	if a.kind != iamUser || c.flags&console != 0 {
		b = append(b, "ASIA"...)
		return appendBase32(b, a.sessionHash(c), 16)
	}
	i := len(a.keys) - 1
	for i > 0 && a.keys[i].from > c.t {
		i--
	}
	return append(b, a.keys[i].id...)
}

func (a *actor) sessionHash(c *call) uint64 { return hash(a.seed, 8, uint64(uint32(c.sess))) }

// appendSession appends the name of the session that a call is part of.
func (a *actor) appendSession(b []byte, c *call) []byte {
	if a.kind == ssoPerson {
		return append(b, a.name...)
	}
	switch a.naming {
	case byInstance:
		// A session's number modulo 16 says which of the instances it is on.
		b = append(b, "i-0"...)
		return appendHex(b, hash(a.seed, 9, uint64(c.sess&15), uint64(c.sess/(3*daySeconds))), 16)
	case byTask:
		h := a.sessionHash(c)
		b = appendHex(b, h, 16)
		return appendHex(b, mix(h), 16)
	case byRun:
		b = append(b, a.function...)
		b = append(b, '-')
		return appendInt(b, int64(a.sessionHash(c)%9000000000)+1000000000)
	}
	return append(b, a.function...)
}

// regionOf is where a call of that API goes.
func (a *actor) regionOf(r *rng, i apiID) uint8 {
	if catalog[i].service.global {
		return 0
	}
	if a.second > 0 && r.chance(a.second) {
		return a.regions[1]
	}
	return a.regions[0]
}
