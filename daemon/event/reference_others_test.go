package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// parseObject is what every reference begins with.
func parseObject(raw []byte, own format) (map[string]any, verdict, error) {
	if !json.Valid(raw) {
		return nil, verdictBroken, errors.New("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var m map[string]any
	if d.Decode(&m) != nil || m == nil {
		return nil, verdictBroken, errors.New("not an object")
	}
	if hasForeignMark(m, own) {
		return nil, verdictForeign, nil
	}
	return m, verdictDecoded, nil
}

// word is text, and numbers as they are written.
func word(v any) string {
	if n, ok := v.(json.Number); ok {
		return n.String()
	}
	return text(v)
}

func referenceTime(s string) (time.Time, error) {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("no time")
}

func referenceIP(s string) netip.Addr {
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return ip.WithZone("").Unmap()
}

// anyKey reports whether one of the keys is there.
func anyKey(m map[string]any, keys ...string) bool {
	for _, k := range keys {
		if _, ok := m[k]; ok {
			return true
		}
	}
	return false
}

func orHash(uid string, raw []byte) string {
	if uid == "" {
		return hashUID(raw)
	}
	return uid
}

func referenceActionTrail(raw []byte) (e Event, v verdict, err error) {
	m, v, err := parseObject(raw, formatActionTrail)
	if v != verdictDecoded {
		return e, v, err
	}
	insight, hasInsight := m["insightDetails"].(map[string]any)
	own := anyKey(m, "acsRegion", "serviceName", "eventRW", "sourceIpAddress", "referencedResources")
	e.Operation = text(m["eventName"])
	if !own || e.Operation == "" && !hasInsight {
		return Event{}, verdictForeign, nil
	}
	if e.Time, err = referenceTime(text(m["eventTime"])); err != nil {
		return Event{}, verdictRefused, err
	}
	e.UID = orHash(text(m["eventId"]), raw)
	who := object(m["userIdentity"])
	eventType := text(m["eventType"])
	e.Actor = Actor{
		RawType: text(who["type"]), Name: text(who["userName"]), AccountID: word(who["accountId"]),
		PrincipalID: word(who["principalId"]), Credential: text(who["accessKeyId"]), InvokedBy: text(who["invokedBy"]),
		MFA: flag(object(object(who["sessionContext"])["attributes"])["mfaAuthenticated"]) == truthTrue ||
			flag(object(m["additionalEventData"])["isMFAChecked"]) == truthTrue,
		Console: slices.Contains([]string{"ConsoleSignin", "ConsoleSignout", "ConsoleOperation"}, eventType),
	}
	a := &e.Actor
	if eventType == "AliyunServiceEvent" && a.RawType == "" && a.InvokedBy == "" {
		if a.InvokedBy = text(m["eventSource"]); a.InvokedBy == "" {
			a.InvokedBy = text(m["serviceName"])
		}
	}
	if a.RawType == "assumed-role" {
		if role, session, ok := strings.Cut(a.Name, ":"); ok {
			a.Name, a.Session = role, session
		} else {
			_, a.Session, _ = strings.Cut(a.PrincipalID, ":")
		}
	}
	// Both keys name the account, and the last one counts.
	pairs(raw, func(key string, value json.RawMessage) {
		if key == "recipientAccountId" || key == "recipient" {
			d := json.NewDecoder(bytes.NewReader(value))
			d.UseNumber()
			var v any
			_ = d.Decode(&v)
			e.Account = word(v)
		}
	})
	if e.Account == "" {
		e.Account = a.AccountID
	}
	e.Region, e.UserAgent = text(m["acsRegion"]), text(m["userAgent"])
	if e.Service = text(m["serviceName"]); e.Service == "" {
		e.Service = text(m["eventSource"])
	}
	e.ErrorCode, e.ErrorMessage = word(m["errorCode"]), text(m["errorMessage"])
	if e.Source.Address = text(m["sourceIpAddress"]); e.Source.Address == "" {
		e.Source.Address = text(insight["sourceIpAddress"])
	}
	e.Source.IP = referenceIP(e.Source.Address)
	category := text(m["eventCategory"])
	if category == "Insight" || eventType == "ActionTrailInsight" || e.Operation == "" {
		e.Category = CategoryInsight
		if e.Operation == "" {
			e.Operation = text(insight["insightType"])
		}
		if e.Service == "" {
			e.Service = "Actiontrail"
		}
	} else {
		e.Category = map[string]Category{"": CategoryManagement, "Management": CategoryManagement, "Data": CategoryData}[category]
		e.Outcome = OutcomeSuccess
		if e.ErrorCode != "" || e.ErrorMessage != "" {
			e.Outcome = OutcomeError
			if e.ErrorCode == "" && eventType == "ConsoleSignin" {
				e.ErrorCode = "ConsoleSigninFailure"
			}
		}
	}
	switch text(m["eventRW"]) {
	case "Read":
		e.Access = AccessRead
	case "Write":
		e.Access = AccessWrite
	default:
		e.Access = accessOf(e.Operation)
	}
	// The order of the names is the record's.
	pairs(last(raw, "referencedResources"), func(_ string, value json.RawMessage) {
		var v any
		_ = json.Unmarshal(value, &v)
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, name := range list {
			if s := text(name); s != "" {
				e.Resources = append(e.Resources, s)
			}
		}
	})
	if name := text(m["resourceName"]); e.Resources == nil && name != "" {
		e.Resources = []string{name}
	}
	return e, verdictDecoded, nil
}

// last is the value of a key, the last where it comes twice.
func last(raw []byte, want string) (value json.RawMessage) {
	pairs(raw, func(key string, v json.RawMessage) {
		if key == want {
			value = v
		}
	})
	return value
}

func referenceCADF(raw []byte) (e Event, v verdict, err error) {
	m, v, err := parseObject(raw, formatCADF)
	if v != verdictDecoded {
		return e, v, err
	}
	e.Operation = text(m["action"])
	if e.Operation == "" || !anyKey(m, "initiator", "observer", "logSourceCRN") {
		return Event{}, verdictForeign, nil
	}
	if e.Time, err = referenceTime(text(m["eventTime"])); err != nil {
		return Event{}, verdictRefused, err
	}
	e.UID = orHash(text(m["id"]), raw)
	e.Service = strings.Split(e.Operation, ".")[0]
	initiator, target, reason := object(m["initiator"]), object(m["target"]), object(m["reason"])
	host, credential := object(initiator["host"]), text(object(initiator["credential"])["type"])
	e.Source.Address = strings.Split(text(host["address"]), "/")[0]
	e.Source.IP = referenceIP(e.Source.Address)
	e.UserAgent = text(host["agent"])
	e.Account, e.Region = crnPlace(text(m["logSourceCRN"]))
	account, region := crnPlace(text(target["id"]))
	if e.Account == "" {
		e.Account = account
	}
	if e.Region == "" {
		e.Region = region
	}
	e.Category = CategoryManagement
	if flag(m["dataEvent"]) == truthTrue {
		e.Category = CategoryData
	}
	e.Access = cadfAccess(e.Operation)
	code, outcome := word(reason["reasonCode"]), text(m["outcome"])
	if outcome == "" && code != "" {
		outcome = "success"
		if len(code) == 3 && strings.ContainsAny(code[:1], "45") {
			outcome = "failure"
		}
	}
	switch outcome {
	case "success":
		e.Outcome = OutcomeSuccess
	case "failure":
		e.Outcome = OutcomeError
		if e.ErrorCode = code; code == "" || code == "0" {
			e.ErrorCode = text(reason["reasonType"])
		}
		if e.ErrorMessage = text(reason["reasonForFailure"]); e.ErrorMessage == "" {
			e.ErrorMessage = text(reason["reasonType"])
		}
	}
	typeURI := text(initiator["typeURI"])
	a := &e.Actor
	*a = Actor{Name: text(initiator["name"]), PrincipalID: text(initiator["id"]), OnBehalfOf: text(initiator["authnId"]), RawType: credential}
	if parts := strings.Split(typeURI, "/"); len(parts) > 1 {
		a.RawType = parts[len(parts)-1]
	}
	for _, s := range []string{a.PrincipalID, a.OnBehalfOf, a.Name} {
		if a.Identity == "" {
			a.Identity = s
		}
	}
	id := a.Identity
	switch {
	case id == "":
		a.Identity, a.Kind = "anonymous", KindAnonymous
	case credential == "public-access":
		a.Kind = KindAnonymous
	case strings.HasPrefix(id, "iam-Profile-"):
		a.Kind, a.Session = KindRole, a.OnBehalfOf
	case strings.HasPrefix(id, "iam-ServiceId-") || credential == "apikey-serviceid":
		a.Kind = KindService
	case strings.HasPrefix(id, "crn") || credential == "s2s-authorization":
		a.Kind = KindCloudService
	case credential == "compute-resource" || credential == "instance-identity-token":
		a.Kind = KindService
	case strings.HasPrefix(id, "IBMid-") || a.RawType == "user" || strings.Index(id, "@") > 0:
		a.Kind = KindHuman
	case a.RawType == "serviceid" || a.RawType == "clientid":
		a.Kind = KindService
	}
	if s := text(target["id"]); s != "" {
		e.Resources = []string{s}
	} else if s := text(target["name"]); s != "" {
		e.Resources = []string{s}
	}
	return e, verdictDecoded, nil
}

func lastText(v any) string {
	list, _ := v.([]any)
	if len(list) == 0 {
		return ""
	}
	return text(list[len(list)-1])
}

func referenceKubernetes(raw []byte) (e Event, v verdict, err error) {
	m, v, err := parseObject(raw, formatKubernetes)
	if v != verdictDecoded {
		return e, v, err
	}
	own := anyKey(m, "auditID", "requestURI", "requestReceivedTimestamp", "stageTimestamp", "sourceIPs", "objectRef")
	payload := object(m["protoPayload"])
	gke := text(payload["serviceName"])
	verb, audit, uri, stage := text(m["verb"]), text(m["auditID"]), text(m["requestURI"]), text(m["stage"])
	ref, status, user := object(m["objectRef"]), object(m["responseStatus"]), object(m["user"])
	sub := text(ref["subresource"])
	lasts := slices.Contains([]string{"watch", "watchlist", "proxy"}, verb) ||
		slices.Contains([]string{"exec", "attach", "portforward", "proxy", "log"}, sub)

	var stamp string
	for _, s := range []string{
		text(m["requestReceivedTimestamp"]), text(m["timestamp"]), text(m["stageTimestamp"]), text(object(m["metadata"])["creationTimestamp"]),
	} {
		if stamp == "" {
			stamp = s
		}
	}
	switch {
	case gke == "k8s.io" && !own:
		if operation, ok := m["operation"].(map[string]any); ok && flag(operation["first"]) != truthTrue {
			return Event{}, verdictOmitted, nil
		}
		if e.Time, err = referenceTime(stamp); err != nil {
			return Event{}, verdictRefused, err
		}
		return referenceGKE(e, m, payload, raw)
	case !own || gke != "" || verb == "" || audit == "" && uri == "":
		return Event{}, verdictForeign, nil
	case stage == "RequestReceived", stage == "ResponseStarted" && !lasts:
		return Event{}, verdictOmitted, nil
	case !slices.Contains([]string{"", "ResponseStarted", "ResponseComplete", "Panic"}, stage):
		return Event{}, verdictRefused, errors.New("stage")
	}
	if e.Time, err = referenceTime(stamp); err != nil {
		return Event{}, verdictRefused, err
	}
	e.UID = hashUID(raw)
	if audit != "" {
		e.UID = audit + "/" + stage
		if stage == "" {
			e.UID += "ResponseComplete"
		} else if stage == "ResponseComplete" && lasts {
			e.UID = audit + "/ResponseStarted"
		}
	}
	resource, namespace, name := text(ref["resource"]), text(ref["namespace"]), text(ref["name"])
	e.Access = kubernetesAccess(verb, resource, sub)
	e.Category = CategoryManagement
	if resource == "" {
		e.Access = kubernetesAccess(verb, "", "")
		e.Service = "nonresource"
		e.Operation = verb + " " + nonResourcePath(uri)
		if path, _, _ := strings.Cut(uri, "?"); path != "" {
			e.Resources = []string{path}
		}
	} else {
		e.Service = text(ref["apiGroup"])
		if version := text(ref["apiVersion"]); e.Service == "" && strings.Contains(version, "/") {
			e.Service = strings.Split(version, "/")[0]
		} else if e.Service == "" {
			e.Service = "core"
		}
		e.Operation = verb + " " + resource
		if sub != "" {
			e.Operation += "/" + sub
		}
		switch {
		case namespace != "" && resource == "namespaces":
			e.Resources = []string{"namespaces/" + namespace}
		case namespace != "":
			path := "namespaces/" + namespace + "/" + resource
			if name != "" {
				path += "/" + name
			}
			e.Resources = []string{path, "namespaces/" + namespace}
		case name != "":
			e.Resources = []string{resource + "/" + name}
		default:
			e.Resources = []string{resource}
		}
	}
	code, decision := word(status["code"]), text(object(m["annotations"])["authorization.k8s.io/decision"])
	switch {
	case len(code) == 3 && strings.ContainsAny(code[:1], "45"), text(status["status"]) == "Failure", stage == "Panic", code == "" && decision == "forbid":
		e.Outcome, e.ErrorMessage = OutcomeError, text(status["message"])
		switch {
		case text(status["reason"]) != "":
			e.ErrorCode = text(status["reason"])
		case code != "":
			e.ErrorCode = reasonOf(code)
		case stage == "Panic":
			e.ErrorCode = "InternalError"
		case decision == "forbid":
			e.ErrorCode = "Forbidden"
		}
	case code != "" || text(status["status"]) == "Success" || stage == "ResponseStarted":
		e.Outcome = OutcomeSuccess
	}
	e.UserAgent = text(m["userAgent"])
	e.Source.Address = lastText(m["sourceIPs"])
	e.Source.IP = referenceIP(e.Source.Address)
	extra := object(user["extra"])
	groups, _ := user["groups"].([]any)
	a := &e.Actor
	a.Name = text(user["username"])
	a.OnBehalfOf = text(object(m["impersonatedUser"])["username"])
	if a.Session = a.OnBehalfOf; a.Session == "" {
		a.Session = lastText(extra["authentication.kubernetes.io/pod-name"])
	}
	if c := lastText(extra["authentication.kubernetes.io/credential-id"]); strings.HasPrefix(c, "X509SHA256=") {
		a.Credential = c
	} else {
		a.Credential = lastText(extra["accessKeyId"])
	}
	kubernetesIdentity(a, a.Name, slices.Contains(groups, any("system:unauthenticated")))
	return e, verdictDecoded, nil
}

func referenceGKE(e Event, m, payload map[string]any, raw []byte) (Event, verdict, error) {
	labels := object(object(m["resource"])["labels"])
	e.UID = orHash(text(m["insertId"]), raw)
	e.Region = text(labels["location"])
	if c := text(labels["cluster_name"]); c != "" {
		e.Account = text(labels["project_id"]) + "/" + e.Region + "/" + c
	}
	verb, resource, sub := splitGKEMethod(text(payload["methodName"]))
	if verb == "" {
		return Event{}, verdictRefused, errors.New("method")
	}
	e.Operation = verb + " " + resource
	if sub != "" {
		e.Operation += "/" + sub
	}
	e.Access, e.Category = kubernetesAccess(verb, resource, sub), CategoryManagement
	parts := strings.SplitN(text(payload["resourceName"]), "/", 3)
	if e.Service = parts[0]; e.Service == "" {
		e.Service = "core"
	}
	if len(parts) == 3 && parts[2] != "" {
		e.Resources = []string{parts[2]}
		if at := strings.SplitN(parts[2], "/", 3); len(at) == 3 && at[0] == "namespaces" {
			e.Resources = append(e.Resources, "namespaces/"+at[1])
		}
	}
	status := object(payload["status"])
	e.Outcome = OutcomeSuccess
	if code := word(status["code"]); code != "" && code != "0" {
		e.Outcome, e.ErrorCode, e.ErrorMessage = OutcomeError, rpcReason(code), text(status["message"])
	}
	metadata := object(payload["requestMetadata"])
	e.Source.Address, e.UserAgent = text(metadata["callerIp"]), text(metadata["callerSuppliedUserAgent"])
	e.Source.IP = referenceIP(e.Source.Address)
	e.Actor.Name = text(object(payload["authenticationInfo"])["principalEmail"])
	kubernetesIdentity(&e.Actor, e.Actor.Name, false)
	return e, verdictDecoded, nil
}
