package event

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
)

// Google's Cloud Audit Logs: a LogEntry whose protoPayload is an AuditLog, as
// Cloud Logging's API, sinks to Cloud Storage and Pub/Sub write it, and as rows of
// BigQuery have it. What the fields mean is in Google's reference of LogEntry and
// AuditLog.

const providerGCP = "gcp"

var gcpDecoder = decoder{
	provider: providerGCP,
	format:   formatGCP,
	wants:    "an entry of Google's Cloud Audit Logs with protoPayload.serviceName and protoPayload.methodName",
	decode:   decodeGCP,
}

// gcp holds what an entry says that has no place of its own in Event.
type gcp struct {
	insertID, timestamp, received, logName string
	labels                                 gcpLabels
	operation                              gcpOperation
	audit                                  gcpAudit
}

// gcpLabels are the labels of the monitored resource.
type gcpLabels struct {
	project, location, region, zone string
}

// gcpOperation says which part of a long-running operation an entry tells of.
type gcpOperation struct {
	id          string
	first, last truth
}

// gcpAudit is the AuditLog.
type gcpAudit struct {
	service, method, resource, location string
	address, agent                      string
	who                                 gcpWho
	code, message                       string
	// access and permission are what authorizationInfo says: the highest type of
	// the permissions, and the resources where there is no resourceName.
	access  string
	granted string
}

type gcpWho struct {
	email, subject, key, delegate, authority string
}

// decodeGCP is the decode of gcpDecoder.
func decodeGCP(b []byte, e *Event, p *stringPool) (n int, v verdict, err error) {
	*e = Event{}
	p.begin()
	var (
		t    gcp
		key  string
		more bool
		i    = 1
	)
	for first := true; ; first = false {
		if key, i, more = nextKey(b, i, first); !more {
			break
		}
		switch key {
		case "insertId":
			i = stringValue(b, i, 1, &t.insertID)
		case "timestamp":
			i = stringValue(b, i, 1, &t.timestamp)
		case "receiveTimestamp":
			i = stringValue(b, i, 1, &t.received)
		case "logName":
			i = stringValue(b, i, 1, &t.logName)
		case "resource":
			i = t.resource(b, i)
		case "operation":
			i = t.operation.read(b, i)
		case "protoPayload", "protopayload_auditlog":
			i = t.audit.read(b, i)
		default:
			switch otherKey(key, b, i, formatGCP) {
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
	a := &t.audit
	if a.service == "" || a.method == "" || a.service == kubernetesOnGoogle {
		return i, verdictForeign, nil
	}
	if err := t.finish(b[:i], e, p); err != nil {
		return i, verdictRefused, err
	}
	return i, verdictDecoded, nil
}

// kubernetesOnGoogle is the service of GKE's API servers, whose entries are
// Kubernetes' audit events.
const kubernetesOnGoogle = "k8s.io"

// The last parts of the names of the four audit logs.
const (
	gcpActivity     = "activity"
	gcpDataAccess   = "data_access"
	gcpSystemEvent  = "system_event"
	gcpPolicyDenied = "policy"
)

// log is the last part of the log's name, such as "activity" of
// "projects/p/logs/cloudaudit.googleapis.com%2Factivity", and where the log is.
func (t *gcp) log() (name, parent string) {
	parent, name, _ = strings.Cut(t.logName, "/logs/")
	if at := strings.LastIndex(name, "%2F"); at >= 0 {
		name = name[at+3:]
	} else {
		name = name[strings.LastIndexByte(name, '/')+1:]
	}
	return name, parent
}

// finish derives what the fields mean together.
func (t *gcp) finish(raw []byte, e *Event, p *stringPool) error {
	a := &t.audit
	field, at := "timestamp", t.timestamp
	if at == "" {
		field, at = "receiveTimestamp", t.received
	}
	if at == "" {
		return errors.New("found neither timestamp nor receiveTimestamp")
	}
	var ok bool
	if e.Time, ok = parseTime(strings.TrimSuffix(at, " UTC")); !ok { // BigQuery's form.
		return badTime(field, at)
	}
	log, parent := t.log()
	e.Service, e.Operation = a.service, a.method
	e.Account = t.labels.project
	if e.Account == "" {
		// A log of an organisation or a folder keeps the word, since their numbers
		// are no names of projects.
		e.Account = strings.TrimPrefix(parent, "projects/")
	}
	e.UID = t.uid(raw, e.Time)
	e.Region = firstOf(t.labels.location, t.labels.region, t.labels.zone, a.location)
	if n := len(e.Region); n > 3 && e.Region[n-2] == '-' && e.Region[n-1]-'a' < 26 && e.Region[n-3]-'0' < 10 {
		e.Region = e.Region[:n-2] // A zone: us-central1-a.
	}
	e.Source.Address = a.address
	e.Source.IP = parseAddress(a.address)
	e.UserAgent = a.agent
	t.finishAccess(log, e)
	t.finishActor(log, e)
	e.Outcome = OutcomeSuccess
	if a.code != "" && a.code != "0" || log == gcpPolicyDenied {
		e.Outcome = OutcomeError
		e.ErrorCode, e.ErrorMessage = rpcCode(a.code), a.message
	}
	if s := firstOf(a.resource, a.granted); s != "" {
		p.add(s)
	}
	e.Resources = p.take()
	return nil
}

// uid is the insertId with a hash of time and log, which together are what
// Google's documentation calls the same entry. Time counts by its value: the
// forms print it with more or fewer digits.
func (t *gcp) uid(raw []byte, at time.Time) string {
	if t.insertID == "" {
		return hashUID(raw)
	}
	var buf [48]byte
	hash := xxhash.Sum64String(t.logName) ^ mix(uint64(at.UnixNano()))
	b := append(buf[:0], t.insertID...)
	b = append(b, '-')
	return string(strconv.AppendUint(b, hash, 36))
}

// mix spreads the bits of x over all of them (the finaliser of splitmix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// finishAccess goes by the log, since what it holds is defined: Admin Activity
// and System Event hold changes, Data Access reads of configuration and reads and
// writes of data, told apart by the types of their permissions.
//
// Of a long-running operation the first entry counts: it alone has what was
// asked for. The others tell how it got on.
func (t *gcp) finishAccess(log string, e *Event) {
	e.Category = CategoryManagement
	verb := e.Operation[strings.LastIndexByte(e.Operation, '.')+1:]
	switch t.audit.access {
	case "DATA_WRITE", "ADMIN_WRITE":
		e.Access = AccessWrite
	case "DATA_READ", "ADMIN_READ":
		e.Access = AccessRead
	default:
		e.Access = gcpAccessOf(verb)
	}
	switch log {
	case gcpActivity, gcpSystemEvent:
		e.Access = AccessWrite
	case gcpDataAccess:
		if !strings.HasPrefix(t.audit.access, "ADMIN_") {
			e.Category = CategoryData
		}
	}
	if t.operation.id != "" && t.operation.first != truthTrue {
		e.Category = CategoryProgress
	}
}

// gcpAccessOf goes by the last word of a method, of which some begin with a
// small letter.
func gcpAccessOf(verb string) Access {
	switch {
	case verb == "":
		return AccessUnknown
	case strings.HasPrefix(verb, "Access"), strings.HasPrefix(verb, "Fetch"):
		return AccessRead
	case verb[0]-'a' > 25:
		return accessOf(verb)
	}
	for _, w := range [...]string{"get", "list", "aggregatedList", "query", "search", "test", "read", "lookup", "check", "fetch"} {
		if strings.HasPrefix(verb, w) && (len(verb) == len(w) || verb[len(w)]-'a' > 25) {
			return AccessRead
		}
	}
	return AccessWrite
}

// finishActor takes the principal's subject, else its e-mail. A subject such as
// "user:ada@example.com" is what other services write as an e-mail alone, so its
// type is cut off, or one person were two.
func (t *gcp) finishActor(log string, e *Event) {
	w, a := &t.audit.who, &e.Actor
	subject := w.subject
	if typ, rest, ok := strings.Cut(subject, ":"); ok && !strings.HasPrefix(rest, "//") {
		a.RawType, subject = typ, rest
	}
	a.Identity = firstOf(subject, w.email)
	a.Name, a.PrincipalID = w.email, w.subject
	a.InvokedBy = w.delegate
	a.IDProvider = w.authority
	// //iam.googleapis.com/projects/P/serviceAccounts/EMAIL/keys/KEY
	if at := strings.LastIndex(w.key, "/keys/"); at >= 0 {
		a.Credential = w.key[at+len("/keys/"):]
	}
	switch {
	case strings.HasPrefix(w.subject, "principal://") || strings.HasPrefix(w.subject, "principalSet://"):
		a.RawType, a.Kind = "principal", KindService
		if strings.Contains(w.subject, "/workforcePools/") {
			a.Kind = KindHuman
		}
	case a.Identity == "":
		if log == gcpSystemEvent {
			a.Identity, a.Kind = e.Service, KindCloudService
		}
	case a.Identity == "allUsers":
		a.Identity, a.Kind = "anonymous", KindAnonymous
	case isGoogleAgent(a.Identity) || log == gcpSystemEvent:
		a.RawType, a.Kind = firstOf(a.RawType, "serviceAccount"), KindCloudService
	case a.RawType == "serviceAccount" || strings.HasSuffix(a.Identity, ".gserviceaccount.com") ||
		strings.HasSuffix(a.Identity, ".svc.id.goog"):
		a.RawType, a.Kind = "serviceAccount", KindService
	case a.RawType == "user" || strings.IndexByte(a.Identity, '@') > 0:
		a.RawType, a.Kind = "user", KindHuman
	}
}

// isGoogleAgent reports whether an e-mail is of an account that Google's own
// services act with.
func isGoogleAgent(email string) bool {
	name, domain, ok := strings.Cut(email, "@")
	switch {
	case !ok:
		return false
	case domain == "cloudservices.gserviceaccount.com", domain == "system.gserviceaccount.com",
		domain == "cloudbuild.gserviceaccount.com", domain == "google.com" && name == "system",
		domain == "container-engine-robot.iam.gserviceaccount.com", domain == "compute-system.iam.gserviceaccount.com":
		return true
	}
	project, ok := strings.CutSuffix(domain, ".iam.gserviceaccount.com")
	return ok && strings.HasPrefix(name, "service-") && (strings.HasPrefix(project, "gcp-sa-") || strings.HasPrefix(project, "gcf-"))
}

// rpcCodes are the names of google.rpc.Code.
var rpcCodes = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
	"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// rpcCode is the name of a code; numbers that are none, such as those of HTTP,
// stay as they are. What a policy denied without a code is PERMISSION_DENIED.
func rpcCode(code string) string {
	if code == "" || code == "0" {
		return "PERMISSION_DENIED"
	}
	if n, err := strconv.Atoi(code); err == nil && n > 0 && n < len(rpcCodes) {
		return rpcCodes[n]
	}
	return code
}
