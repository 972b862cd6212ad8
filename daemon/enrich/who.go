package enrich

import (
	"strings"

	"github.com/insightd/insightd/daemon/event"
)

// Identities that name nobody. They are no baselines.
const (
	// Hidden is who typed a user name that is none at a sign-in: it may have been
	// a password, so CloudTrail does not tell it.
	Hidden = "hidden"
	// Anonymous made a call without credentials.
	Anonymous = "anonymous"
	// Unknown is who is behind a record that does not say.
	Unknown = "unknown"
)

const (
	hiddenName    = "HIDDEN_DUE_TO_SECURITY_REASONS"
	anonymousName = "ANONYMOUS_PRINCIPAL"
	signIn        = "signin.amazonaws.com"
)

// who decides identity and kind.
func (x *Enricher) who(e *event.Event) {
	a := &e.Actor
	switch {
	case e.Provider == "aws":
		x.whoAWS(e)
	case e.Provider == "alibaba":
		x.whoAlibaba(e)
	case a.Identity == "":
		// Decoders of other providers name the identity. Where one found none,
		// the rest of what it found is better than nothing.
		a.Identity = firstOf(a.OnBehalfOf, a.ARN, a.PrincipalID, a.Name)
	}
	switch {
	case a.Identity == "":
		a.Identity = Unknown
	case strings.HasSuffix(a.Identity, hiddenName):
		a.Identity = Hidden
	}
}

// whoAWS follows the table of identities. It goes by the type that CloudTrail
// gives; where that is none of the known ones, by the form of the ARN.
func (x *Enricher) whoAWS(e *event.Event) {
	a := &e.Actor
	a.Identity, a.Kind = "", event.KindUnknown
	if isAnonymous(a) {
		a.Identity, a.Kind = Anonymous, event.KindAnonymous
		return
	}
	switch a.RawType {
	case "IAMUser":
		x.user(e)
	case "AssumedRole":
		x.assumedRole(e)
	case "Role":
		x.role(e)
	case "Root", "AssumedRoot":
		x.root(e)
	case "FederatedUser":
		x.federated(e)
	case "AWSService":
		x.service(e)
	case "AWSAccount":
		x.account(e)
	case "SAMLUser", "WebIdentityUser":
		x.web(e)
	case "IdentityCenterUser":
		a.Identity, a.Kind = firstOf(a.OnBehalfOf, a.PrincipalID, a.Name), event.KindHuman
	case "Directory":
		a.Identity, a.Kind = firstOf(a.ARN, a.Name, a.PrincipalID), event.KindHuman
	default:
		x.untyped(e)
	}
}

// user is an IAM user: human where it signs in to the console or uses a second
// factor, else a service.
func (x *Enricher) user(e *event.Event) {
	a := &e.Actor
	a.Kind = personOr(e, event.KindService)
	switch {
	case a.ARN != "":
		a.Identity = a.ARN
	case a.Name == hiddenName:
		a.Identity = Hidden
	case a.Name != "":
		a.Identity = x.strings.join("arn:", partition(e.Region), ":iam::", accountOf(e), ":user/", a.Name)
	default:
		a.Identity = a.PrincipalID
	}
}

// federated is a session of GetFederationToken, which keeps its name.
func (x *Enricher) federated(e *event.Event) {
	a := &e.Actor
	a.Kind = personOr(e, event.KindService)
	if _, name, ok := strings.Cut(a.ARN, ":federated-user/"); ok && isEmail(name) {
		a.Kind = event.KindHuman
	}
	a.Identity = firstOf(a.ARN, a.PrincipalID, a.Name)
}

func (x *Enricher) root(e *event.Event) {
	a := &e.Actor
	a.Kind = event.KindRoot
	if strings.HasSuffix(a.ARN, ":root") {
		a.Identity = a.ARN
		return
	}
	a.Identity = x.strings.join("arn:", firstOf(partitionOf(a.ARN), partition(e.Region)), ":iam::", accountOf(e), ":root")
}

// assumedRole is a person's session where it can be told that it is one, and
// else the role, or every run of a workload would be a new identity.
func (x *Enricher) assumedRole(e *event.Event) {
	a := &e.Actor
	part, account, role, session, ok := splitAssumedRole(a.ARN)
	if !ok && a.ARN == "" {
		// Some services leave the ARN out.
		part, account, role = splitRole(a.Issuer)
		_, session, _ = strings.Cut(a.PrincipalID, ":")
	}
	if a.Session == "" {
		a.Session = session
	}
	if session != "" && role != "" && x.people.session(role, session) {
		a.Kind = event.KindHuman
		a.Identity = a.ARN
		if !ok {
			a.Identity = x.strings.join("arn:", part, ":sts::", account, ":assumed-role/", role, "/", session)
		}
		return
	}
	a.Kind = event.KindRole
	switch {
	case a.Issuer != "":
		a.Identity = a.Issuer
	case ok:
		a.Identity = x.strings.join("arn:", part, ":iam::", account, ":role/", role)
	case a.ARN != "":
		a.Identity = a.ARN
	case a.PrincipalID != "":
		id, _, _ := strings.Cut(a.PrincipalID, ":")
		a.Identity = x.strings.join(accountOf(e), ":", id)
	}
}

// role is a role named as such, without a session.
func (x *Enricher) role(e *event.Event) {
	if strings.Contains(e.Actor.ARN, ":assumed-role/") {
		x.assumedRole(e)
		return
	}
	e.Actor.Kind = event.KindRole
	e.Actor.Identity = firstOf(e.Actor.ARN, e.Actor.Issuer, e.Actor.PrincipalID, e.Actor.Name)
}

// service is a service of AWS that acts of its own accord.
func (x *Enricher) service(e *event.Event) {
	a := &e.Actor
	a.Kind = event.KindCloudService
	a.Identity = firstOf(a.InvokedBy, a.PrincipalID)
	if a.Identity == "" {
		a.Identity = e.Service
	}
}

// account is a caller of another account: of it only the number and the id of
// the principal are told.
func (x *Enricher) account(e *event.Event) {
	a := &e.Actor
	id, _, _ := strings.Cut(a.PrincipalID, ":")
	switch {
	case a.AccountID == "" && id == "":
		x.untyped(e)
		return
	case id == "" || a.AccountID == "":
		a.Identity = firstOf(a.AccountID, id)
	default:
		a.Identity = x.strings.join(a.AccountID, ":", id)
	}
	switch {
	case strings.HasPrefix(id, "AROA"):
		a.Kind = event.KindRole
	case id != "" && id == a.AccountID:
		a.Kind = event.KindRoot
	default:
		a.Kind = event.KindService
	}
}

// peopleProviders are the providers of web identities that people have.
var peopleProviders = map[string]bool{
	"accounts.google.com": true, "www.amazon.com": true, "graph.facebook.com": true,
	"appleid.apple.com": true, "cognito-identity.amazonaws.com": true,
}

// web is somebody whom another provider of identities vouches for.
func (x *Enricher) web(e *event.Event) {
	a := &e.Actor
	a.Kind = event.KindService
	if a.RawType == "SAMLUser" || peopleProviders[a.IDProvider] || isEmail(a.Name) {
		a.Kind = event.KindHuman
	}
	provider := a.IDProvider
	if provider == "" {
		// A principalId is provider:…:name.
		provider, _, _ = strings.Cut(a.PrincipalID, ":")
	}
	switch {
	case provider != "" && a.Name != "":
		a.Identity = x.strings.join(provider, ":", a.Name)
	default:
		a.Identity = firstOf(a.PrincipalID, a.Name, a.ARN)
	}
}

// untyped is an actor whose type is missing, "Unknown" or new.
func (x *Enricher) untyped(e *event.Event) {
	a := &e.Actor
	switch {
	case strings.Contains(a.ARN, ":assumed-role/"):
		x.assumedRole(e)
	case strings.Contains(a.ARN, ":user/"):
		x.user(e)
	case strings.Contains(a.ARN, ":federated-user/"):
		x.federated(e)
	case strings.Contains(a.ARN, ":role/"):
		x.role(e)
	case strings.HasPrefix(a.ARN, "arn:") && strings.HasSuffix(a.ARN, ":root"):
		x.root(e)
	case a.ARN != "":
		a.Identity = a.ARN
	case a.OnBehalfOf != "":
		a.Identity, a.Kind = a.OnBehalfOf, event.KindHuman
	case a.InvokedBy != "":
		x.service(e)
	case a.Name == hiddenName:
		a.Identity = Hidden
	default:
		a.Identity = firstOf(a.PrincipalID, a.Name)
	}
	if a.Kind == event.KindUnknown {
		a.Kind = personOr(e, event.KindUnknown)
	}
}

// personOr is human where the event shows a sign-in to the console or a second
// factor, and else what is given.
func personOr(e *event.Event, other event.Kind) event.Kind {
	if e.Actor.MFA || e.Actor.Console || e.Service == signIn {
		return event.KindHuman
	}
	switch f := e.AgentFamily; {
	case f == signIn, f == "S3Console", strings.HasPrefix(f, "console."):
		return event.KindHuman
	}
	return other
}

func isAnonymous(a *event.Actor) bool {
	return a.AccountID == anonymousName || a.PrincipalID == anonymousName || a.RawType == "Anonymous" ||
		a.ARN == "" && a.RawType != "IAMUser" && strings.EqualFold(a.PrincipalID, "anonymous")
}

// accountOf is the caller's account, or the one that was acted in.
func accountOf(e *event.Event) string { return firstOf(e.Actor.AccountID, e.Account) }

func firstOf(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}

// partition is the partition that a region belongs to.
func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// partitionOf is the partition of an ARN.
func partitionOf(arn string) string {
	rest, ok := strings.CutPrefix(arn, "arn:")
	if !ok {
		return ""
	}
	p, _, _ := strings.Cut(rest, ":")
	return p
}

// splitAssumedRole takes arn:PARTITION:sts::ACCOUNT:assumed-role/ROLE/SESSION
// apart.
func splitAssumedRole(arn string) (part, account, role, session string, ok bool) {
	part = partitionOf(arn)
	head, tail, ok := strings.Cut(arn, ":assumed-role/")
	if !ok || part == "" {
		return "", "", "", "", false
	}
	account = head[strings.LastIndexByte(head, ':')+1:]
	role, session, _ = strings.Cut(tail, "/")
	return part, account, role, session, role != ""
}

// splitRole takes arn:PARTITION:iam::ACCOUNT:role/PATH/ROLE apart.
func splitRole(arn string) (part, account, role string) {
	head, tail, ok := strings.Cut(arn, ":role/")
	if !ok {
		return "", "", ""
	}
	return partitionOf(arn), head[strings.LastIndexByte(head, ':')+1:], tail[strings.LastIndexByte(tail, '/')+1:]
}

func isReservedSSO(role string) bool { return strings.HasPrefix(role, "AWSReservedSSO_") }

// isEmail reports whether a session's name is an e-mail address: one @ with
// something before it, and a full stop inside what follows.
func isEmail(s string) bool {
	i := strings.IndexByte(s, '@')
	if i <= 0 {
		return false
	}
	domain := s[i+1:]
	dot := strings.LastIndexByte(domain, '.')
	return dot > 0 && dot < len(domain)-1 && strings.IndexByte(domain, '@') < 0 && !strings.ContainsAny(s, " /:")
}
