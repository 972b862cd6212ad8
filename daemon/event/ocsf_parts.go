package event

// The objects inside an OCSF event. Each function reads the value at b[i], which
// may be of any kind, and returns the index behind it or a fault. Each first
// forgets what an earlier key of the same name said.

// field reads the value of a key at the top of an event. known is false for a
// key that is not read.
func (t *ocsf) field(key string, b []byte, i int) (next int, known bool) {
	switch key {
	case "activity_id":
		return wordValue(b, i, 1, &t.activity), true
	case "activity_name":
		return stringValue(b, i, 1, &t.activityName), true
	case "time":
		return wordValue(b, i, 1, &t.time), true
	case "time_dt":
		return stringValue(b, i, 1, &t.timeText), true
	case "status":
		return stringValue(b, i, 1, &t.status), true
	case "status_id":
		return wordValue(b, i, 1, &t.statusID), true
	case "status_code":
		return wordValue(b, i, 1, &t.code), true
	case "status_detail":
		return stringValue(b, i, 1, &t.detail), true
	case "message":
		if b[i] == '{' || b[i] == '"' && i+1 < len(b) && b[i+1] == '{' {
			return i, false // It may be an envelope's.
		}
		return stringValue(b, i, 1, &t.message), true
	case "is_mfa":
		return truthValue(b, i, 1, &t.mfa), true
	case "api":
		return t.api.read(b, i), true
	case "metadata":
		return t.metadata.read(b, i), true
	case "actor":
		return t.actor.read(b, i), true
	case "user":
		return t.user.read(b, i, 1), true
	case "src_endpoint":
		return t.source.read(b, i), true
	case "service":
		return oneString(b, i, 1, "name", &t.service), true
	case "http_request":
		return oneString(b, i, 1, "user_agent", &t.agent), true
	case "cloud":
		return t.cloud(b, i), true
	}
	return i, false
}

// cloud reads where the call was made: account_uid is what 1.0.0-rc.2 has.
func (t *ocsf) cloud(b []byte, i int) int {
	t.provider, t.region, t.account, t.oldAccount = "", "", "", ""
	return members(b, i, 1, func(key string, i int) int {
		switch key {
		case "provider":
			return stringValue(b, i, 2, &t.provider)
		case "region":
			return stringValue(b, i, 2, &t.region)
		case "account":
			return oneString(b, i, 2, "uid", &t.account)
		case "account_uid", "project_uid":
			return stringValue(b, i, 2, &t.oldAccount)
		}
		return skipValue(b, i, 2)
	})
}

func (a *ocsfAPI) read(b []byte, i int) int {
	*a = ocsfAPI{}
	return members(b, i, 1, func(key string, i int) int {
		switch key {
		case "operation":
			return stringValue(b, i, 2, &a.operation)
		case "service":
			return oneString(b, i, 2, "name", &a.service)
		case "response":
			a.code, a.fault, a.message = "", "", ""
			return members(b, i, 2, func(key string, i int) int {
				switch key {
				case "code":
					return wordValue(b, i, 3, &a.code)
				case "error":
					return stringValue(b, i, 3, &a.fault)
				case "error_message":
					return stringValue(b, i, 3, &a.message)
				}
				return skipValue(b, i, 3)
			})
		}
		return skipValue(b, i, 2)
	})
}

func (m *ocsfMetadata) read(b []byte, i int) int {
	*m = ocsfMetadata{}
	return members(b, i, 1, func(key string, i int) int {
		switch key {
		case "uid":
			return stringValue(b, i, 2, &m.uid)
		case "product":
			m.vendor, m.product, m.feature = "", "", ""
			return members(b, i, 2, func(key string, i int) int {
				switch key {
				case "vendor_name":
					return stringValue(b, i, 3, &m.vendor)
				case "name":
					return stringValue(b, i, 3, &m.product)
				case "feature":
					return oneString(b, i, 3, "name", &m.feature)
				}
				return skipValue(b, i, 3)
			})
		}
		return skipValue(b, i, 2)
	})
}

func (w *ocsfActor) read(b []byte, i int) int {
	*w = ocsfActor{}
	return members(b, i, 1, func(key string, i int) int {
		switch key {
		case "user":
			return w.user.read(b, i, 2)
		case "invoked_by":
			return stringValue(b, i, 2, &w.invokedBy)
		case "app_name":
			return stringValue(b, i, 2, &w.app)
		case "idp":
			return oneString(b, i, 2, "name", &w.idp)
		case "session":
			w.session, w.issuer, w.credential, w.mfa, w.oldMFA = "", "", "", truthUnknown, truthUnknown
			return members(b, i, 2, func(key string, i int) int {
				switch key {
				case "uid":
					return stringValue(b, i, 3, &w.session)
				case "issuer":
					return stringValue(b, i, 3, &w.issuer)
				case "credential_uid":
					return stringValue(b, i, 3, &w.credential)
				case "is_mfa":
					return truthValue(b, i, 3, &w.mfa)
				case "mfa":
					return truthValue(b, i, 3, &w.oldMFA)
				}
				return skipValue(b, i, 3)
			})
		}
		return skipValue(b, i, 2)
	})
}

// read reads a user. uuid and account_uid are what 1.0.0-rc.2 has.
func (u *ocsfUser) read(b []byte, i, depth int) int {
	*u = ocsfUser{}
	return members(b, i, depth, func(key string, i int) int {
		switch key {
		case "uid":
			return stringValue(b, i, depth+1, &u.uid)
		case "uid_alt", "uuid":
			return stringValue(b, i, depth+1, &u.other)
		case "name":
			return stringValue(b, i, depth+1, &u.name)
		case "email_addr":
			return stringValue(b, i, depth+1, &u.email)
		case "type":
			return stringValue(b, i, depth+1, &u.typ)
		case "type_id":
			return wordValue(b, i, depth+1, &u.typeID)
		case "credential_uid":
			return stringValue(b, i, depth+1, &u.credential)
		case "account":
			return oneString(b, i, depth+1, "uid", &u.account)
		case "account_uid":
			return stringValue(b, i, depth+1, &u.oldAccount)
		}
		return skipValue(b, i, depth+1)
	})
}

func (p *ocsfEndpoint) read(b []byte, i int) int {
	*p = ocsfEndpoint{}
	return members(b, i, 1, func(key string, i int) int {
		switch key {
		case "ip":
			return stringValue(b, i, 2, &p.ip)
		case "domain":
			return stringValue(b, i, 2, &p.domain)
		case "name":
			return stringValue(b, i, 2, &p.name)
		case "location":
			return oneString(b, i, 2, "country", &p.country)
		}
		return skipValue(b, i, 2)
	})
}

// ocsfResources reads the ids of resources into the pool's list.
func ocsfResources(b []byte, i int, p *stringPool) int {
	p.begin()
	return elements(b, i, 1, func(i int) int {
		var uid, name string
		i = members(b, i, 2, func(key string, i int) int {
			switch key {
			case "uid":
				return stringValue(b, i, 3, &uid)
			case "name":
				return stringValue(b, i, 3, &name)
			}
			return skipValue(b, i, 3)
		})
		if s := firstOf(uid, name); s != "" && i >= 0 {
			p.add(s)
		}
		return i
	})
}
