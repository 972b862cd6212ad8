package event

import "strings"

// A record of Kubernetes does not say which cluster it is of; what EKS and AKS
// put around it does. The cluster is the account of its events.

// cluster is a name that holds for what is inside the frame of that depth.
type cluster struct {
	depth int
	name  string
}

// clusterAround looks for a cluster's name in the keys of an envelope that come
// before what is inside, of which b ends.
func (r *Reader) clusterAround(b []byte) {
	var owner, group, resource string
	for i, first := 1, true; ; first = false {
		key, next, more := nextKey(b, i, first)
		if !more || next >= len(b) {
			break
		}
		switch key {
		case "owner":
			i = stringValue(b, next, 1, &owner)
		case "logGroup":
			i = stringValue(b, next, 1, &group)
		case "resourceId":
			i = stringValue(b, next, 1, &resource)
		default:
			i = skipValue(b, next, 1)
		}
		if i < 0 {
			break
		}
	}
	depth := len(r.frames)
	if name := clusterName(owner, group, resource); name != "" {
		r.cluster = cluster{depth: depth, name: name}
	} else if depth <= r.cluster.depth {
		r.cluster = cluster{}
	}
}

// clusterName makes a name of the owner and the log group of CloudWatch Logs,
// or of Azure's id of a resource, whose case varies.
func clusterName(owner, group, resource string) string {
	if rest, ok := strings.CutPrefix(group, "/aws/eks/"); ok {
		if name, ok := strings.CutSuffix(rest, "/cluster"); ok {
			return strings.TrimPrefix(owner+"/"+name, "/")
		}
	}
	if lower := strings.ToLower(resource); strings.Contains(lower, "/microsoft.containerservice/") {
		return lower
	}
	return ""
}
