package event

import (
	"errors"
	"strings"
)

// CADF records as IBM Cloud's Activity Tracker writes them. What the fields
// mean is in IBM's documentation, "Event fields", and in DMTF DSP0262, Cloud
// Auditing Data Federation.

const providerIBM = "ibm"

var cadfDecoder = decoder{
	provider: providerIBM,
	format:   formatCADF,
	wants:    "a CADF record with action and initiator",
	decode:   decodeCADF,
}

// cadf holds what a record says that has no place of its own in Event.
type cadf struct {
	id, eventTime    string
	outcome          string
	logSource        string
	dataEvent        truth
	typeURI          string // initiator.typeURI
	credentialType   string // initiator.credential.type
	reasonCode       string
	reasonType       string
	reasonForFailure string
	targetID         string
	targetName       string
	// own is set once there was a key that only CADF has.
	own bool
}

// decodeCADF is the decode of cadfDecoder.
func decodeCADF(b []byte, e *Event, p *stringPool) (n int, v verdict, err error) {
	*e = Event{}
	p.begin()
	var (
		t    cadf
		key  string
		more bool
		i    = 1
	)
	for first := true; ; first = false {
		if key, i, more = nextKey(b, i, first); !more {
			break
		}
		switch key {
		case "id":
			i = stringValue(b, i, 1, &t.id)
		case "eventTime":
			i = stringValue(b, i, 1, &t.eventTime)
		case "action":
			i = stringValue(b, i, 1, &e.Operation)
		case "outcome":
			i = stringValue(b, i, 1, &t.outcome)
		case "dataEvent":
			i = truthValue(b, i, 1, &t.dataEvent)
		case "logSourceCRN":
			t.own = true
			i = stringValue(b, i, 1, &t.logSource)
		case "initiator":
			t.own = true
			i = t.initiator(b, i, e)
		case "observer":
			t.own = true
			i = skipValue(b, i, 1)
		case "target":
			i = t.target(b, i)
		case "reason":
			i = t.reason(b, i)
		default:
			switch otherKey(key, b, i, formatCADF) {
			case keyForeign:
				return i, verdictForeign, nil
			case keyAround:
				return i, verdictInside, nil
			}
			i = skipValue(b, i, 1)
		}
		if i < 0 {
			break
		}
	}
	if i < 0 {
		return i, verdictBroken, nil
	}
	if !t.own || e.Operation == "" {
		return i, verdictForeign, nil
	}
	if err := t.finish(b[:i], e, p); err != nil {
		return i, verdictRefused, err
	}
	return i, verdictDecoded, nil
}

// finish derives what the fields mean together.
func (t *cadf) finish(raw []byte, e *Event, p *stringPool) error {
	if t.eventTime == "" {
		return errors.New("found no eventTime")
	}
	var ok bool
	if e.Time, ok = parseTime(t.eventTime); !ok {
		return badTime("eventTime", t.eventTime)
	}
	if e.UID = t.id; e.UID == "" {
		e.UID = hashUID(raw)
	}
	e.Service, _, _ = strings.Cut(e.Operation, ".")
	e.Account, e.Region = crnPlace(t.logSource)
	account, region := crnPlace(t.targetID)
	if e.Account == "" {
		e.Account = account
	}
	if e.Region == "" {
		e.Region = region
	}
	if e.Category = CategoryManagement; t.dataEvent == truthTrue {
		e.Category = CategoryData
	}
	e.Access = cadfAccess(e.Operation)
	t.finishOutcome(e)
	t.finishActor(e)
	e.Source.IP = parseAddress(e.Source.Address)
	switch {
	case t.targetID != "":
		p.add(t.targetID)
	case t.targetName != "":
		p.add(t.targetName)
	}
	e.Resources = p.take()
	return nil
}

// finishOutcome decides the outcome. What is pending has none yet: another
// record tells it.
func (t *cadf) finishOutcome(e *Event) {
	// An outcome that is missing is told by the HTTP code.
	failed := t.outcome == "failure" ||
		t.outcome == "" && len(t.reasonCode) == 3 && (t.reasonCode[0] == '4' || t.reasonCode[0] == '5')
	switch {
	case failed:
		e.Outcome = OutcomeError
		if e.ErrorCode = t.reasonCode; e.ErrorCode == "" || e.ErrorCode == "0" {
			e.ErrorCode = t.reasonType
		}
		if e.ErrorMessage = t.reasonForFailure; e.ErrorMessage == "" {
			e.ErrorMessage = t.reasonType
		}
	case t.outcome == "success", t.outcome == "" && t.reasonCode != "":
		e.Outcome = OutcomeSuccess
	}
}

// The prefixes of IAM ids say what an initiator is.
const (
	ibmPerson  = "IBMid-"
	ibmService = "iam-ServiceId-"
	ibmProfile = "iam-Profile-"
)

// finishActor decides identity and kind. The identity is the initiator's id. A
// trusted profile is a role, of which authnId names who assumed it.
func (t *cadf) finishActor(e *Event) {
	a := &e.Actor
	a.RawType = t.credentialType
	if i := strings.LastIndexByte(t.typeURI, '/'); i >= 0 {
		a.RawType = t.typeURI[i+1:]
	}
	if a.Identity = a.PrincipalID; a.Identity == "" {
		a.Identity = a.OnBehalfOf
	}
	if a.Identity == "" {
		a.Identity = a.Name
	}
	switch id := a.Identity; {
	case t.credentialType == "public-access", id == "":
		a.Kind = KindAnonymous
		if id == "" {
			a.Identity = "anonymous"
		}
	case strings.HasPrefix(id, ibmProfile):
		a.Kind = KindRole
		a.Session = a.OnBehalfOf
	case strings.HasPrefix(id, ibmService), t.credentialType == "apikey-serviceid":
		a.Kind = KindService
	case strings.HasPrefix(id, "crn"), t.credentialType == "s2s-authorization":
		a.Kind = KindCloudService
	case t.credentialType == "compute-resource", t.credentialType == "instance-identity-token":
		a.Kind = KindService
	case strings.HasPrefix(id, ibmPerson), a.RawType == "user", strings.IndexByte(id, '@') > 0:
		a.Kind = KindHuman
	case a.RawType == "serviceid", a.RawType == "clientid":
		a.Kind = KindService
	}
}

// initiator reads who made the call, from where and with what.
func (t *cadf) initiator(b []byte, i int, e *Event) int {
	e.Actor, e.Source.Address, e.UserAgent = Actor{}, "", ""
	t.typeURI, t.credentialType = "", ""
	a := &e.Actor
	return members(b, i, 1, func(key string, i int) int {
		switch key {
		case "id":
			i = stringValue(b, i, 2, &a.PrincipalID)
		case "name":
			i = stringValue(b, i, 2, &a.Name)
		case "authnId":
			i = stringValue(b, i, 2, &a.OnBehalfOf)
		case "typeURI":
			i = stringValue(b, i, 2, &t.typeURI)
		case "credential":
			i = oneString(b, i, 2, "type", &t.credentialType)
		case "host":
			i = cadfHost(b, i, e)
		default:
			i = skipValue(b, i, 2)
		}
		return i
	})
}

// cadfHost reads the initiator's host. Of an address with a port behind a
// slash the address counts.
func cadfHost(b []byte, i int, e *Event) int {
	e.Source.Address, e.UserAgent = "", ""
	i = members(b, i, 2, func(key string, i int) int {
		switch key {
		case "address":
			i = stringValue(b, i, 3, &e.Source.Address)
		case "agent":
			i = stringValue(b, i, 3, &e.UserAgent)
		default:
			i = skipValue(b, i, 3)
		}
		return i
	})
	e.Source.Address, _, _ = strings.Cut(e.Source.Address, "/")
	return i
}

func (t *cadf) target(b []byte, i int) int {
	t.targetID, t.targetName = "", ""
	return members(b, i, 1, func(key string, i int) int {
		switch key {
		case "id":
			i = stringValue(b, i, 2, &t.targetID)
		case "name":
			i = stringValue(b, i, 2, &t.targetName)
		default:
			i = skipValue(b, i, 2)
		}
		return i
	})
}

// reason reads the HTTP code, a number or the text of one, and the words for it.
func (t *cadf) reason(b []byte, i int) int {
	t.reasonCode, t.reasonType, t.reasonForFailure = "", "", ""
	return members(b, i, 1, func(key string, i int) int {
		switch key {
		case "reasonCode":
			i = wordValue(b, i, 2, &t.reasonCode)
		case "reasonType":
			i = stringValue(b, i, 2, &t.reasonType)
		case "reasonForFailure":
			i = stringValue(b, i, 2, &t.reasonForFailure)
		default:
			i = skipValue(b, i, 2)
		}
		return i
	})
}

// crnPlace takes account and region from a cloud resource name:
// crn:version:cname:ctype:service:LOCATION:a/ACCOUNT:instance:type:resource.
func crnPlace(crn string) (account, region string) {
	if !strings.HasPrefix(crn, "crn:") {
		return "", ""
	}
	for n := 0; ; n++ {
		part, rest, more := strings.Cut(crn, ":")
		switch n {
		case 5:
			region = part
		case 6:
			account, _ = strings.CutPrefix(part, "a/")
			if len(account) == len(part) {
				account = "" // Of an organisation or a space, of old.
			}
			return account, region
		}
		if !more {
			return "", region
		}
		crn = rest
	}
}

// cadfReads are the verbs of actions that only look.
var cadfReads = [...]string{
	"read", "list", "get", "view", "search", "head", "download", "check", "validate", "test", "query",
	"wrap", "unwrap", "rewrap", "status", "fetch", "retrieve", "describe", "monitor",
}

// cadfAccess says whether an action reads or writes, by its verb, which stands
// behind the last full stop and may have words behind it: "list-by-name". The use of keys
// changes nothing; sign-ins write, as in CloudTrail.
func cadfAccess(action string) Access {
	verb := action[strings.LastIndexByte(action, '.')+1:]
	verb, _, _ = strings.Cut(verb, "-")
	for _, read := range cadfReads {
		if verb == read {
			return AccessRead
		}
	}
	return AccessWrite
}
