package event

import (
	"errors"
	"fmt"
	"strings"
)

// The audit records of Kubernetes' API server. What the fields mean is in the
// Kubernetes reference, "kube-apiserver Audit Configuration (v1)", whose form
// v1beta1 has too; v1alpha1 names some fields otherwise. EKS and AKS wrap the
// text of such records, and GKE says the same in a form of Google's, which is
// in kubernetes_gke.go.

const providerKubernetes = "kubernetes"

var kubernetesDecoder = decoder{
	provider: providerKubernetes,
	format:   formatKubernetes,
	wants:    "a Kubernetes audit record with auditID and verb",
	decode:   decodeKubernetes,
}

// kubernetes holds what a record says that has no place of its own in Event.
type kubernetes struct {
	auditID, stage, verb, uri string
	// received is when the API server got the request; the others stand for it
	// where a record of an older form has none.
	received, stamp, staged, created string

	user, impersonated kubernetesUser
	object             kubernetesObject
	status             kubernetesStatus
	decision           string // The annotation authorization.k8s.io/decision.

	gke gkeEntry
	// category is the category of Azure's diagnostic settings, and properties the
	// index of their value.
	category   string
	properties int
	// own is set once there was a key that only this format has.
	own bool
}

type kubernetesUser struct {
	name                       string
	pod, credential, accessKey string // Of extra.
	anonymous                  bool   // The group system:unauthenticated.
}

type kubernetesObject struct {
	resource, namespace, name, group, version, subresource string
}

type kubernetesStatus struct {
	status, reason, message, code string
}

// decodeKubernetes is the decode of kubernetesDecoder.
func decodeKubernetes(b []byte, e *Event, p *stringPool) (n int, v verdict, err error) {
	*e = Event{}
	p.begin()
	var (
		t    kubernetes
		key  string
		more bool
		i    = 1
	)
	for first := true; ; first = false {
		if key, i, more = nextKey(b, i, first); !more {
			break
		}
		switch key {
		case "auditID":
			t.own = true
			i = stringValue(b, i, 1, &t.auditID)
		case "stage":
			i = stringValue(b, i, 1, &t.stage)
		case "verb":
			i = stringValue(b, i, 1, &t.verb)
		case "requestURI":
			t.own = true
			i = stringValue(b, i, 1, &t.uri)
		case "requestReceivedTimestamp":
			t.own = true
			i = stringValue(b, i, 1, &t.received)
		case "stageTimestamp":
			t.own = true
			i = stringValue(b, i, 1, &t.staged)
		case "timestamp":
			i = stringValue(b, i, 1, &t.stamp)
		case "metadata":
			i = oneString(b, i, 1, "creationTimestamp", &t.created)
		case "user":
			i = t.user.read(b, i)
		case "impersonatedUser":
			i = t.impersonated.read(b, i)
		case "sourceIPs":
			t.own = true
			i = lastString(b, i, 1, &e.Source.Address)
		case "userAgent":
			i = stringValue(b, i, 1, &e.UserAgent)
		case "objectRef":
			t.own = true
			i = t.object.read(b, i)
		case "responseStatus":
			i = t.status.read(b, i)
		case "annotations":
			i = oneString(b, i, 1, "authorization.k8s.io/decision", &t.decision)
		case "category":
			i = stringValue(b, i, 1, &t.category)
		case "properties":
			t.properties = i
			i = skipValue(b, i, 1)
		case "protoPayload":
			i = t.gke.payload(b, i)
		case "insertId":
			i = stringValue(b, i, 1, &t.gke.insertID)
		case "resource":
			i = t.gke.resource(b, i)
		case "operation":
			i = t.gke.operation(b, i)
		default:
			switch otherKey(key, b, i, formatKubernetes) {
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
	switch {
	case i < 0:
		return i, verdictBroken, nil
	case t.gke.service == gkeService && !t.own:
		if t.gke.hasOperation && t.gke.first != truthTrue {
			return i, verdictOmitted, errGKEAgain
		}
		err = t.finishGKE(b[:i], e, p)
	case t.own && t.verb != "" && (t.auditID != "" || t.uri != "") && t.gke.service == "":
		if omit := t.omitted(); omit != nil {
			return i, verdictOmitted, omit
		}
		err = t.finish(b[:i], e, p)
	case !t.own && t.properties > 0 && strings.HasPrefix(t.category, "kube-audit"):
		// AKS: the record is the text properties.log.
		return t.properties, verdictInside, nil
	default:
		return i, verdictForeign, nil
	}
	if err != nil {
		return i, verdictRefused, err
	}
	return i, verdictDecoded, nil
}

var (
	errReceived = errors.New("the request was received only: the record of its response tells of it")
	errStarted  = errors.New("the response has begun only: the record of its end tells of the request")
)

// omitted says why a record is left out, where it is. A request is told of by
// the record of its complete response; one that lasts, such as a watch or an
// exec, by the one of the beginning, since the end may come hours later.
func (t *kubernetes) omitted() error {
	switch t.stage {
	case "RequestReceived":
		return errReceived
	case "ResponseStarted":
		if !t.lasts() {
			return errStarted
		}
	}
	return nil
}

// lasts reports whether a request is one that the API server knows to be
// long-running.
func (t *kubernetes) lasts() bool {
	switch t.verb {
	case "watch", "watchlist", "proxy":
		return true
	}
	switch t.object.subresource {
	case "exec", "attach", "portforward", "proxy", "log":
		return true
	}
	return false
}

// finish derives what the fields mean together.
func (t *kubernetes) finish(raw []byte, e *Event, p *stringPool) error {
	switch t.stage {
	case "ResponseComplete", "ResponseStarted", "Panic", "":
	default:
		return fmt.Errorf("stage %q is none of RequestReceived, ResponseStarted, ResponseComplete and Panic", clip(t.stage, 40))
	}
	if err := t.finishTime(e); err != nil {
		return err
	}
	t.finishUID(raw, e)
	t.finishOperation(e, p)
	t.finishOutcome(e)
	t.finishActor(&e.Actor)
	e.Category = CategoryManagement
	e.Source.IP = parseAddress(e.Source.Address)
	e.Resources = p.take()
	return nil
}

// finishTime takes the time at which the request came, which all its records
// share.
func (t *kubernetes) finishTime(e *Event) error {
	for _, f := range [...]struct{ name, text string }{
		{"requestReceivedTimestamp", t.received},
		{"timestamp", t.stamp},
		{"stageTimestamp", t.staged},
		{"metadata.creationTimestamp", t.created},
	} {
		if f.text == "" {
			continue
		}
		var ok bool
		if e.Time, ok = parseTime(f.text); !ok {
			return badTime(f.name, f.text)
		}
		return nil
	}
	return errors.New("found none of requestReceivedTimestamp, timestamp and stageTimestamp")
}

// finishUID makes the id of auditID and stage. A request that lasts has two
// records, of which a policy may leave out the first: both get the stage of the
// first, so the second is a duplicate where the first is there.
func (t *kubernetes) finishUID(raw []byte, e *Event) {
	stage := t.stage
	switch {
	case stage == "":
		stage = "ResponseComplete"
	case stage == "ResponseComplete" && t.lasts():
		stage = "ResponseStarted"
	}
	if t.auditID == "" {
		e.UID = hashUID(raw)
		return
	}
	e.UID = t.auditID + "/" + stage
}

// finishOperation names service, operation, access and resources. The service
// is the API group, of which the oldest has no name and is "core".
func (t *kubernetes) finishOperation(e *Event, p *stringPool) {
	o := &t.object
	if o.resource == "" {
		e.Service = "nonresource"
		path := nonResourcePath(t.uri)
		e.Operation = p.join(t.verb, " ", path)
		e.Access = kubernetesAccess(t.verb, "", "")
		if path, _, _ := strings.Cut(t.uri, "?"); path != "" {
			p.add(path)
		}
		return
	}
	switch {
	case o.group != "":
		e.Service = o.group
	case strings.Contains(o.version, "/"): // v1alpha1 has group and version in one.
		e.Service, _, _ = strings.Cut(o.version, "/")
	default:
		e.Service = "core"
	}
	if o.subresource == "" {
		e.Operation = p.join(t.verb, " ", o.resource)
	} else {
		e.Operation = p.join(t.verb, " ", o.resource, "/", o.subresource)
	}
	e.Access = kubernetesAccess(t.verb, o.resource, o.subresource)
	switch {
	case o.namespace == "" && o.name == "":
		p.add(o.resource)
	case o.namespace == "":
		p.add(p.join(o.resource, "/", o.name))
	default:
		const prefix = "namespaces/"
		path := ""
		switch {
		case o.resource == "namespaces":
			path = p.join(prefix, o.namespace)
		case o.name == "":
			path = p.join(prefix, o.namespace, "/", o.resource)
		default:
			path = p.join(prefix, o.namespace, "/", o.resource, "/", o.name)
		}
		p.add(path)
		if o.resource != "namespaces" {
			p.add(path[:len(prefix)+len(o.namespace)])
		}
	}
}

// nonResourcePath is the part of a path that names what was asked for. Anybody
// may ask for any path, so only those that an API server has are names of
// operations.
func nonResourcePath(uri string) string {
	path, _, _ := strings.Cut(uri, "?")
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return "other"
	}
	head, _, _ := strings.Cut(rest, "/")
	switch head {
	case "api", "apis", "healthz", "livez", "readyz", "metrics", "version", "openapi", "logs", "debug",
		"swagger.json", "swaggerapi", ".well-known", "openid":
		return path[:1+len(head)]
	case "":
		return "/"
	}
	return "other"
}

// kubernetesAccess says whether a request reads or writes. To run something in
// a container is to write, with whatever method the connection is opened; to
// ask who may do what is to read, though it is a create.
func kubernetesAccess(verb, resource, subresource string) Access {
	switch subresource {
	case "exec", "attach", "portforward", "proxy":
		return AccessWrite
	}
	switch verb {
	case "get", "list", "watch", "watchlist", "head", "options":
		return AccessRead
	case "create":
		switch resource {
		case "subjectaccessreviews", "selfsubjectaccessreviews", "localsubjectaccessreviews",
			"selfsubjectrulesreviews", "selfsubjectreviews", "tokenreviews":
			return AccessRead
		}
	}
	return AccessWrite
}

// finishOutcome goes by the status. Where the request was forbidden, or the
// server panicked, there may be none.
func (t *kubernetes) finishOutcome(e *Event) {
	s := &t.status
	failed := len(s.code) == 3 && (s.code[0] == '4' || s.code[0] == '5') || s.status == "Failure" || t.stage == "Panic"
	switch {
	case failed, s.code == "" && t.decision == "forbid":
		e.Outcome = OutcomeError
		e.ErrorMessage = s.message
		switch {
		case s.reason != "":
			e.ErrorCode = s.reason
		case s.code != "":
			e.ErrorCode = reasonOf(s.code)
		case t.stage == "Panic":
			e.ErrorCode = "InternalError"
		case t.decision == "forbid":
			e.ErrorCode = "Forbidden"
		}
	case s.code != "" || s.status == "Success" || t.stage == "ResponseStarted":
		e.Outcome = OutcomeSuccess
	}
}

// reasonOf is Kubernetes' reason for an HTTP status, or the status itself. The
// reason is left out of statuses that the server does not write itself.
func reasonOf(code string) string {
	switch code {
	case "400":
		return "BadRequest"
	case "401":
		return "Unauthorized"
	case "403":
		return "Forbidden"
	case "404":
		return "NotFound"
	case "405":
		return "MethodNotAllowed"
	case "409":
		return "Conflict"
	case "410":
		return "Gone"
	case "422":
		return "Invalid"
	case "429":
		return "TooManyRequests"
	case "500":
		return "InternalError"
	case "503":
		return "ServiceUnavailable"
	case "504":
		return "Timeout"
	}
	return code
}

// finishActor decides identity and kind. Whom a user impersonates stands apart,
// as the session: who impersonates answers for it.
func (t *kubernetes) finishActor(a *Actor) {
	u := &t.user
	a.Name = u.name
	a.Session = t.impersonated.name
	a.OnBehalfOf = t.impersonated.name
	if a.Session == "" {
		a.Session = u.pod
	}
	// Tokens of service accounts change by the hour: their ids name nothing that
	// lasts. Certificates and the keys of EKS' users do.
	switch {
	case strings.HasPrefix(u.credential, "X509SHA256="):
		a.Credential = u.credential
	case u.accessKey != "":
		a.Credential = u.accessKey
	}
	kubernetesIdentity(a, u.name, u.anonymous)
}

// kubernetesIdentity goes by the user's name: Kubernetes has no list of users.
func kubernetesIdentity(a *Actor, name string, anonymous bool) {
	a.Identity = name
	a.RawType = "User"
	switch {
	case name == "system:anonymous" || name == "" && anonymous:
		a.Identity, a.Kind, a.RawType = "anonymous", KindAnonymous, "Anonymous"
	case name == "":
	case strings.HasPrefix(name, "system:serviceaccount:"):
		a.Kind, a.RawType = KindService, "ServiceAccount"
	case strings.HasPrefix(name, "system:node:"):
		a.Kind, a.RawType = KindCloudService, "Node"
	case name == "system:admin": // What local clusters and OpenShift call their first user.
		a.Kind = KindHuman
	case strings.HasPrefix(name, "system:"), strings.HasPrefix(name, "eks:"), strings.HasPrefix(name, "aks:"),
		name == "aksService", name == "apiserver":
		a.Kind, a.RawType = KindCloudService, "System"
	case strings.HasSuffix(name, ".gserviceaccount.com"), strings.Contains(name, ":assumed-role/") && !strings.Contains(name, "@"):
		a.Kind = KindService
	default:
		a.Kind = KindHuman
	}
}
