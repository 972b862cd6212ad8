package event

import (
	"fmt"
	"strings"
)

// This file tells whose record an object is by its keys, on the way of the one
// walk that decodes it. A key that only some formats have at the top of a
// record is a mark. A decoder that meets a mark of others stops: the record is
// not its own. So no record is decoded by two decoders, and which of them is
// asked first changes nothing but the time that it takes.

// format numbers the forms of records, one a decoder.
type format uint8

// formats is a set of them.
type formats uint16

func setOf(list ...format) (s formats) {
	for _, f := range list {
		s |= 1 << f
	}
	return s
}

func (s formats) has(f format) bool { return s>>f&1 != 0 }

const (
	formatCloudTrail format = iota
	formatKubernetes
	formatActionTrail
	formatCADF
	formatAzure
	formatGCP
	formatOCSF
)

// marks are the keys that tell formats apart, and those around records:
//
//	Records          CloudTrail's files in S3
//	Events           the answer of LookupEvents; its elements hold CloudTrailEvent
//	logEvents        a CloudWatch Logs subscription; its elements hold message
//	items            an EventList of Kubernetes
//	records          what Azure's diagnostic settings write
//	value            the answers of Azure Monitor and Microsoft Graph
//	entries          the answer of Google's entries.list
//	receivedMessages what is pulled from Pub/Sub; its elements hold message, and
//	                 that holds the record in Base64 in data
//	detail           EventBridge (CloudWatch Events)
//	data, record     CloudEvents, rule tests, and the wrappers of log shippers
//	event            ActionTrail in the log service (SLS)
//	_line, payload   Activity Tracker's exports
//	events           what CloudWatch Logs answers to a search
//	log              a container's output, and what AKS has in properties
//
// A key that several formats have names all of them, and one that others may
// well have too is no mark. GKE's and AKS's wrappings are records of their own
// (kubernetes.go), so some keys of Google and Azure are Kubernetes' too.
var marks = []mark{
	{key: "Records", around: aroundList},
	{key: "Events", around: aroundList},
	{key: "logEvents", around: aroundList},
	{key: "items", around: aroundList},
	{key: "records", around: aroundList},
	{key: "value", around: aroundList},
	{key: "entries", around: aroundList},
	{key: "receivedMessages", around: aroundList},
	{key: "detail", around: aroundRecord},
	{key: "data", around: aroundData},
	{key: "record", around: aroundRecord},
	{key: "event", around: aroundRecord},
	{key: "_line", around: aroundRecord},
	{key: "payload", around: aroundRecord},
	{key: "log", around: aroundRecord},
	{key: "events", around: aroundList},
	{key: "CloudTrailEvent", around: aroundRecord},
	{key: "message", around: aroundRecord},

	{key: "eventSource", of: setOf(formatCloudTrail, formatActionTrail)},
	{key: "eventName", of: setOf(formatCloudTrail, formatActionTrail, formatAzure)},
	{key: "userIdentity", of: setOf(formatCloudTrail, formatActionTrail)},
	{key: "insightDetails", of: setOf(formatCloudTrail, formatActionTrail)},
	{key: "awsRegion", of: setOf(formatCloudTrail)},
	{key: "eventID", of: setOf(formatCloudTrail)},
	{key: "sourceIPAddress", of: setOf(formatCloudTrail)},

	{key: "acsRegion", of: setOf(formatActionTrail)},
	{key: "eventRW", of: setOf(formatActionTrail)},
	{key: "serviceName", of: setOf(formatActionTrail)},
	{key: "sourceIpAddress", of: setOf(formatActionTrail)},
	{key: "referencedResources", of: setOf(formatActionTrail)},

	{key: "auditID", of: setOf(formatKubernetes)},
	{key: "requestURI", of: setOf(formatKubernetes)},
	{key: "objectRef", of: setOf(formatKubernetes)},
	{key: "sourceIPs", of: setOf(formatKubernetes)},
	{key: "stageTimestamp", of: setOf(formatKubernetes)},
	{key: "requestReceivedTimestamp", of: setOf(formatKubernetes)},

	{key: "initiator", of: setOf(formatCADF)},
	{key: "observer", of: setOf(formatCADF)},
	{key: "logSourceCRN", of: setOf(formatCADF)},

	{key: "protoPayload", of: setOf(formatGCP, formatKubernetes)},
	{key: "insertId", of: setOf(formatGCP, formatKubernetes)},
	{key: "logName", of: setOf(formatGCP, formatKubernetes)},
	{key: "protopayload_auditlog", of: setOf(formatGCP)},

	{key: "operationName", of: setOf(formatAzure, formatKubernetes)},
	{key: "operation_name", of: setOf(formatAzure)},
	{key: "event_data_id", of: setOf(formatAzure)},
	{key: "OperationNameValue", of: setOf(formatAzure)},
	{key: "OperationName", of: setOf(formatAzure)},
	{key: "activityDisplayName", of: setOf(formatAzure)},
	{key: "activityDateTime", of: setOf(formatAzure)},
	{key: "createdDateTime", of: setOf(formatAzure)},
	{key: "resourceId", of: setOf(formatAzure, formatKubernetes)},

	{key: "class_uid", of: setOf(formatOCSF)},
	{key: "type_uid", of: setOf(formatOCSF)},
}

// A mark is a key at the top of records, or of what stands around them.
type mark struct {
	key string
	// of are the formats whose records have the key. 0 stands for all.
	of formats
	// around says what kind of value of the key holds records.
	around around
}

// around says in what kind of value records are looked for.
type around uint8

const (
	aroundNone around = iota
	aroundList
	aroundRecord // An object, or a string with the text of one.
	aroundData   // As aroundRecord, or a string with an object in Base64.
)

// markTable finds marks by a hash of their key. An empty key ends a run.
var markTable [512]mark

func markSlot(key string) uint {
	n := uint(len(key))
	return (n*0x1f + uint(key[0])*0x95 + uint(key[n-1])*0x2b + uint(key[n/2])*0x53) % uint(len(markTable))
}

// init enters the marks, which cannot be an initialiser: decoders look them up.
func init() {
	for _, m := range marks {
		i := markSlot(m.key)
		for markTable[i].key != "" {
			i = (i + 1) % uint(len(markTable))
		}
		markTable[i] = m
	}
}

// markOf returns what is known of a key, nil where it is no mark.
func markOf(key string) *mark {
	if key == "" {
		return nil
	}
	for i := markSlot(key); ; i = (i + 1) % uint(len(markTable)) {
		switch m := &markTable[i]; m.key {
		case key:
			return m
		case "":
			return nil
		}
	}
}

// keyMeaning is what a key that a decoder does not read says to it.
type keyMeaning uint8

const (
	// keyPlain: the value is stepped over.
	keyPlain keyMeaning = iota
	// keyForeign: the record is another format's.
	keyForeign
	// keyAround: records are in the value.
	keyAround
)

// otherKey says what a key means that the decoder of a format does not read.
// Its value is at b[i].
func otherKey(key string, b []byte, i int, own format) keyMeaning {
	m := markOf(key)
	switch {
	case m == nil:
		return keyPlain
	case m.of != 0 && !m.of.has(own):
		return keyForeign
	case m.holds(b, i) && !markedBefore(b, i):
		return keyAround
	}
	return keyPlain
}

// markedBefore reports whether the object at the start of b has a mark of any
// format before index i: then it is a record, and not what is around one.
func markedBefore(b []byte, i int) bool {
	for at, first := 1, true; ; first = false {
		key, next, more := nextKey(b, at, first)
		if !more || next >= i {
			return false
		}
		if m := markOf(key); m != nil && m.of != 0 {
			return true
		}
		if at = skipValue(b, next, 1); at < 0 {
			return false
		}
	}
}

// holds reports whether the value at b[i] is one that records are looked for in.
func (m *mark) holds(b []byte, i int) bool {
	switch m.around {
	case aroundList:
		return b[i] == '['
	case aroundRecord:
		return b[i] == '{' || b[i] == '"' && i+1 < len(b) && b[i+1] == '{'
	case aroundData:
		return b[i] == '{' || b[i] == '"' && i+1 < len(b) && (b[i+1] == '{' || base64Object(b[i+1:]))
	}
	return false
}

// envelopeKey says whether records are looked for in the value at b[i] of a key
// of an envelope, rather than stepping over it.
func envelopeKey(key string, b []byte, i int) bool {
	m := markOf(key)
	return m != nil && m.holds(b, i)
}

// recognise returns the formats that the object at the start of b may be of, by
// the marks up to the one that leaves no more than one. The rest of the object
// is not looked at, nor what is behind the value in which records are.
func recognise(b []byte) formats {
	can := ^formats(0)
	for i, first := 1, true; ; first = false {
		key, next, more := nextKey(b, i, first)
		if !more {
			return can
		}
		switch m := markOf(key); {
		case m == nil:
		case m.of != 0:
			if can &= m.of; can&(can-1) == 0 {
				return can
			}
		case can == ^formats(0) && m.holds(b, next):
			return can
		}
		if i = skipValue(b, next, 1); i < 0 {
			return can
		}
	}
}

// clash names two keys of the object at the start of b that no format has
// together, and whose they are. It is empty where there are none.
func clash(b []byte) string {
	type seen struct {
		key string
		of  formats
	}
	var before []seen
	for i, first := 1, true; ; first = false {
		key, next, more := nextKey(b, i, first)
		if !more {
			return ""
		}
		if m := markOf(key); m != nil && m.of != 0 {
			for _, s := range before {
				if s.of&m.of == 0 {
					return fmt.Sprintf("%q is a key of %s and %q one of %s", s.key, s.of, m.key, m.of)
				}
			}
			before = append(before, seen{m.key, m.of})
		}
		if i = skipValue(b, next, 1); i < 0 {
			return ""
		}
	}
}

// formatNames are the names of formats in errors.
var formatNames = [...]string{
	formatCloudTrail:  "CloudTrail",
	formatKubernetes:  "Kubernetes",
	formatActionTrail: "ActionTrail",
	formatCADF:        "CADF",
	formatAzure:       "Azure",
	formatGCP:         "Google Cloud",
	formatOCSF:        "OCSF",
}

func (s formats) String() string {
	var names []string
	for f, name := range formatNames {
		if s.has(format(f)) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " or ")
}
