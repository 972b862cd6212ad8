package event

import (
	"errors"
	"strings"
)

// CloudTrail's records, of AWS. What the fields mean is in the AWS CloudTrail
// User Guide, "CloudTrail record contents" and "userIdentity element".

const providerAWS = "aws"

var cloudTrailDecoder = decoder{
	provider: providerAWS,
	format:   formatCloudTrail,
	wants:    "a CloudTrail record with eventSource and eventName, or insightDetails",
	decode:   decodeCloudTrail,
}

// cloudTrail holds what a record says that has no place of its own in Event.
// Of keys that come twice the last counts, as in encoding/json.
type cloudTrail struct {
	eventID, eventTime, stamp string
	eventType, category       string
	recipient                 string
	credentialID              string
	reason, original          string
	insight                   cloudTrailInsight
	readOnly, management      truth
	mfaAuthenticated          truth
	fromConsole               truth
	mfaUsed                   bool
	insightDetails            bool
	// response and service hold, a bit a name of signInOperations, which
	// sign-ins responseElements and serviceEventDetails call failures.
	response, service uint8
	// named holds what requestParameters names, and is used where the record
	// has no resources.
	named  [4]string
	nNamed int
}

type cloudTrailInsight struct {
	service, operation, errorCode string
}

// decodeCloudTrail is the decode of cloudTrailDecoder.
func decodeCloudTrail(b []byte, e *Event, p *stringPool) (n int, v verdict, err error) {
	*e = Event{}
	p.begin()
	var (
		t    cloudTrail
		key  string
		more bool
		i    = 1
	)
	for first := true; ; first = false {
		if key, i, more = nextKey(b, i, first); !more {
			break
		}
		switch len(key) {
		case 7:
			if key == "eventID" {
				i = stringValue(b, i, 1, &t.eventID)
				goto checked
			}
		case 8:
			switch key {
			case "readOnly":
				i = truthValue(b, i, 1, &t.readOnly)
				goto checked
			case "addendum":
				i = t.addendum(b, i)
				goto checked
			}
		case 9:
			switch key {
			case "eventTime":
				i = stringValue(b, i, 1, &t.eventTime)
				goto checked
			case "eventName":
				i = stringValue(b, i, 1, &e.Operation)
				goto checked
			case "eventType":
				i = stringValue(b, i, 1, &t.eventType)
				goto checked
			case "awsRegion":
				i = stringValue(b, i, 1, &e.Region)
				goto checked
			case "userAgent":
				i = stringValue(b, i, 1, &e.UserAgent)
				goto checked
			case "errorCode":
				i = stringValue(b, i, 1, &e.ErrorCode)
				goto checked
			case "resources":
				i = cloudTrailResources(b, i, p)
				goto checked
			}
		case 10:
			if key == "@timestamp" {
				i = stringValue(b, i, 1, &t.stamp)
				goto checked
			}
		case 11:
			if key == "eventSource" {
				i = stringValue(b, i, 1, &e.Service)
				goto checked
			}
		case 12:
			switch key {
			case "userIdentity":
				i = t.userIdentity(b, i, &e.Actor)
				goto checked
			case "errorMessage":
				i = stringValue(b, i, 1, &e.ErrorMessage)
				goto checked
			}
		case 13:
			if key == "eventCategory" {
				i = stringValue(b, i, 1, &t.category)
				goto checked
			}
		case 14:
			if key == "insightDetails" {
				i = t.insightOf(b, i)
				goto checked
			}
		case 15:
			switch key {
			case "sourceIPAddress":
				i = stringValue(b, i, 1, &e.Source.Address)
				goto checked
			case "managementEvent":
				i = truthValue(b, i, 1, &t.management)
				goto checked
			}
		case 16:
			if key == "responseElements" {
				i = signInFailures(b, i, &t.response)
				goto checked
			}
		case 17:
			if key == "requestParameters" {
				i = t.requestParameters(b, i)
				goto checked
			}
		case 18:
			if key == "recipientAccountId" {
				i = stringValue(b, i, 1, &t.recipient)
				goto checked
			}
		case 19:
			switch key {
			case "additionalEventData":
				i = t.additionalEventData(b, i)
				goto checked
			case "serviceEventDetails":
				i = signInFailures(b, i, &t.service)
				goto checked
			}
		case 28:
			if key == "sessionCredentialFromConsole" {
				i = truthValue(b, i, 1, &t.fromConsole)
				goto checked
			}
		}
		switch otherKey(key, b, i, formatCloudTrail) {
		case keyForeign:
			return i, verdictForeign, nil
		case keyAround:
			return i, verdictInside, nil
		}
		i = skipValue(b, i, 1)
	checked:
		if i < 0 {
			break
		}
	}
	if i < 0 {
		return i, verdictBroken, nil
	}
	if !t.insightDetails && (e.Service == "" || e.Operation == "") {
		return i, verdictForeign, nil
	}
	if err := t.finish(b[:i], e, p); err != nil {
		return i, verdictRefused, err
	}
	return i, verdictDecoded, nil
}

// finish derives what the fields mean together.
func (t *cloudTrail) finish(raw []byte, e *Event, p *stringPool) error {
	switch {
	case t.eventTime != "":
		var ok bool
		if e.Time, ok = parseTime(t.eventTime); !ok {
			return badTime("eventTime", t.eventTime)
		}
	case t.stamp != "":
		var ok bool
		if e.Time, ok = parseTime(t.stamp); !ok {
			return badTime("@timestamp", t.stamp)
		}
	default:
		return errors.New("found neither eventTime nor @timestamp")
	}

	e.Account = t.recipient
	if e.Account == "" {
		e.Account = e.Actor.AccountID
	}
	t.finishUID(raw, e)
	t.finishCategory(e)
	e.Source.IP = parseAddress(e.Source.Address)
	t.finishActor(&e.Actor)
	if e.Category == CategoryInsight {
		// An Insights record tells of calls and is none: it has no outcome.
		if t.insight.service != "" {
			e.Service = t.insight.service
		}
		if t.insight.operation != "" {
			e.Operation = t.insight.operation
		}
		if t.insight.errorCode != "null" {
			e.ErrorCode = t.insight.errorCode
		}
	} else {
		t.finishOutcome(e)
	}
	e.Operation = stripVersion(e.Operation)

	switch t.readOnly {
	case truthTrue:
		e.Access = AccessRead
	case truthFalse:
		e.Access = AccessWrite
	default:
		e.Access = accessOf(e.Operation)
	}

	if len(p.list) == 0 {
		for _, s := range t.named[:t.nNamed] {
			p.add(s)
		}
	}
	e.Resources = p.take()
	return nil
}

// finishUID decides UID and Amends. An addendum with the reason UPDATED_DATA
// corrects an event that was delivered before. CloudTrail gives it an eventID
// of its own together with originalEventID, or repeats the original's eventID:
// then a hash of the addendum is put behind it, so that the two are not taken
// for duplicates. The reasons DELIVERY_DELAY and SERVICE_OUTAGE mark ordinary
// events that come late.
func (t *cloudTrail) finishUID(raw []byte, e *Event) {
	e.UID = t.eventID
	if e.UID == "" {
		e.UID = hashUID(raw)
	}
	switch {
	case t.original != "":
		e.Amends = t.original
	case t.reason == "UPDATED_DATA":
		e.Amends = t.eventID
	}
	if e.Amends != "" && e.Amends == e.UID {
		e.UID += "+" + hashUID(raw)[:16]
	}
}

func (t *cloudTrail) finishCategory(e *Event) {
	switch {
	case t.category == "Management":
		e.Category = CategoryManagement
	case t.category == "Data":
		e.Category = CategoryData
	case t.category == "Insight" || t.eventType == "AwsCloudTrailInsight":
		e.Category = CategoryInsight
	case t.category == "NetworkActivity" || t.eventType == "AwsVpceEvent":
		e.Category = CategoryNetwork
	case t.category != "":
		e.Category = CategoryUnknown
	case t.management == truthTrue:
		e.Category = CategoryManagement
	case t.management == truthFalse:
		e.Category = CategoryData
	case e.Service == "" || e.Operation == "":
		e.Category = CategoryInsight
	case isDataOperation(e.Service, e.Operation):
		e.Category = CategoryData
	default:
		e.Category = CategoryManagement
	}
}

// signInOperations are the operations whose failure stands in responseElements
// or serviceEventDetails, under the operation's own name, rather than in
// errorCode.
var signInOperations = [...]string{
	"ConsoleLogin", "SwitchRole", "CheckMfa",
	"CredentialChallenge", "CredentialVerification", "UserAuthentication",
}

func signInBit(name string) uint8 {
	// Other keys are told apart by their length alone.
	switch len(name) {
	case 8, 10, 12, 18, 19, 22:
		for k, s := range signInOperations {
			if s == name {
				return 1 << k
			}
		}
	}
	return 0
}

// finishOutcome decides whether the call failed. A sign-in that failed has no
// errorCode, so its errorMessage becomes one: "Failed authentication" is
// FailedAuthentication, "No username found in supplied account" is
// UsernameNotFound, and anything else is the operation's name with Failure
// behind it, such as SwitchRoleFailure. An errorMessage without an errorCode is
// an error everywhere else too, and has no code.
func (t *cloudTrail) finishOutcome(e *Event) {
	failed := (t.response|t.service)&signInBit(e.Operation) != 0
	if e.ErrorCode == "" && (failed || e.ErrorMessage != "" && t.eventType == "AwsConsoleSignIn") {
		switch {
		case strings.EqualFold(e.ErrorMessage, "Failed authentication"):
			e.ErrorCode = "FailedAuthentication"
		case strings.EqualFold(e.ErrorMessage, "No username found in supplied account"):
			e.ErrorCode = "UsernameNotFound"
		default:
			e.ErrorCode = e.Operation + "Failure"
		}
	}
	if e.ErrorCode != "" || e.ErrorMessage != "" {
		e.Outcome = OutcomeError
		return
	}
	e.Outcome = OutcomeSuccess
}

func (t *cloudTrail) finishActor(a *Actor) {
	if a.Credential == "" {
		a.Credential = t.credentialID
	}
	a.MFA = t.mfaAuthenticated == truthTrue || t.mfaUsed
	a.Console = t.fromConsole == truthTrue || t.eventType == "AwsConsoleSignIn"
	a.Session = sessionOf(a)
}

// sessionOf finds the session's name: the last part of an assumed-role ARN, or
// what stands behind the colon of the principalId of a session.
func sessionOf(a *Actor) string {
	if strings.Contains(a.ARN, ":assumed-role/") {
		return a.ARN[strings.LastIndexByte(a.ARN, '/')+1:]
	}
	switch a.RawType {
	case "AssumedRole", "FederatedUser", "AWSAccount":
		if _, session, ok := strings.Cut(a.PrincipalID, ":"); ok {
			return session
		}
	}
	return ""
}
