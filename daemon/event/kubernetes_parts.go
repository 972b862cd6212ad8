package event

// The objects inside a Kubernetes audit record. Each function reads the value
// at b[i], which may be of any kind, and returns the index behind it or a fault.
// Each first forgets what an earlier key of the same name said.

func (u *kubernetesUser) read(b []byte, i int) int {
	*u = kubernetesUser{}
	return members(b, i, 1, func(key string, i int) int {
		switch key {
		case "username":
			i = stringValue(b, i, 2, &u.name)
		case "groups":
			i = hasString(b, i, 2, "system:unauthenticated", &u.anonymous)
		case "extra":
			i = u.extra(b, i)
		default:
			i = skipValue(b, i, 2)
		}
		return i
	})
}

// extra reads what the authenticator said besides, lists of strings by name.
func (u *kubernetesUser) extra(b []byte, i int) int {
	u.pod, u.credential, u.accessKey = "", "", ""
	return members(b, i, 2, func(key string, i int) int {
		switch key {
		case "authentication.kubernetes.io/pod-name":
			i = lastString(b, i, 3, &u.pod)
		case "authentication.kubernetes.io/credential-id":
			i = lastString(b, i, 3, &u.credential)
		case "accessKeyId":
			i = lastString(b, i, 3, &u.accessKey)
		default:
			i = skipValue(b, i, 3)
		}
		return i
	})
}

func (o *kubernetesObject) read(b []byte, i int) int {
	*o = kubernetesObject{}
	return members(b, i, 1, func(key string, i int) int {
		switch key {
		case "resource":
			i = stringValue(b, i, 2, &o.resource)
		case "namespace":
			i = stringValue(b, i, 2, &o.namespace)
		case "name":
			i = stringValue(b, i, 2, &o.name)
		case "apiGroup":
			i = stringValue(b, i, 2, &o.group)
		case "apiVersion":
			i = stringValue(b, i, 2, &o.version)
		case "subresource":
			i = stringValue(b, i, 2, &o.subresource)
		default:
			i = skipValue(b, i, 2)
		}
		return i
	})
}

func (s *kubernetesStatus) read(b []byte, i int) int {
	*s = kubernetesStatus{}
	return members(b, i, 1, func(key string, i int) int {
		switch key {
		case "status":
			i = stringValue(b, i, 2, &s.status)
		case "reason":
			i = stringValue(b, i, 2, &s.reason)
		case "message":
			i = stringValue(b, i, 2, &s.message)
		case "code":
			i = wordValue(b, i, 2, &s.code)
		default:
			i = skipValue(b, i, 2)
		}
		return i
	})
}

// lastString reads the last string of a list. In a list of addresses that a
// request came by, all but the last are what the client says.
func lastString(b []byte, i, depth int, dst *string) int {
	*dst = ""
	return elements(b, i, depth, func(i int) int { return stringValue(b, i, depth+1, dst) })
}

// hasString reports whether a list holds a string.
func hasString(b []byte, i, depth int, want string, dst *bool) int {
	*dst = false
	return elements(b, i, depth, func(i int) int {
		var s string
		i = stringValue(b, i, depth+1, &s)
		*dst = *dst || s == want
		return i
	})
}
