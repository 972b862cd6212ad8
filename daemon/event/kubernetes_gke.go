package event

import (
	"errors"
	"strings"
)

// GKE's audit records are entries of Google Cloud Logging whose protoPayload is
// an AuditLog of the service k8s.io. They are events of the cluster, and read
// as the API server's own.

const gkeService = "k8s.io"

// gkeEntry is what a log entry of GKE says.
type gkeEntry struct {
	insertID                   string
	service, method, object    string
	principal                  string
	code, message              string
	address, agent             string
	project, location, cluster string
	hasOperation               bool
	first                      truth
}

var errGKEAgain = errors.New("the operation goes on: its first entry tells of the request")

// finishGKE derives what the fields mean together.
func (t *kubernetes) finishGKE(raw []byte, e *Event, p *stringPool) error {
	g := &t.gke
	if err := t.finishTime(e); err != nil {
		return err
	}
	if e.UID = g.insertID; e.UID == "" {
		e.UID = hashUID(raw)
	}
	verb, resource, subresource := splitGKEMethod(g.method)
	if verb == "" {
		return errors.New("found no protoPayload.methodName such as io.k8s.core.v1.pods.create")
	}
	e.Region = g.location
	if g.cluster != "" {
		e.Account = p.join(g.project, "/", g.location, "/", g.cluster)
	}
	if subresource == "" {
		e.Operation = p.join(verb, " ", resource)
	} else {
		e.Operation = p.join(verb, " ", resource, "/", subresource)
	}
	e.Access = kubernetesAccess(verb, resource, subresource)
	// The object is GROUP/VERSION/namespaces/NAMESPACE/RESOURCE/NAME.
	group, rest, _ := strings.Cut(g.object, "/")
	_, path, _ := strings.Cut(rest, "/")
	if e.Service = group; group == "" {
		e.Service = "core"
	}
	if path != "" {
		p.add(path)
		if ns, ok := strings.CutPrefix(path, "namespaces/"); ok {
			if name, _, more := strings.Cut(ns, "/"); more {
				p.add(path[:len("namespaces/")+len(name)])
			}
		}
	}
	e.Resources = p.take()
	e.Category = CategoryManagement
	if e.Outcome = OutcomeSuccess; g.code != "" && g.code != "0" {
		e.Outcome = OutcomeError
		e.ErrorCode, e.ErrorMessage = rpcReason(g.code), g.message
	}
	e.Actor.Name = g.principal
	kubernetesIdentity(&e.Actor, g.principal, false)
	e.Source.Address, e.UserAgent = g.address, g.agent
	e.Source.IP = parseAddress(e.Source.Address)
	return nil
}

// splitGKEMethod takes io.k8s.GROUP.VERSION.RESOURCE.SUBRESOURCE.VERB apart, in
// which the group may have full stops.
func splitGKEMethod(method string) (verb, resource, subresource string) {
	i := strings.LastIndexByte(method, '.')
	if i < 0 {
		return "", "", ""
	}
	verb, method = method[i+1:], method[:i]
	for rest := method; ; {
		part, after, more := strings.Cut(rest, ".")
		if !more {
			return "", "", ""
		}
		rest = after
		if len(part) > 1 && part[0] == 'v' && part[1]-'0' < 10 {
			resource, subresource, _ = strings.Cut(rest, ".")
			return verb, resource, subresource
		}
	}
}

// rpcReason is Kubernetes' reason for a status code of gRPC, or the code.
func rpcReason(code string) string {
	switch code {
	case "3":
		return "BadRequest"
	case "4":
		return "Timeout"
	case "5":
		return "NotFound"
	case "6":
		return "AlreadyExists"
	case "7":
		return "Forbidden"
	case "8":
		return "TooManyRequests"
	case "9", "10":
		return "Conflict"
	case "13":
		return "InternalError"
	case "14":
		return "ServiceUnavailable"
	case "16":
		return "Unauthorized"
	}
	return code
}

// payload reads the AuditLog.
func (g *gkeEntry) payload(b []byte, i int) int {
	g.service, g.method, g.object, g.principal, g.code, g.message = "", "", "", "", "", ""
	g.address, g.agent = "", ""
	return members(b, i, 1, func(key string, i int) int {
		switch key {
		case "serviceName":
			i = stringValue(b, i, 2, &g.service)
		case "methodName":
			i = stringValue(b, i, 2, &g.method)
		case "resourceName":
			i = stringValue(b, i, 2, &g.object)
		case "authenticationInfo":
			i = oneString(b, i, 2, "principalEmail", &g.principal)
		case "requestMetadata":
			i = g.request(b, i)
		case "status":
			i = g.status(b, i)
		default:
			i = skipValue(b, i, 2)
		}
		return i
	})
}

func (g *gkeEntry) request(b []byte, i int) int {
	g.address, g.agent = "", ""
	return members(b, i, 2, func(key string, i int) int {
		switch key {
		case "callerIp":
			i = stringValue(b, i, 3, &g.address)
		case "callerSuppliedUserAgent":
			i = stringValue(b, i, 3, &g.agent)
		default:
			i = skipValue(b, i, 3)
		}
		return i
	})
}

func (g *gkeEntry) status(b []byte, i int) int {
	g.code, g.message = "", ""
	return members(b, i, 2, func(key string, i int) int {
		switch key {
		case "code":
			i = wordValue(b, i, 3, &g.code)
		case "message":
			i = stringValue(b, i, 3, &g.message)
		default:
			i = skipValue(b, i, 3)
		}
		return i
	})
}

// resource reads which cluster an entry is of.
func (g *gkeEntry) resource(b []byte, i int) int {
	g.project, g.location, g.cluster = "", "", ""
	return members(b, i, 1, func(key string, i int) int {
		if key == "labels" {
			i = g.labels(b, i)
		} else {
			i = skipValue(b, i, 2)
		}
		return i
	})
}

func (g *gkeEntry) labels(b []byte, i int) int {
	g.project, g.location, g.cluster = "", "", ""
	return members(b, i, 2, func(key string, i int) int {
		switch key {
		case "project_id":
			i = stringValue(b, i, 3, &g.project)
		case "location":
			i = stringValue(b, i, 3, &g.location)
		case "cluster_name":
			i = stringValue(b, i, 3, &g.cluster)
		default:
			i = skipValue(b, i, 3)
		}
		return i
	})
}

// operation reads whether an entry is the first of its operation.
func (g *gkeEntry) operation(b []byte, i int) int {
	g.hasOperation = b[i] == '{'
	return oneTruth(b, i, 1, "first", &g.first)
}
