package event

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// OCSF's events of three classes: API Activity (6003), Authentication (3002) and
// Account Change (3001), with the cloud profile, of the versions from 1.0.0-rc.2
// on, which is what Amazon Security Lake began with. An event is of the provider
// that its cloud.provider names.

var ocsfDecoder = decoder{
	provider: "ocsf",
	format:   formatOCSF,
	any:      true,
	wants:    "an OCSF event of class 6003, 3002 or 3001",
	decode:   decodeOCSF,
}

// The classes that are read.
const (
	ocsfAccountChange  = "3001"
	ocsfAuthentication = "3002"
	ocsfAPIActivity    = "6003"
)

// ocsf holds what an event says that has no place of its own in Event.
type ocsf struct {
	class, activity, activityName      string
	time, timeText                     string
	status, statusID, code, detail     string
	message, service, provider, region string
	account, oldAccount                string
	api                                ocsfAPI
	metadata                           ocsfMetadata
	actor                              ocsfActor
	user                               ocsfUser // At the top: who signs in, or whose account changes.
	source                             ocsfEndpoint
	agent                              string
	mfa                                truth
}

type ocsfAPI struct {
	operation, service, code, fault, message string
}

type ocsfMetadata struct {
	uid, vendor, product, feature string
}

type ocsfActor struct {
	user                        ocsfUser
	invokedBy, app, idp         string
	session, issuer, credential string
	mfa, oldMFA                 truth
}

type ocsfUser struct {
	uid, other, name, email, typ, typeID, credential string
	account, oldAccount                              string
}

type ocsfEndpoint struct {
	ip, domain, name, country string
}

// decodeOCSF is the decode of ocsfDecoder.
func decodeOCSF(b []byte, e *Event, p *stringPool) (n int, v verdict, err error) {
	*e = Event{}
	p.begin()
	var (
		t    ocsf
		key  string
		more bool
		i    = 1
	)
	for first := true; ; first = false {
		if key, i, more = nextKey(b, i, first); !more {
			break
		}
		switch key {
		case "class_uid":
			i = wordValue(b, i, 1, &t.class)
		case "resources":
			i = ocsfResources(b, i, p)
		default:
			next, known := t.field(key, b, i)
			if !known {
				switch otherKey(key, b, i, formatOCSF) {
				case keyForeign:
					return i, verdictForeign, nil
				case keyAround:
					return i, verdictInside, nil
				}
				next = skipValue(b, i, 1)
			}
			i = next
		}
		if i < 0 {
			break
		}
	}
	if i < 0 {
		return i, verdictBroken, nil
	}
	if t.class == "" {
		return i, verdictForeign, nil
	}
	if err := t.finish(b[:i], e, p); err != nil {
		return i, verdictRefused, err
	}
	return i, verdictDecoded, nil
}

// finish derives what the fields mean together.
func (t *ocsf) finish(raw []byte, e *Event, p *stringPool) error {
	switch t.class {
	case ocsfAccountChange, ocsfAuthentication, ocsfAPIActivity:
	default:
		return fmt.Errorf("found an OCSF event of class %s, expected one of class %s (API Activity), %s (Authentication) or %s (Account Change)",
			clip(t.class, 20), ocsfAPIActivity, ocsfAuthentication, ocsfAccountChange)
	}
	if err := t.finishTime(e); err != nil {
		return err
	}
	if e.Provider = ocsfProvider(t.provider); e.Provider == "" && t.provider == "" {
		e.Provider = ocsfProvider(t.metadata.vendor)
	}
	if e.Provider == "" {
		return fmt.Errorf("cloud.provider is %q, expected one of AWS, Azure, GCP, Alibaba Cloud, IBM Cloud and Kubernetes", clip(t.provider, 40))
	}
	if e.UID = t.metadata.uid; e.UID == "" {
		e.UID = hashUID(raw)
	}
	u := t.who()
	e.Account = firstOf(t.account, t.oldAccount, u.account, u.oldAccount)
	if e.Provider == providerAzure {
		e.Account = p.lower(e.Account)
	}
	e.Region = t.region
	t.finishOperation(e, p)
	t.finishOutcome(e)
	t.finishActor(u, e)
	e.Source.Address = firstOf(t.source.ip, t.source.domain, t.source.name)
	e.Source.IP = parseAddress(e.Source.Address)
	if !e.Source.IP.IsValid() && len(t.source.country) == 2 {
		e.Source.Country = t.source.country
	}
	e.UserAgent = t.agent
	if len(p.list) == 0 && t.class == ocsfAccountChange {
		if s := firstOf(t.user.uid, t.user.name); s != "" {
			p.add(s)
		}
	}
	e.Resources = p.take()
	return nil
}

// finishTime reads time, milliseconds since 1970, or time_dt.
func (t *ocsf) finishTime(e *Event) error {
	if t.time != "" {
		if ms, err := strconv.ParseInt(t.time, 10, 64); err == nil {
			e.Time = time.UnixMilli(ms).UTC()
			return nil
		}
		// A number with a fraction or an exponent, or a time as text.
		if ms, err := strconv.ParseFloat(t.time, 64); err == nil && math.Abs(ms) < 1e15 {
			e.Time = time.UnixMilli(int64(ms)).UTC()
			return nil
		}
	}
	text := firstOf(t.timeText, t.time)
	if text == "" {
		return errors.New("found neither time nor time_dt")
	}
	var ok bool
	if e.Time, ok = parseTime(text); !ok {
		return fmt.Errorf("time %q is none, expected milliseconds since 1970 or, in time_dt, a form such as 2024-08-02T08:53:24Z", clip(text, 64))
	}
	return nil
}

// ocsfProvider is our name of what cloud.provider names, and of the vendors of
// products that leave it out.
func ocsfProvider(s string) string {
	switch {
	case foldStarts(s, "aws"), foldStarts(s, "amazon"):
		return providerAWS
	case foldStarts(s, "azure"), foldStarts(s, "microsoft"):
		return providerAzure
	case foldStarts(s, "gcp"), foldStarts(s, "google"):
		return providerGCP
	case foldStarts(s, "alibaba"), foldStarts(s, "aliyun"):
		return "alibaba"
	case foldStarts(s, "ibm"):
		return "ibm"
	case foldStarts(s, "kubernetes"), foldIs(s, "k8s"):
		return "kubernetes"
	}
	return ""
}

// who is the user that acts: the actor, and at a sign-in the user that signs in,
// where there is no actor.
func (t *ocsf) who() *ocsfUser {
	if t.class == ocsfAuthentication && t.actor.user.uid == "" && t.actor.user.name == "" && t.actor.user.email == "" {
		return &t.user
	}
	return &t.actor.user
}

// The activities of the classes, by number from 1. Those of 6003 have no names
// that say more than the operation does.
var (
	ocsfAccountChanges = [...]string{
		"Create", "Enable", "Password Change", "Password Reset", "Disable", "Delete", "Attach Policy",
		"Detach Policy", "Lock", "MFA Factor Enable", "MFA Factor Disable", "Unlock",
	}
	ocsfAuthentications = [...]string{
		"Logon", "Logoff", "Authentication Ticket", "Service Ticket Request", "Service Ticket Renew", "Preauth",
		"Account Switch",
	}
)

// finishOperation names what was called. Events of the classes 3001 and 3002 that
// come from no API have the activity for an operation.
func (t *ocsf) finishOperation(e *Event, p *stringPool) {
	e.Service = firstOf(t.api.service, t.service, t.metadata.product)
	if e.Operation = t.api.operation; e.Operation == "" {
		e.Operation = t.activityName
		names := ocsfAuthentications[:]
		if t.class == ocsfAccountChange {
			names = ocsfAccountChanges[:]
		}
		if k, err := strconv.Atoi(t.activity); err == nil && t.class != ocsfAPIActivity && k > 0 && k <= len(names) {
			e.Operation = names[k-1]
		}
	}
	switch e.Provider {
	case providerAWS:
		e.Operation = stripVersion(e.Operation)
	case providerAzure:
		e.Operation = strings.TrimRight(e.Operation, " .\u00a0")
		if namespace, _, ok := strings.Cut(e.Operation, "/"); ok {
			e.Operation = p.lower(e.Operation)
			if strings.IndexByte(namespace, '.') > 0 {
				e.Service = p.lower(namespace)
			}
		}
	}

	e.Category = CategoryManagement
	switch {
	case t.metadata.feature == "Data", t.metadata.feature != "Management" && e.Provider == providerAWS && isDataOperation(e.Service, e.Operation):
		e.Category = CategoryData
	case t.metadata.feature == "NetworkActivity":
		e.Category = CategoryNetwork
	}

	switch {
	case t.class != ocsfAPIActivity:
		e.Access = AccessWrite
	case t.activity == "2":
		e.Access = AccessRead
	case t.activity == "1", t.activity == "3", t.activity == "4":
		e.Access = AccessWrite
	case e.Provider == providerGCP:
		e.Access = gcpAccessOf(e.Operation[strings.LastIndexByte(e.Operation, '.')+1:])
	case e.Provider == providerAzure:
		var none azure
		e.Access = none.access(azureActivity, e.Operation)
	default:
		e.Access = accessOf(e.Operation)
	}
}

func (t *ocsf) finishOutcome(e *Event) {
	failed := t.statusID == "2" || t.statusID != "1" && foldIs(t.status, "failure")
	if t.statusID == "" && t.status == "" {
		failed = t.api.fault != ""
	}
	if !failed {
		e.Outcome = OutcomeSuccess
		return
	}
	e.Outcome = OutcomeError
	e.ErrorCode = firstOf(t.api.fault, t.code, t.api.code)
	e.ErrorMessage = firstOf(t.api.message, t.detail, t.message)
	if e.ErrorCode == "" && t.class == ocsfAuthentication {
		// The same words as for CloudTrail's sign-ins.
		if e.ErrorCode = e.Operation + "Failure"; foldIs(e.ErrorMessage, "failed authentication") {
			e.ErrorCode = "FailedAuthentication"
		}
	}
}

// finishActor fills what the provider's own record would have said. For AWS the
// identity is decided from that, as everywhere; elsewhere it is the user's uid.
func (t *ocsf) finishActor(u *ocsfUser, e *Event) {
	w, a := &t.actor, &e.Actor
	a.RawType, a.Name, a.AccountID = u.typ, u.name, firstOf(u.account, u.oldAccount)
	a.Credential = firstOf(u.credential, w.credential)
	a.InvokedBy = firstOf(w.invokedBy, w.app)
	a.Issuer, a.IDProvider = w.issuer, w.idp
	a.MFA = w.mfa == truthTrue || w.oldMFA == truthTrue || t.mfa == truthTrue
	a.Console = t.class == ocsfAuthentication && (t.activity == "1" || e.Operation == "ConsoleLogin") && u.typeID != "4"
	if e.Provider == providerAWS {
		switch {
		case strings.HasPrefix(u.uid, "arn:"):
			a.ARN, a.PrincipalID = u.uid, u.other
		case strings.HasPrefix(u.other, "arn:"):
			a.ARN, a.PrincipalID = u.other, u.uid
		default:
			a.PrincipalID = firstOf(u.uid, u.other)
		}
		a.Session = sessionOf(a)
		return
	}
	a.PrincipalID, a.Session = u.uid, w.session
	if e.Provider != providerAzure {
		a.ARN = u.other
	}
	a.Identity = firstOf(u.uid, u.email, u.name, u.other)
	switch u.typeID {
	case "1", "2":
		a.Kind = KindHuman
	case "3":
		a.Kind = KindCloudService
	case "4":
		a.Kind = KindService
	}
	switch {
	case a.Identity == "" && a.InvokedBy != "":
		a.Identity, a.Kind = a.InvokedBy, KindCloudService
	case a.Kind != KindUnknown:
	case a.Console, strings.IndexByte(a.Identity, '@') > 0 && !strings.HasSuffix(a.Identity, ".gserviceaccount.com"):
		a.Kind = KindHuman
	case a.Identity != "":
		a.Kind = KindService
	}
	if a.RawType == "" {
		switch u.typeID {
		case "1":
			a.RawType = "User"
		case "2":
			a.RawType = "Admin"
		case "3":
			a.RawType = "System"
		case "4":
			a.RawType = "Service"
		}
	}
}
