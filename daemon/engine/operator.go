package engine

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/insightd/insightd/daemon/enrich"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// sensitiveClass is a class of operations whose operators are judged.
type sensitiveClass struct {
	class   string // as the catalogue calls it
	insight string
	did     string // in words
	noun    string // in the plural
}

// sensitive are the classes by their category.
var sensitive = [...]sensitiveClass{
	models.PolicyChange:     {"policy_change", insight.TypePolicyChange, "changed permissions", "changes of permissions"},
	models.PasswordChange:   {"password_change", insight.TypePasswordChange, "changed passwords or keys", "changes of passwords or keys"},
	models.TrailConcealment: {"trail_concealment", insight.TypeTrailConcealment, "changed what is recorded", "changes of what is recorded"},
}

// isSensitive reports whether an event is of one of the classes.
func isSensitive(e *event.Event) bool {
	return e.Class != "" && slices.ContainsFunc(sensitive[:], func(x sensitiveClass) bool { return tierIn(e, x.class) > 0 })
}

const (
	// oddFrom is the score from which on an operator is reported.
	oddFrom = 2.1
	// oddAlways is the score from which on an operation that is always reported
	// is not one of its usual operator.
	oddAlways = 1.8
	// operatorQuiet is after how many minutes without an operation an insight
	// ends.
	operatorQuiet = 60
	// usualOperator is why what is always reported is not notified.
	usualOperator = "usual operator"
)

// operators is the detector of unusual operators: who changes permissions,
// passwords and trails, and is it his habit. What it knows of an identity hangs
// on the identity itself.
type operators struct {
	model  *models.Operators
	table  *models.Transactions
	rules  []models.Rule
	mined  int32 // the day on which the rules were found
	places map[uint64]*placeUse
}

// operator is what the detector knows of an identity.
type operator struct {
	usual models.Usual
	habit *models.Habit // nil where it never did a sensitive operation
}

// placeUse is who was first seen in a network, and who else after that.
type placeUse struct {
	who   [2]symbol
	since [2]models.Minute
}

// placesLimit is how many networks are known with who uses them; the quarter
// that is known longest makes room.
const placesLimit = 16_384

func newOperators() *operators {
	return &operators{model: models.NewOperators(), table: models.NewTransactions(), places: map[uint64]*placeUse{}}
}

func (l *operators) types() []string {
	out := make([]string, len(sensitive))
	for c := range sensitive {
		out[c] = sensitive[c].insight
	}
	return out
}

// look judges a sensitive operation.
func (l *operators) look(s *stream, e *event.Event, n names, w *who, m models.Minute) (finding, bool) {
	if e.Class == "" {
		return finding{}, false
	}
	var best finding
	found := false
	for c := range sensitive {
		tier := tierIn(e, sensitive[c].class)
		if tier == 0 {
			continue
		}
		if f, ok := l.judge(s, e, n, w, m, models.Category(c), tier); ok && (!found || f.weight() > best.weight()) {
			best, found = f, true
		}
	}
	return best, found
}

// weight orders findings of one event: what is notified first.
func (f *finding) weight() float64 {
	if f.suppressed != "" {
		return -1
	}
	return f.score
}

// tierIn is the risk tier of an event in a class of the catalogue, 0 where it is
// not of the class. The event has the tier of its first class.
func tierIn(e *event.Event, class string) uint8 {
	first, rest, _ := strings.Cut(e.Class, " ")
	switch {
	case first == class:
		return e.Risk
	case rest != "" && hasClass(e, class):
		return min(e.Risk, highRisk-1)
	}
	return 0
}

// judge judges an operation in one category.
func (l *operators) judge(s *stream, e *event.Event, n names, w *who, m models.Minute, c models.Category, tier uint8) (finding, bool) {
	always := tier >= highRisk
	if !always && (w.name == enrich.Hidden || forwarded(e)) {
		return finding{}, false
	}
	op := w.operator
	if op == nil {
		op = &operator{}
	}
	v := verdict{
		category: c, tier: tier, what: l.operation(e, w, m, c),
		by: op.usual.Compare(l.call(s, e, n, w, m)), fresh: fresh(w, n, m),
	}
	if m > s.passed+1 {
		// On arrival the last minutes are not learned, so a silence cannot be told.
		v.by.Alone, v.by.AloneRarity = false, 0
	}
	v.odds = l.model.Judge(op.habit, v.what, v.by, v.fresh)
	below := oddFrom
	if always {
		below = oddAlways
	}
	odd := v.odds.Score >= below
	if !odd && !always {
		return finding{}, false
	}
	f := finding{
		insight: sensitive[c].insight, who: w, region: e.Region, object: e.Service, always: always,
		score: v.odds.Score, severity: v.severity(e, w), attack: techniques(e, c), quiet: operatorQuiet,
		events:  selection{region: e.Region, identity: w.name, service: e.Service, class: sensitive[c].class, data: s.set.DataEvents},
		summary: v.summary(e, w), reasons: l.reasons(s, e, w, &v, below),
	}
	if !odd {
		f.suppressed = usualOperator
	}
	if days, known := s.daysUsed(e); always {
		f.firm = !known || days == 0
	}
	return f, true
}

// operation is what the model is asked about.
func (l *operators) operation(e *event.Event, w *who, m models.Minute, c models.Category) models.Operation {
	x := models.Operation{Category: c, Call: hashText(e.Service, e.Operation), Group: peersOf(w), Minute: m}
	if c == models.PasswordChange && selfService(e) {
		x.Category = models.SelfService
	}
	if u := l.places[placeKey(e.Source.IP)]; u != nil {
		for i, y := range u.who {
			// Who came within a day may be the same stranger.
			x.Shared = x.Shared || y != 0 && y != w.id && m-u.since[i] >= 1440
		}
	}
	return x
}

// call is an event as the habits of operators see it: only writes are new.
func (l *operators) call(s *stream, e *event.Event, n names, w *who, m models.Minute) models.Call {
	c := s.callOf(e, n, w, m)
	c.New = c.New && e.Access == event.AccessWrite
	return c
}

// callOf is an event as far as its circumstances go, reads among them.
func (s *stream) callOf(e *event.Event, n names, w *who, m models.Minute) models.Call {
	c := models.Call{Minute: m, Place: placeKey(e.Source.IP), Tool: hashText(e.AgentFamily, "")}
	if e.AgentFamily == "" {
		c.Tool = 0
	}
	// Beyond the limit nothing can be told to be new.
	c.New = len(w.apis) < apisLimit && !s.called(w, n)
	return c
}

// fresh reports whether the identity did not make a call a day ago.
func fresh(w *who, n names, m models.Minute) bool {
	a := w.apis[n.api]
	return a == nil && len(w.apis) < apisLimit || a != nil && m-a.first < 1440
}

// learn takes in an event. What happens under an open insight is no habit.
func (l *operators) learn(s *stream, e *event.Event, n names, w *who, m models.Minute, open bool) {
	if day := m / 1440; day != l.mined {
		l.mined = day
		l.mine()
	}
	if w.name == enrich.Hidden {
		return
	}
	op := w.operator
	if op == nil {
		op = &operator{}
		w.operator = op
	}
	// Only the few sensitive operations are compared before they are learned.
	learns := isSensitive(e) && !forwarded(e)
	call := l.call(s, e, n, w, m)
	var by models.Circumstances
	if learns {
		by = op.usual.Compare(call)
	}
	news := op.usual.Observe(call)
	if news.Day {
		l.model.Active(op.habit, peersOf(w), m, op.usual.Days(), news.Halved)
	}
	if news.Place {
		l.use(s, call.Place, w.id, m)
	}
	if !learns {
		return
	}
	if op.habit == nil {
		op.habit = new(models.Habit)
	}
	for c := range sensitive {
		if tierIn(e, sensitive[c].class) == 0 {
			continue
		}
		x := l.operation(e, w, m, models.Category(c))
		l.model.Learn(op.habit, x, fresh(w, n, m), open)
		if !open {
			l.table.Add(l.items(e, w, models.Category(c), x.Group, by), m)
		}
	}
}

// use notes that an identity was seen in a network.
func (l *operators) use(s *stream, place uint64, id symbol, m models.Minute) {
	if place == 0 {
		return
	}
	u := l.places[place]
	if u == nil {
		if len(l.places) >= placesLimit {
			keys := make([]uint64, 0, len(l.places))
			for k := range l.places {
				keys = append(keys, k)
			}
			slices.SortFunc(keys, func(a, b uint64) int {
				return cmp.Or(cmp.Compare(l.places[a].since[0], l.places[b].since[0]), cmp.Compare(a, b))
			})
			for _, k := range keys[:len(keys)/4] {
				delete(l.places, k)
			}
		}
		l.places[place] = &placeUse{who: [2]symbol{id}, since: [2]models.Minute{m}}
		return
	}
	if u.who[0] != id && u.who[1] == 0 {
		u.who[1], u.since[1] = id, m
	}
}

// placeKey stands for an address's /24, or /48 where it is of IPv6; 0 for none.
func placeKey(ip netip.Addr) uint64 {
	switch {
	case ip.Is4() || ip.Is4In6():
		a := ip.As4()
		return 1<<56 | uint64(a[0])<<16 | uint64(a[1])<<8 | uint64(a[2])
	case ip.Is6():
		a := ip.As16()
		return 2<<56 | uint64(a[0])<<40 | uint64(a[1])<<32 | uint64(a[2])<<24 | uint64(a[3])<<16 | uint64(a[4])<<8 | uint64(a[5])
	}
	return 0
}

// hashText is FNV-1a of two texts, the same in every process.
func hashText(a, b string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(a) {
		h = (h ^ uint64(a[i])) * 1099511628211
	}
	h = (h ^ ':') * 1099511628211
	for i := range len(b) {
		h = (h ^ uint64(b[i])) * 1099511628211
	}
	return h
}

// forwarded reports whether a service made the call for somebody, as a part of
// what it does: it names itself in the place of an address. What CloudFormation
// does is what its caller wrote down, and counts as his own.
func forwarded(e *event.Event) bool {
	if e.Actor.Kind == event.KindCloudService {
		return true
	}
	a := e.Source.Address
	return !e.Source.IP.IsValid() && (a == "AWS Internal" || strings.HasSuffix(a, ".amazonaws.com") || strings.HasSuffix(a, ".amazonaws.com.cn")) &&
		!strings.HasPrefix(a, "cloudformation.")
}

// peersOf is of what kind an identity is, as others are too: the role that
// people share, users with and without a console, roles of workloads.
func peersOf(w *who) string {
	switch w.kind {
	case event.KindHuman:
		if _, rest, ok := strings.Cut(w.name, ":assumed-role/"); ok {
			role, _, _ := strings.Cut(rest, "/")
			return "people of " + role
		}
		return "people"
	case event.KindService:
		return "users that are programs"
	case event.KindRole:
		return "roles of workloads"
	case event.KindRoot:
		return "root"
	}
	return w.kind.String()
}

// ownCredentials are operations by which one keeps one's own password, keys and
// second factor.
var ownCredentials = map[string]bool{
	"EnableMFADevice": true, "CreateVirtualMFADevice": true, "ResyncMFADevice": true,
	"CreateAccessKey": true, "UpdateAccessKey": true, "DeleteAccessKey": true,
	"UploadSSHPublicKey": true, "UpdateSSHPublicKey": true,
	"CreateServiceSpecificCredential": true, "ResetServiceSpecificCredential": true, "UploadSigningCertificate": true,
}

// selfService reports whether somebody plainly changed his own password, key or
// second factor.
func selfService(e *event.Event) bool {
	switch e.Provider {
	case "aws":
		if e.Service != "iam.amazonaws.com" || !strings.Contains(e.Actor.Identity, ":user/") {
			return false
		}
		if e.Operation == "ChangePassword" {
			return true
		}
		own := insight.ShortName(e.Actor.Identity)
		return ownCredentials[e.Operation] && (len(e.Resources) == 0 ||
			slices.Contains(e.Resources, own) || slices.Contains(e.Resources, e.Actor.Identity))
	case "alibaba":
		switch e.Operation {
		case "ChangePassword", "PasswordModify", "MFABind", "BindMFADevice", "MobileBind", "MobileModify", "EmailModify":
			return true
		}
	case "azure":
		switch strings.TrimRight(e.Operation, ".") {
		case "Change password (self-service)", "User registered security info":
			return true
		}
	}
	return false
}

// knows says what the detector of a type goes by.
func (l *operators) knows(s *stream, typ string) (string, bool) {
	if s.live[kindAccountCalls] == 0 {
		return "no write of the account was seen", false
	}
	c := slices.Index(l.types(), typ)
	does := 0
	for _, w := range s.identities {
		if w.operator != nil && w.operator.habit.Days(models.Category(c)) > 0 {
			does++
		}
	}
	rules := 0
	for i := range l.rules {
		if slices.Contains(l.rules[i].If, "category="+sensitive[c].class) {
			rules++
		}
	}
	return fmt.Sprintf("%s of %s %s before; %s in force", number(float64(does)), plural(len(s.identities), "identity", "identities"),
		sensitive[c].did, plural(rules, "rule", "rules")), true
}

// fields is what the detector learned.
func (l *operators) fields(s *stream, d *codec) {
	d.binary(l.model)
	d.binary(l.table)
	d.json(&l.rules)
	integer(d, &l.mined)
	dict(d, &l.places, cmp.Compare[uint64], func(k *uint64, u **placeUse) {
		if d.reading() {
			*u = &placeUse{}
		}
		integer(d, k)
		for i := range (*u).who {
			d.symbol(&(*u).who[i])
			integer(d, &(*u).since[i])
		}
	})
	var ids []symbol
	if !d.reading() {
		for y, w := range s.identities {
			if w.operator != nil {
				ids = append(ids, y)
			}
		}
		slices.Sort(ids)
	}
	list(d, &ids, func(y *symbol) {
		d.symbol(y)
		w := s.identities[*y]
		if d.reading() {
			if d.err != nil {
				return
			}
			if w == nil || w.operator != nil {
				d.fail(errSnapshot)
				return
			}
			w.operator = &operator{}
		}
		op := w.operator
		d.binary(&op.usual)
		does := op.habit != nil
		if d.flag(&does); !does {
			return
		}
		if d.reading() {
			op.habit = new(models.Habit)
		}
		d.binary(op.habit)
	})
}
