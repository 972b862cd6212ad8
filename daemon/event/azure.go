package event

import (
	"errors"
	"strings"
)

// Azure's records: the Activity Log, Entra ID's audit and sign-in logs, and the
// resource logs that share their form. What the fields mean is in Microsoft's
// "Azure Activity Log event schema", "Azure Monitor resource logs" and the Graph
// types directoryAudit and signIn.
//
// The same event has four forms, which one walk reads: what diagnostic settings
// export to Event Hubs and storage, what the REST interfaces of Azure Monitor
// and Graph return (and the SDKs, in snake_case), and the rows of the tables of
// Log Analytics.

const providerAzure = "azure"

var azureDecoder = decoder{
	provider: providerAzure,
	format:   formatAzure,
	wants:    "a record of Azure's Activity Log or of Entra ID with operationName, or one of Microsoft Graph's",
	decode:   decodeAzure,
}

// azureKind is which of Azure's logs a record is of.
type azureKind uint8

const (
	azureNone azureKind = iota
	azureActivity
	azureResource // A log of a resource, such as a vault's AuditEvent.
	azureAudit
	azureSignIn
)

// azure is what a record says, at its top and in its properties.
type azure struct {
	top, inner azureFields
	// said is who made the call by claims and authorization, and identity what
	// the value of that name says of it.
	said, identity azureWho
}

// azureWho says who made a call.
type azureWho struct {
	// name is what exports of Entra ID have for an identity: a name to show.
	name   string
	claims azureClaims
	grant  azureGrant
}

// azureFields are the fields that stand at the top of one form and inside
// properties of another.
type azureFields struct {
	id, eventData, at, event, operation, activity, category string
	status, result, subStatus, statusCode, reason           string
	description, errorCode, errorMessage                    string
	address, requestAddress, method, caller, agent, secret  string
	region, country                                         string
	resource, subscription, tenant, provider                string
	service, token, requirement, interactive                string
	user, userName, userDisplay                             string
	app, appName, principal, principalName, managed         string
	initiator                                               azureInitiator
	// targets are who and what an audit record says was changed.
	targets  [4]string
	nTargets int
	mfa      bool
	signIn   bool // status has an errorCode, as only sign-ins have.
}

// azureInitiator is who made the change that an audit record tells of.
type azureInitiator struct {
	user, userName, userAddress  string
	app, appName, appDisplayName string
}

// azureClaims are the claims of the token that a call was made with.
type azureClaims struct {
	object, upn, name, app, kind, methods, tenant, token, managed, address string
}

// azureGrant is the assignment of a role that let a call through.
type azureGrant struct {
	action, scope, principal, kind string
}

// decodeAzure is the decode of azureDecoder.
func decodeAzure(b []byte, e *Event, p *stringPool) (n int, v verdict, err error) {
	*e = Event{}
	p.begin()
	var (
		t    azure
		key  string
		more bool
		i    = 1
	)
	for first := true; ; first = false {
		if key, i, more = nextKey(b, i, first); !more {
			break
		}
		next, known := t.field(&t.top, key, b, i, 1)
		if !known {
			switch otherKey(key, b, i, formatAzure) {
			case keyForeign:
				return i, verdictForeign, nil
			case keyAround:
				return i, verdictInside, nil
			}
			next = skipValue(b, i, 1)
		}
		if i = next; i < 0 {
			break
		}
	}
	if i < 0 {
		return i, verdictBroken, nil
	}
	kind := t.classify()
	if kind == azureNone {
		return i, verdictForeign, nil
	}
	if err := t.finish(kind, b[:i], e, p); err != nil {
		return i, verdictRefused, err
	}
	return i, verdictDecoded, nil
}

// field reads the value of a key at b[i] into f. known is false for a key that
// is not read.
func (t *azure) field(f *azureFields, key string, b []byte, i, depth int) (next int, known bool) {
	switch key {
	case "time", "eventTimestamp", "event_timestamp", "TimeGenerated", "activityDateTime", "createdDateTime":
		return stringValue(b, i, depth, &f.at), true
	case "id", "Id":
		return stringValue(b, i, depth, &f.id), true
	case "eventDataId", "event_data_id", "EventDataId":
		return stringValue(b, i, depth, &f.eventData), true
	case "eventName", "event_name":
		return azureWord(b, i, depth, &f.event), true
	case "operationName", "operation_name", "OperationNameValue", "OperationName":
		return azureName(b, i, depth, &f.operation), true
	case "activityDisplayName", "ActivityDisplayName":
		return stringValue(b, i, depth, &f.activity), true
	case "category", "Category", "CategoryValue":
		return azureName(b, i, depth, &f.category), true
	case "status", "Status":
		return f.readStatus(b, i, depth), true
	case "resultType", "ResultType", "ActivityStatusValue", "result", "Result":
		return wordValue(b, i, depth, &f.result), true
	case "subStatus", "sub_status", "resultSignature", "ActivitySubstatusValue", "statusText":
		return azureName(b, i, depth, &f.subStatus), true
	case "resultDescription", "ResultDescription", "resultReason", "ResultReason":
		return stringValue(b, i, depth, &f.description), true
	case "statusCode":
		return wordValue(b, i, depth, &f.statusCode), true
	case "statusMessage":
		return f.readMessage(b, i, depth), true
	case "callerIpAddress", "CallerIpAddress", "ipAddress", "IPAddress":
		return azureName(b, i, depth, &f.address), true
	case "httpRequest", "http_request", "HTTPRequest":
		return azureRequest(f, b, i, depth), true
	case "caller", "Caller":
		return stringValue(b, i, depth, &f.caller), true
	case "claims", "Claims", "Claims_d":
		return t.said.claims.read(b, i, depth), true
	case "authorization", "Authorization", "Authorization_d":
		return t.said.grant.read(b, i, depth), true
	case "identity", "Identity":
		return t.identity.read(b, i, depth), true
	case "resourceId", "resource_id", "ResourceId", "_ResourceId":
		return azureName(b, i, depth, &f.resource), true
	case "subscriptionId", "subscription_id", "SubscriptionId":
		return stringValue(b, i, depth, &f.subscription), true
	case "tenantId", "tenant_id", "AADTenantId", "homeTenantId":
		return stringValue(b, i, depth, &f.tenant), true
	case "resourceProviderName", "resource_provider_name", "ResourceProviderValue":
		return azureWord(b, i, depth, &f.provider), true
	case "location", "Location":
		return azureLocation(f, b, i, depth), true
	case "properties", "Properties":
		return t.properties(f, b, i, depth)
	}
	return t.entraField(f, key, b, i, depth)
}

// classify says which log the record is of.
func (t *azure) classify() azureKind {
	f := &t.top
	category := firstOf(f.category, t.inner.category)
	switch {
	case f.activity != "" || foldIs(f.category, "auditlogs"):
		return azureAudit
	case isSignInLog(f.category):
		return azureSignIn
	case f.operation == "" && f.signIn && f.at != "" && (f.user != "" || f.principal != "" || f.app != "" || f.userName != ""):
		return azureSignIn
	case f.operation == "" || foldStarts(category, "kube-audit"):
		// What AKS writes is Kubernetes' own record in properties.log.
		return azureNone
	case f.eventData != "", f.subscription != "", strings.HasPrefix(f.resource, "/"):
		if isActivityCategory(f.category) {
			return azureActivity
		}
		return azureResource
	}
	return azureNone
}

// isSignInLog reports whether a category is one of Entra ID's logs of sign-ins:
// SignInLogs, NonInteractiveUserSignInLogs, ServicePrincipalSignInLogs,
// ManagedIdentitySignInLogs, ADFSSignInLogs.
func isSignInLog(category string) bool {
	const suffix = "signinlogs"
	n := len(category) - len(suffix)
	return n >= 0 && foldIs(category[n:], suffix)
}

// isActivityCategory reports whether a category is one of the Activity Log. The
// first three are what exports had before 2018.
func isActivityCategory(category string) bool {
	switch len(category) {
	case 0:
		return true
	case 5:
		return foldIs(category, "write") || foldIs(category, "alert")
	case 6:
		return foldIs(category, "delete") || foldIs(category, "action") || foldIs(category, "policy")
	case 8:
		return foldIs(category, "security")
	case 9:
		return foldIs(category, "autoscale")
	case 13:
		return foldIs(category, "servicehealth")
	case 14:
		return foldIs(category, "administrative") || foldIs(category, "resourcehealth") || foldIs(category, "recommendation")
	}
	return false
}

// finish derives what the fields mean together.
func (t *azure) finish(kind azureKind, raw []byte, e *Event, p *stringPool) error {
	at := firstOf(t.top.at, t.inner.at)
	if at == "" {
		return errors.New("found no time, eventTimestamp, activityDateTime or createdDateTime")
	}
	var ok bool
	if e.Time, ok = parseTime(at); !ok {
		return badTime("the time", at)
	}
	e.Operation = strings.TrimRight(firstOf(t.top.operation, t.top.activity), " .\u00a0")
	switch kind {
	case azureActivity, azureResource:
		t.finishActivity(kind, e, p)
	case azureAudit:
		t.finishAudit(e, p)
	case azureSignIn:
		t.finishSignIn(e, p)
	}
	if e.UID == "" {
		e.UID = hashUID(raw)
	}
	e.Source.Address = withoutPort(e.Source.Address)
	e.Source.IP = parseAddress(e.Source.Address)
	e.Resources = p.take()
	return nil
}

// account is the subscription of a call, else the tenant, in small letters:
// exports write the ids of resources in capitals.
func (t *azure) account(p *stringPool) string {
	s := t.top.subscription
	if s == "" {
		if rest, ok := cutSegment(t.top.resource, "subscriptions"); ok {
			s, _, _ = strings.Cut(rest, "/")
		}
	}
	if s == "" {
		s = firstOf(t.top.tenant, t.inner.tenant, t.said.claims.tenant, t.identity.claims.tenant)
	}
	if s == "" {
		if rest, ok := cutSegment(t.top.resource, "tenants"); ok {
			s, _, _ = strings.Cut(rest, "/")
		}
	}
	return p.lower(s)
}

// cutSegment returns what stands behind /NAME/ in an id, whatever its case.
func cutSegment(id, name string) (string, bool) {
	for i := 0; i+len(name)+2 <= len(id); i++ {
		if id[i] == '/' && id[i+1+len(name)] == '/' && foldStarts(id[i+1:], name) {
			return id[i+len(name)+2:], true
		}
	}
	return "", false
}
