package event

import "strings"

// The objects inside an entry of Google's audit logs. Each function reads the
// value at b[i], which may be of any kind, and returns the index behind it or a
// fault. Each first forgets what an earlier key of the same name said.

// resource reads the labels of the monitored resource.
func (t *gcp) resource(b []byte, i int) int {
	t.labels = gcpLabels{}
	return members(b, i, 1, func(key string, i int) int {
		if key != "labels" {
			return skipValue(b, i, 2)
		}
		l := &t.labels
		*l = gcpLabels{}
		return members(b, i, 2, func(key string, i int) int {
			switch key {
			case "project_id":
				return stringValue(b, i, 3, &l.project)
			case "location":
				return stringValue(b, i, 3, &l.location)
			case "region":
				return stringValue(b, i, 3, &l.region)
			case "zone":
				return stringValue(b, i, 3, &l.zone)
			}
			return skipValue(b, i, 3)
		})
	})
}

func (o *gcpOperation) read(b []byte, i int) int {
	*o = gcpOperation{}
	return members(b, i, 1, func(key string, i int) int {
		switch key {
		case "id":
			return stringValue(b, i, 2, &o.id)
		case "first":
			return truthValue(b, i, 2, &o.first)
		case "last":
			return truthValue(b, i, 2, &o.last)
		}
		return skipValue(b, i, 2)
	})
}

func (a *gcpAudit) read(b []byte, i int) int {
	*a = gcpAudit{}
	return members(b, i, 1, func(key string, i int) int {
		switch key {
		case "serviceName":
			return stringValue(b, i, 2, &a.service)
		case "methodName":
			return stringValue(b, i, 2, &a.method)
		case "resourceName":
			return stringValue(b, i, 2, &a.resource)
		case "resourceLocation":
			return a.readLocation(b, i)
		case "authenticationInfo":
			return a.who.read(b, i)
		case "authorizationInfo":
			return a.readAuthorization(b, i)
		case "requestMetadata":
			a.address, a.agent = "", ""
			return members(b, i, 2, func(key string, i int) int {
				switch key {
				case "callerIp":
					return stringValue(b, i, 3, &a.address)
				case "callerSuppliedUserAgent":
					return stringValue(b, i, 3, &a.agent)
				}
				return skipValue(b, i, 3)
			})
		case "status":
			a.code, a.message = "", ""
			return members(b, i, 2, func(key string, i int) int {
				switch key {
				case "code":
					return wordValue(b, i, 3, &a.code)
				case "message":
					return stringValue(b, i, 3, &a.message)
				}
				return skipValue(b, i, 3)
			})
		}
		return skipValue(b, i, 2)
	})
}

// readLocation reads the first of the places where the resource is.
func (a *gcpAudit) readLocation(b []byte, i int) int {
	a.location = ""
	return members(b, i, 2, func(key string, i int) int {
		if key != "currentLocations" {
			return skipValue(b, i, 3)
		}
		a.location = ""
		return elements(b, i, 3, func(i int) int {
			if a.location != "" {
				return skipValue(b, i, 4)
			}
			return stringValue(b, i, 4, &a.location)
		})
	})
}

func (w *gcpWho) read(b []byte, i int) int {
	*w = gcpWho{}
	return members(b, i, 2, func(key string, i int) int {
		switch key {
		case "principalEmail":
			return stringValue(b, i, 3, &w.email)
		case "principalSubject":
			return stringValue(b, i, 3, &w.subject)
		case "serviceAccountKeyName":
			return stringValue(b, i, 3, &w.key)
		case "authoritySelector":
			return stringValue(b, i, 3, &w.authority)
		case "serviceAccountDelegationInfo":
			return w.readDelegation(b, i)
		}
		return skipValue(b, i, 3)
	})
}

// readDelegation finds who stands at the start of a chain of accounts that act
// for each other.
func (w *gcpWho) readDelegation(b []byte, i int) int {
	w.delegate = ""
	return elements(b, i, 3, func(i int) int {
		var email, subject string
		i = members(b, i, 4, func(key string, i int) int {
			switch key {
			case "firstPartyPrincipal":
				return oneString(b, i, 5, "principalEmail", &email)
			case "principalSubject":
				return stringValue(b, i, 5, &subject)
			}
			return skipValue(b, i, 5)
		})
		if w.delegate == "" {
			w.delegate = firstOf(email, subject)
		}
		return i
	})
}

// readAuthorization reads which types the permissions have that were checked: a
// call that needed one for writing writes, and one that needed one on data is of
// data.
func (a *gcpAudit) readAuthorization(b []byte, i int) int {
	a.access, a.granted = "", ""
	return elements(b, i, 2, func(i int) int {
		var typ, resource string
		i = members(b, i, 3, func(key string, i int) int {
			switch key {
			case "permissionType":
				return stringValue(b, i, 4, &typ)
			case "resource":
				return stringValue(b, i, 4, &resource)
			}
			return skipValue(b, i, 4)
		})
		if a.granted == "" {
			a.granted = resource
		}
		if a.access == "" || strings.HasPrefix(typ, "DATA_") && strings.HasPrefix(a.access, "ADMIN_") ||
			typ == "DATA_WRITE" || typ == "ADMIN_WRITE" && a.access == "ADMIN_READ" {
			a.access = typ
		}
		return i
	})
}
