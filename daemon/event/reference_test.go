package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// referenceDecode is decodeCloudTrail written over encoding/json, with no eye
// on speed. The fuzz targets hold the two to each other.
func referenceDecode(raw []byte) (e Event, v verdict, err error) {
	if !json.Valid(raw) {
		return e, verdictBroken, errors.New("not JSON")
	}
	var m map[string]any
	if json.Unmarshal(raw, &m) != nil || m == nil {
		return e, verdictBroken, errors.New("not an object")
	}
	insight, hasInsight := m["insightDetails"].(map[string]any)
	service, operation := text(m["eventSource"]), text(m["eventName"])
	if hasForeignMark(m, formatCloudTrail) || !hasInsight && (service == "" || operation == "") {
		return e, verdictForeign, nil
	}
	stamp := text(m["eventTime"])
	if stamp == "" {
		stamp = text(m["@timestamp"])
	}
	if e.Time, err = referenceTime(stamp); err != nil {
		return Event{}, verdictRefused, err
	}

	who, _ := m["userIdentity"].(map[string]any)
	session := object(who["sessionContext"])
	additional := object(m["additionalEventData"])
	addendum := object(m["addendum"])
	e.Actor = Actor{
		RawType: text(who["type"]), Credential: text(who["accessKeyId"]), Name: text(who["userName"]),
		ARN: text(who["arn"]), PrincipalID: text(who["principalId"]), AccountID: text(who["accountId"]),
		InvokedBy: text(who["invokedBy"]), IDProvider: text(who["identityProvider"]),
		Issuer:     text(object(session["sessionIssuer"])["arn"]),
		OnBehalfOf: text(object(who["onBehalfOf"])["userId"]),
		MFA:        flag(object(session["attributes"])["mfaAuthenticated"]) == truthTrue || text(additional["MFAUsed"]) == "Yes",
		Console:    flag(m["sessionCredentialFromConsole"]) == truthTrue || text(m["eventType"]) == "AwsConsoleSignIn",
	}
	if e.Actor.Credential == "" {
		e.Actor.Credential = text(who["credentialId"])
	}
	if parts := strings.Split(e.Actor.ARN, "/"); strings.Contains(e.Actor.ARN, ":assumed-role/") {
		e.Actor.Session = parts[len(parts)-1]
	} else if slices.Contains([]string{"AssumedRole", "FederatedUser", "AWSAccount"}, e.Actor.RawType) {
		_, e.Actor.Session, _ = strings.Cut(e.Actor.PrincipalID, ":")
	}

	e.Account = text(m["recipientAccountId"])
	if e.Account == "" {
		e.Account = e.Actor.AccountID
	}
	e.Region, e.UserAgent = text(m["awsRegion"]), text(m["userAgent"])
	e.ErrorCode, e.ErrorMessage = text(m["errorCode"]), text(m["errorMessage"])
	e.Source.Address = text(m["sourceIPAddress"])
	if ip, err := netip.ParseAddr(e.Source.Address); err == nil {
		e.Source.IP = ip.WithZone("").Unmap()
	}

	e.UID = text(m["eventID"])
	if e.UID == "" {
		e.UID = hashUID(raw)
	}
	if e.Amends = text(addendum["originalEventID"]); e.Amends == "" && text(addendum["reason"]) == "UPDATED_DATA" {
		e.Amends = text(m["eventID"])
	}
	if e.Amends != "" && e.Amends == e.UID {
		e.UID += "+" + hashUID(raw)[:16]
	}

	byCategory := map[string]Category{
		"Management": CategoryManagement, "Data": CategoryData, "Insight": CategoryInsight, "NetworkActivity": CategoryNetwork,
	}
	byType := map[string]Category{"AwsCloudTrailInsight": CategoryInsight, "AwsVpceEvent": CategoryNetwork}
	category, eventType := text(m["eventCategory"]), text(m["eventType"])
	if c, ok := byCategory[category]; ok && c != CategoryNetwork && c != CategoryInsight {
		e.Category = c
	} else if category == "Insight" || eventType == "AwsCloudTrailInsight" {
		e.Category = CategoryInsight
	} else if category == "NetworkActivity" || byType[eventType] != 0 {
		e.Category = CategoryNetwork
	} else if category == "" {
		switch flag(m["managementEvent"]) {
		case truthTrue:
			e.Category = CategoryManagement
		case truthFalse:
			e.Category = CategoryData
		default:
			e.Category = CategoryManagement
			if service == "" || operation == "" {
				e.Category = CategoryInsight
			} else if isDataOperation(service, operation) {
				e.Category = CategoryData
			}
		}
	}

	e.Service, e.Operation = service, operation
	if e.Category == CategoryInsight {
		if s := text(insight["eventSource"]); s != "" {
			e.Service = s
		}
		if s := text(insight["eventName"]); s != "" {
			e.Operation = s
		}
		if e.ErrorCode = text(insight["errorCode"]); e.ErrorCode == "null" {
			e.ErrorCode = ""
		}
	} else {
		failed := false
		if slices.Contains(signInOperations[:], operation) {
			failed = text(object(m["responseElements"])[operation]) == "Failure" ||
				text(object(m["serviceEventDetails"])[operation]) == "Failure"
		}
		if e.ErrorCode == "" && (failed || e.ErrorMessage != "" && eventType == "AwsConsoleSignIn") {
			e.ErrorCode = operation + "Failure"
			if strings.EqualFold(e.ErrorMessage, "failed authentication") {
				e.ErrorCode = "FailedAuthentication"
			}
			if strings.EqualFold(e.ErrorMessage, "no username found in supplied account") {
				e.ErrorCode = "UsernameNotFound"
			}
		}
		e.Outcome = OutcomeSuccess
		if e.ErrorCode != "" || e.ErrorMessage != "" {
			e.Outcome = OutcomeError
		}
	}
	e.Operation = referenceStrip(e.Operation)
	switch flag(m["readOnly"]) {
	case truthTrue:
		e.Access = AccessRead
	case truthFalse:
		e.Access = AccessWrite
	default:
		e.Access = accessOf(e.Operation)
	}

	resources, _ := m["resources"].([]any)
	for _, r := range resources {
		if arn := text(object(r)["ARN"]); arn != "" {
			e.Resources = append(e.Resources, arn)
		}
	}
	if e.Resources == nil {
		e.Resources = referenceNames(raw)
	}
	return e, verdictDecoded, nil
}

// hasForeignMark reports whether a record has a key that the format has not.
func hasForeignMark(m map[string]any, own format) bool {
	for _, mark := range marks {
		if _, ok := m[mark.key]; ok && mark.of != 0 && !mark.of.has(own) {
			return true
		}
	}
	return false
}

// referenceNames reads requestParameters by tokens, since their order counts.
func referenceNames(raw []byte) (names []string) {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		return nil
	}
	add := func(s string) {
		if s != "" && s != "HIDDEN_DUE_TO_SECURITY_REASONS" && len(names) < 4 {
			names = append(names, s)
		}
	}
	pairs(m["requestParameters"], func(key string, value json.RawMessage) {
		var s any
		_ = json.Unmarshal(value, &s)
		if namesResource(key) {
			add(text(s))
		}
		if key != "instancesSet" {
			return
		}
		pairs(value, func(key string, value json.RawMessage) {
			var items any
			_ = json.Unmarshal(value, &items)
			list, _ := items.([]any)
			for _, item := range list {
				if key == "items" {
					add(text(object(item)["instanceId"]))
				}
			}
		})
	})
	return names
}

// pairs calls f for each key of an object, in order and with repetitions.
func pairs(raw json.RawMessage, f func(string, json.RawMessage)) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return
	}
	for d.More() {
		key, _ := d.Token()
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return
		}
		f(key.(string), value)
	}
}

var referenceDate = regexp.MustCompile(
	`^(?s)(.*[A-Za-z])(?:_?((?:199|2[01]\d)\d)_(0[1-9]|1[0-2])_(0[1-9]|[12]\d|3[01])|((?:199|2[01]\d)\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]))(?:v\d+)?$`)

func referenceStrip(s string) string {
	if m := referenceDate.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return s
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func flag(v any) truth {
	switch v := v.(type) {
	case bool:
		if v {
			return truthTrue
		}
		return truthFalse
	case string:
		return truthOf(v)
	}
	return truthUnknown
}
