package event

import "strings"

// What the fields of Azure's records mean together.

// The provider's own words for who acted, where a record has none.
const (
	azureUser      = "User"
	azurePrincipal = "ServicePrincipal"
	azureManaged   = "ManagedIdentity"
)

// zeroGUID is the id of a user that is none: somebody typed a name at a sign-in.
const zeroGUID = "00000000-0000-0000-0000-000000000000"

// finishActivity is finish for the Activity Log and resource logs.
//
// Operations are written in small letters, since every form and every provider
// of resources has its own idea of them, and so is the service.
func (t *azure) finishActivity(kind azureKind, e *Event, p *stringPool) {
	f := &t.top
	e.UID = firstOf(f.eventData, t.inner.eventData)
	e.Account = t.account(p)
	e.Region = f.region
	t.finishAddress(e)
	e.UserAgent = firstOf(f.agent, t.inner.agent)
	namespace, _, path := strings.Cut(e.Operation, "/")
	if path {
		e.Operation = p.lower(e.Operation)
	}
	switch {
	case path && strings.IndexByte(namespace, '.') > 0:
		e.Service = p.lower(namespace)
	case f.provider != "":
		e.Service = p.lower(f.provider)
	default:
		if rest, ok := cutSegment(f.resource, "providers"); ok {
			namespace, _, _ = strings.Cut(rest, "/")
			e.Service = p.lower(namespace)
		}
	}
	if e.Service == "" {
		e.Service = p.lower(f.category)
	}
	e.Category = CategoryManagement
	if kind == azureResource {
		e.Category = CategoryData
	}
	e.Access = t.access(kind, e.Operation)
	t.finishActor(e, p)
	t.finishOutcome(e)
	if s := firstOf(f.resource, t.said.grant.scope, t.identity.grant.scope); s != "" {
		p.add(s)
	}
}

func (t *azure) finishAddress(e *Event) {
	e.Source.Address = firstOf(t.top.address, t.top.requestAddress, t.inner.address, t.inner.requestAddress,
		t.said.claims.address, t.identity.claims.address)
}

// access says whether an operation reads. The Activity Log has no reads but
// actions, which are calls by POST, and of these the ones that hand something
// out.
func (t *azure) access(kind azureKind, operation string) Access {
	if foldIs(t.top.method, "get") || foldIs(t.top.method, "head") {
		return AccessRead
	}
	verb := operation[strings.LastIndexByte(operation, '/')+1:]
	if verb == "action" && len(verb) < len(operation) {
		rest := operation[:len(operation)-len("/action")]
		verb = rest[strings.LastIndexByte(rest, '/')+1:]
		for _, w := range azureReadActions {
			if strings.HasPrefix(verb, w) {
				return AccessRead
			}
		}
		return AccessWrite
	}
	switch {
	case verb == "read":
		return AccessRead
	case verb == "write", verb == "delete":
		return AccessWrite
	case kind == azureResource:
		// Resource logs have names such as SecretGet, SecretList and GetBlob.
		for _, w := range [...]string{"Get", "List", "Read"} {
			if strings.HasSuffix(verb, w) {
				return AccessRead
			}
		}
	}
	return accessOf(verb)
}

// azureReadActions are the beginnings of actions that only look, in small
// letters.
var azureReadActions = [...]string{
	"list", "get", "check", "validate", "query", "search", "preview", "download", "retrieve", "whatif", "test", "read",
}

// finishActor decides who made a call by the claims of the token, then by the
// assignment of a role, then by the caller. An assignment to a group names the
// group, which nobody is.
func (t *azure) finishActor(e *Event, p *stringPool) {
	a := &e.Actor
	who := &t.said
	if who.claims == (azureClaims{}) {
		who = &t.identity
	}
	c, g := &who.claims, &t.said.grant
	if *g == (azureGrant{}) {
		g = &t.identity.grant
	}
	caller := firstOf(t.top.caller, c.upn, c.name, t.identity.name)
	a.Name = caller
	a.PrincipalID = c.object
	if a.PrincipalID == "" && !foldIs(g.kind, "group") && !foldIs(g.kind, "foreigngroup") {
		a.PrincipalID = dashed(g.principal)
	}
	a.PrincipalID = p.lower(a.PrincipalID)
	a.AccountID = c.tenant
	a.Session = c.token
	a.MFA = hasWord(c.methods, "mfa")
	a.Identity = a.PrincipalID
	if a.Identity == "" {
		a.Identity = p.lower(firstOf(caller, c.app))
	}
	switch {
	case c.managed != "":
		a.RawType = azureManaged
	case foldIs(g.kind, "user"), foldIs(g.kind, "serviceprincipal"):
		a.RawType = g.kind
	case c.kind == "app":
		a.RawType = azurePrincipal
	case c.kind == "user":
		a.RawType = azureUser
	case strings.IndexByte(caller, '@') > 0:
		a.RawType = azureUser
	case c.app != "" && c.upn == "" && c.name == "", isGUID(caller):
		a.RawType = azurePrincipal
	}
	switch {
	case a.Identity == "", a.RawType == "" && strings.HasPrefix(a.Identity, "microsoft."):
		// Nobody called: Azure tells of itself.
		if a.Identity == "" {
			a.Identity = e.Service
		}
		a.Kind = KindCloudService
	case foldIs(a.RawType, "user"):
		a.Kind = KindHuman
	case a.RawType != "":
		a.Kind = KindService
	}
}

// dashed puts the dashes into an id of 32 digits, as Azure leaves them out of
// principalId.
func dashed(s string) string {
	if len(s) != 32 {
		return s
	}
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// hasWord reports whether a list with commas has a word.
func hasWord(list, word string) bool {
	for list != "" {
		var w string
		w, list, _ = strings.Cut(list, ",")
		if foldIs(strings.TrimSpace(w), word) {
			return true
		}
	}
	return false
}

// finishOutcome decides how a call came out, and whether the record is one of a
// call that is still under way, whose end has a record of its own.
func (t *azure) finishOutcome(e *Event) {
	f := &t.top
	status := firstOf(f.status, f.result, t.inner.result)
	if status == "" {
		// resultSignature is "Succeeded.OK", and in resource logs a number.
		status, _, _ = strings.Cut(f.subStatus, ".")
	}
	switch azureOutcomeOf(status) {
	case azureUnderWay:
		e.Category = CategoryProgress
	case azureFailed:
		t.finishError(e, status)
	case azureOther:
		if status == "" && foldIs(f.event, "beginrequest") {
			e.Category = CategoryProgress
			return
		}
		if code := firstOf(f.statusCode, status); len(code) == 3 && (code[0] == '4' || code[0] == '5') {
			t.finishError(e, status)
			return
		}
		e.Outcome = OutcomeSuccess
	}
}

type azureOutcome uint8

const (
	azureOther azureOutcome = iota
	azureUnderWay
	azureFailed
)

func azureOutcomeOf(status string) azureOutcome {
	switch len(status) {
	case 5:
		if foldIs(status, "start") {
			return azureUnderWay
		}
	case 6:
		switch {
		case foldIs(status, "accept"):
			return azureUnderWay
		case foldIs(status, "failed"), foldIs(status, "denied"):
			return azureFailed
		}
	case 7:
		switch {
		case foldIs(status, "started"), foldIs(status, "running"), foldIs(status, "pending"):
			return azureUnderWay
		case foldIs(status, "failure"), foldIs(status, "timeout"):
			return azureFailed
		}
	case 8:
		switch {
		case foldIs(status, "accepted"):
			return azureUnderWay
		case foldIs(status, "canceled"), foldIs(status, "rejected"):
			return azureFailed
		}
	case 9:
		if foldIs(status, "cancelled") {
			return azureFailed
		}
	case 10:
		if foldIs(status, "inprogress") {
			return azureUnderWay
		}
	case 11:
		switch {
		case foldIs(status, "in progress"):
			return azureUnderWay
		case foldIs(status, "clienterror"), foldIs(status, "servererror"):
			return azureFailed
		}
	}
	return azureOther
}

// finishError finds the code of an error: the one of the resource's answer, else
// the status of HTTP as a word, which exports have behind a full stop
// ("Failed.Forbidden"), else the word for failing itself.
func (t *azure) finishError(e *Event, status string) {
	e.Outcome = OutcomeError
	f := &t.top
	signature := f.subStatus
	if _, word, ok := strings.Cut(signature, "."); ok {
		signature = word
	}
	if foldIs(signature, "none") {
		signature = ""
	}
	e.ErrorCode = firstOf(t.inner.errorCode, f.errorCode, signature, t.inner.statusCode, f.statusCode, status)
	e.ErrorMessage = firstOf(t.inner.errorMessage, f.errorMessage, f.description)
}

// finishAudit is finish for Entra ID's audit log.
func (t *azure) finishAudit(e *Event, p *stringPool) {
	f, in := &t.top, &t.inner
	// At the top, id is a record's own in what Graph returns.
	e.UID = firstOf(in.id, f.id)
	if strings.HasPrefix(e.UID, "/") {
		e.UID = ""
	}
	e.Account = t.account(p)
	e.Service = firstOf(in.service, f.service, "microsoft.aadiam")
	e.Category = CategoryManagement
	e.Access = accessOf(e.Operation)
	e.UserAgent = firstOf(in.agent, f.agent)

	w := &in.initiator
	if *w == (azureInitiator{}) {
		w = &f.initiator
	}
	e.Source.Address = firstOf(w.userAddress, f.address, in.address)
	a := &e.Actor
	switch {
	case w.user != "" || w.userName != "":
		a.Identity, a.Name = p.lower(firstOf(w.user, w.userName)), w.userName
		a.RawType, a.Kind = azureUser, KindHuman
	case w.app != "" || w.appName != "" || w.appDisplayName != "":
		a.Identity, a.Name = p.lower(firstOf(w.app, w.appName, w.appDisplayName)), w.appDisplayName
		a.RawType, a.Kind = azurePrincipal, KindService
	default:
		a.Identity, a.Kind = e.Service, KindCloudService
	}
	a.PrincipalID = firstOf(w.user, w.app)
	a.AccountID = e.Account

	status := firstOf(in.result, f.result)
	if azureOutcomeOf(status) == azureFailed {
		e.Outcome = OutcomeError
		e.ErrorMessage = firstOf(in.description, f.description)
		e.ErrorCode = status
	} else {
		e.Outcome = OutcomeSuccess
	}
	from := in
	if in.nTargets == 0 {
		from = f
	}
	for _, s := range from.targets[:from.nTargets] {
		p.add(s)
	}
}

// signInActivity is what exports call the operation of every sign-in. What Graph
// returns has no name for it.
const signInActivity = "Sign-in activity"

// finishSignIn is finish for Entra ID's sign-ins. Those that a person takes part
// in are writes, as sign-ins to the console are in CloudTrail; tokens that are
// handed out without anybody looking are reads, as AssumeRole is.
func (t *azure) finishSignIn(e *Event, p *stringPool) {
	f, in := &t.top, &t.inner
	if in.at == "" && in.user == "" && in.principal == "" && in.app == "" {
		in = f // Graph's form, or a table's.
	}
	e.UID = in.id
	if e.Operation == "" {
		e.Operation = signInActivity
	}
	e.Account = t.account(p)
	e.Service = "microsoft.aadiam"
	e.Category = CategoryManagement
	e.UserAgent = in.agent
	e.Source.Address = firstOf(in.address, f.address)
	e.Source.Country = firstOf(in.country, f.country, f.region)
	if len(e.Source.Country) != 2 {
		e.Source.Country = ""
	}

	a := &e.Actor
	switch {
	case in.user == zeroGUID:
		// What was typed is no name of a user: it may have been a password.
		a.Identity, a.Kind, a.RawType = "hidden", KindHuman, azureUser
	case in.user != "" || in.principal == "" && in.userName != "":
		a.Identity, a.Name = p.lower(firstOf(in.user, in.userName)), in.userName
		a.Kind, a.RawType = KindHuman, azureUser
	case in.principal != "" || in.app != "":
		a.Identity, a.Name = p.lower(firstOf(in.principal, in.app)), firstOf(in.principalName, in.appName)
		a.Kind, a.RawType = KindService, azurePrincipal
		if in.managed != "" || foldStarts(f.category, "managedidentity") {
			a.RawType = azureManaged
		}
	default:
		a.Identity, a.Kind = e.Service, KindCloudService
	}
	a.PrincipalID, a.AccountID = firstOf(in.user, in.principal), e.Account
	a.Session, a.Credential = in.token, in.secret
	if a.Credential == zeroGUID {
		a.Credential = ""
	}
	a.Console = a.Kind == KindHuman && in.interactive == "" && !foldStarts(f.category, "noninteractive")
	e.Access = AccessRead
	if a.Console {
		e.Access = AccessWrite
	}

	code := firstOf(in.status, f.result, f.status)
	switch {
	case code == "0", code == "", foldIs(code, "success"):
		e.Outcome = OutcomeSuccess
		// What was asked for is of use only where it was given.
		a.MFA = a.Kind == KindHuman && (in.mfa || in.requirement == "multiFactorAuthentication")
	case interrupts[code]:
		e.Category = CategoryProgress
		e.ErrorCode, e.ErrorMessage = code, firstOf(in.reason, in.description, f.description)
	default:
		e.Outcome = OutcomeError
		e.ErrorCode, e.ErrorMessage = code, firstOf(in.reason, in.description, f.description)
	}
}

// interrupts are the codes of sign-ins that are no failures but wait for
// something: a second factor, a choice, consent, a new password. The sign-in
// that follows has a record of its own. (Microsoft Entra, "Authentication and
// authorization error codes".)
var interrupts = map[string]bool{
	"16000": true, "16001": true, // Choose an account.
	"50055": true,                                                             // The password has expired.
	"50058": true,                                                             // No session for a silent sign-in.
	"50072": true, "50074": true, "50076": true, "50079": true, "50158": true, // A second factor.
	"50097": true, "50129": true, // The device.
	"50125": true, "50127": true, "50140": true, "50143": true, "50144": true, "50203": true, "51006": true,
	"65001": true, // Consent.
	"81012": true, // Another account than the one that is signed in.
}
