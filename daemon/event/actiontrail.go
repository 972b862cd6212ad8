package event

import (
	"errors"
	"strings"
)

// ActionTrail's records, of Alibaba Cloud. What the fields mean is in
// ActionTrail's documentation, "Management event structure" and "Insights event
// structure". The names are CloudTrail's for the most part, and so is the way
// of reading them.

const providerAlibaba = "alibaba"

var actionTrailDecoder = decoder{
	provider: providerAlibaba,
	format:   formatActionTrail,
	wants:    "an ActionTrail record with eventName and one of acsRegion, serviceName, eventRW and sourceIpAddress, or with insightDetails",
	decode:   decodeActionTrail,
}

// actionTrail holds what a record says that has no place of its own in Event.
type actionTrail struct {
	eventID, eventTime     string
	eventType, category    string
	recipient, accessWord  string
	source, service        string
	resourceName           string
	insightType, insightIP string
	insightDetails         bool
	mfaAuthenticated       truth
	mfaChecked             truth
	// own is set once there was a key that only ActionTrail has.
	own bool
}

// decodeActionTrail is the decode of actionTrailDecoder.
func decodeActionTrail(b []byte, e *Event, p *stringPool) (n int, v verdict, err error) {
	*e = Event{}
	p.begin()
	var (
		t    actionTrail
		key  string
		more bool
		i    = 1
	)
	for first := true; ; first = false {
		if key, i, more = nextKey(b, i, first); !more {
			break
		}
		switch key {
		case "eventId":
			i = stringValue(b, i, 1, &t.eventID)
		case "eventTime":
			i = stringValue(b, i, 1, &t.eventTime)
		case "eventName":
			i = stringValue(b, i, 1, &e.Operation)
		case "eventType":
			i = stringValue(b, i, 1, &t.eventType)
		case "eventCategory":
			i = stringValue(b, i, 1, &t.category)
		case "eventSource":
			i = stringValue(b, i, 1, &t.source)
		case "serviceName":
			t.own = true
			i = stringValue(b, i, 1, &t.service)
		case "acsRegion":
			t.own = true
			i = stringValue(b, i, 1, &e.Region)
		case "eventRW":
			t.own = true
			i = stringValue(b, i, 1, &t.accessWord)
		case "sourceIpAddress":
			t.own = true
			i = stringValue(b, i, 1, &e.Source.Address)
		case "userAgent":
			i = stringValue(b, i, 1, &e.UserAgent)
		case "errorCode":
			i = wordValue(b, i, 1, &e.ErrorCode)
		case "errorMessage":
			i = stringValue(b, i, 1, &e.ErrorMessage)
		case "recipientAccountId", "recipient":
			i = wordValue(b, i, 1, &t.recipient)
		case "resourceName":
			i = stringValue(b, i, 1, &t.resourceName)
		case "userIdentity":
			i = t.userIdentity(b, i, &e.Actor)
		case "additionalEventData":
			i = t.additionalEventData(b, i)
		case "referencedResources":
			t.own = true
			i = actionTrailResources(b, i, p)
		case "insightDetails":
			i = t.insightOf(b, i)
		default:
			switch otherKey(key, b, i, formatActionTrail) {
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
	if !t.own || e.Operation == "" && !t.insightDetails {
		return i, verdictForeign, nil
	}
	if err := t.finish(b[:i], e, p); err != nil {
		return i, verdictRefused, err
	}
	return i, verdictDecoded, nil
}

// finish derives what the fields mean together.
func (t *actionTrail) finish(raw []byte, e *Event, p *stringPool) error {
	if t.eventTime == "" {
		return errors.New("found no eventTime")
	}
	var ok bool
	if e.Time, ok = parseTime(t.eventTime); !ok {
		return badTime("eventTime", t.eventTime)
	}
	if e.UID = t.eventID; e.UID == "" {
		e.UID = hashUID(raw)
	}
	if e.Account = t.recipient; e.Account == "" {
		e.Account = e.Actor.AccountID
	}
	if e.Service = t.service; e.Service == "" {
		e.Service = t.source
	}
	t.finishCategory(e)
	t.finishActor(e)
	if e.Source.Address == "" {
		e.Source.Address = t.insightIP
	}
	e.Source.IP = parseAddress(e.Source.Address)

	switch t.accessWord {
	case "Read":
		e.Access = AccessRead
	case "Write":
		e.Access = AccessWrite
	default:
		e.Access = accessOf(e.Operation)
	}
	if len(p.list) == 0 && t.resourceName != "" {
		p.add(t.resourceName)
	}
	e.Resources = p.take()
	return nil
}

// finishCategory decides the category. What has none is of the time when there
// were management events only. A record of an insight tells of calls and is
// none: it has no outcome, and its operation is the insight's type.
func (t *actionTrail) finishCategory(e *Event) {
	switch {
	case t.category == "Insight" || t.eventType == "ActionTrailInsight" || e.Operation == "":
		e.Category = CategoryInsight
		if e.Operation == "" {
			e.Operation = t.insightType
		}
		if e.Service == "" {
			e.Service = "Actiontrail"
		}
		return
	case t.category == "Data":
		e.Category = CategoryData
	case t.category == "Management" || t.category == "":
		e.Category = CategoryManagement
	}
	e.Outcome = OutcomeSuccess
	if e.ErrorCode != "" || e.ErrorMessage != "" {
		e.Outcome = OutcomeError
		if e.ErrorCode == "" && t.eventType == "ConsoleSignin" {
			e.ErrorCode = "ConsoleSigninFailure"
		}
	}
}

// finishActor fills what the actor's fields say together. A role's principalId
// is the role's id, and its userName the role's name, each with the session
// behind a colon.
func (t *actionTrail) finishActor(e *Event) {
	a := &e.Actor
	a.MFA = t.mfaAuthenticated == truthTrue || t.mfaChecked == truthTrue
	a.Console = t.eventType == "ConsoleSignin" || t.eventType == "ConsoleSignout" || t.eventType == "ConsoleOperation"
	if t.eventType == "AliyunServiceEvent" && a.RawType == "" && a.InvokedBy == "" {
		// The service itself acts, and there is no userIdentity.
		if a.InvokedBy = t.source; a.InvokedBy == "" {
			a.InvokedBy = t.service
		}
	}
	if a.RawType != "assumed-role" {
		return
	}
	if role, session, ok := strings.Cut(a.Name, ":"); ok {
		a.Name, a.Session = role, session
	} else if _, session, ok := strings.Cut(a.PrincipalID, ":"); ok {
		a.Session = session
	}
}

// userIdentity reads who made the call.
func (t *actionTrail) userIdentity(b []byte, i int, a *Actor) int {
	*a = Actor{}
	t.mfaAuthenticated = truthUnknown
	return members(b, i, 1, func(key string, i int) int {
		switch key {
		case "type":
			i = stringValue(b, i, 2, &a.RawType)
		case "userName":
			i = stringValue(b, i, 2, &a.Name)
		case "accountId":
			i = wordValue(b, i, 2, &a.AccountID)
		case "principalId":
			i = wordValue(b, i, 2, &a.PrincipalID)
		case "accessKeyId":
			i = stringValue(b, i, 2, &a.Credential)
		case "invokedBy":
			i = stringValue(b, i, 2, &a.InvokedBy)
		case "sessionContext":
			i = t.sessionContext(b, i)
		default:
			i = skipValue(b, i, 2)
		}
		return i
	})
}

func (t *actionTrail) sessionContext(b []byte, i int) int {
	t.mfaAuthenticated = truthUnknown
	return members(b, i, 2, func(key string, i int) int {
		if key == "attributes" {
			i = oneTruth(b, i, 3, "mfaAuthenticated", &t.mfaAuthenticated)
		} else {
			i = skipValue(b, i, 3)
		}
		return i
	})
}

// additionalEventData reads whether a sign-in used a second factor.
func (t *actionTrail) additionalEventData(b []byte, i int) int {
	return oneTruth(b, i, 1, "isMFAChecked", &t.mfaChecked)
}

// insightOf reads what an Insights record is about. Before 2023 it named the
// address itself.
func (t *actionTrail) insightOf(b []byte, i int) int {
	t.insightDetails, t.insightType, t.insightIP = b[i] == '{', "", ""
	return members(b, i, 1, func(key string, i int) int {
		switch key {
		case "insightType":
			i = stringValue(b, i, 2, &t.insightType)
		case "sourceIpAddress":
			i = stringValue(b, i, 2, &t.insightIP)
		default:
			i = skipValue(b, i, 2)
		}
		return i
	})
}

// actionTrailResources reads {type: [names]} into the pool's list.
func actionTrailResources(b []byte, i int, p *stringPool) int {
	p.begin()
	return members(b, i, 1, func(_ string, i int) int { return namesValue(b, i, 2, p) })
}

// namesValue reads a string, or a list of strings, into the pool's list.
func namesValue(b []byte, i, depth int, p *stringPool) int {
	var name string
	if b[i] != '[' {
		if i = stringValue(b, i, depth, &name); name != "" {
			p.add(name)
		}
		return i
	}
	return elements(b, i, depth, func(i int) int {
		if i = stringValue(b, i, depth+1, &name); i >= 0 && name != "" {
			p.add(name)
		}
		return i
	})
}

// oneTruth reads one boolean of the object at b[i], which stands at a depth.
func oneTruth(b []byte, i, depth int, name string, dst *truth) int {
	*dst = truthUnknown
	return members(b, i, depth, func(key string, i int) int {
		if key == name {
			i = truthValue(b, i, depth+1, dst)
		} else {
			i = skipValue(b, i, depth+1)
		}
		return i
	})
}
