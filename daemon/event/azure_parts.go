package event

import "strings"

// The values inside Azure's records. Each function reads the value at b[i],
// which may be of any kind, and returns the index behind it or a fault. Each
// first forgets what an earlier key of the same name said.

// azureName reads a string, a number, or the value of {"value":…,
// "localizedValue":…}.
func azureName(b []byte, i, depth int, dst *string) int {
	if b[i] == '{' {
		return oneString(b, i, depth, "value", dst)
	}
	return wordValue(b, i, depth, dst)
}

// azureWord is azureName for what is of no use as a number.
func azureWord(b []byte, i, depth int, dst *string) int {
	if b[i] == '{' {
		return oneString(b, i, depth, "value", dst)
	}
	return stringValue(b, i, depth, dst)
}

// readStatus reads how a call came out: a word, {"value":…}, or what sign-ins
// have, {"errorCode":…,"failureReason":…}, which is the text of an object in the
// tables of Log Analytics.
func (f *azureFields) readStatus(b []byte, i, depth int) int {
	f.status, f.reason, f.signIn = "", "", false
	if b[i] != '{' {
		if text, _ := objectText(b, i, depth); text == nil {
			return wordValue(b, i, depth, &f.status)
		}
	}
	var code string
	next := within(b, i, depth, func(b []byte, key string, i int) int {
		switch key {
		case "value":
			return stringValue(b, i, depth+1, &f.status)
		case "errorCode":
			f.signIn = true
			return wordValue(b, i, depth+1, &code)
		case "failureReason":
			return stringValue(b, i, depth+1, &f.reason)
		}
		return skipValue(b, i, depth+1)
	})
	if f.signIn {
		f.status = code
	}
	return next
}

// readMessage reads the error of a call that failed: {"error":{"code":…,
// "message":…}} or {"code":…,"message":…}, which mostly is the text of a string.
func (f *azureFields) readMessage(b []byte, i, depth int) int {
	f.errorCode, f.errorMessage = "", ""
	text, next := objectText(b, i, depth)
	if text == nil {
		return next
	}
	inner := text
	members(text, 0, depth, func(key string, i int) int {
		n := skipValue(text, i, depth+1)
		if key == "error" && n > 0 {
			if inner = text; text[i] == '{' {
				inner = text[i:n]
			}
		}
		return n
	})
	members(inner, 0, depth, func(key string, i int) int {
		switch key {
		case "code", "Code":
			return wordValue(inner, i, depth+1, &f.errorCode)
		case "message", "Message":
			return stringValue(inner, i, depth+1, &f.errorMessage)
		}
		return skipValue(inner, i, depth+1)
	})
	return next
}

// azureRequest reads httpRequest, an object or the text of one.
func azureRequest(f *azureFields, b []byte, i, depth int) int {
	f.method, f.requestAddress = "", ""
	return within(b, i, depth, func(b []byte, key string, i int) int {
		switch key {
		case "clientIpAddress", "client_ip_address":
			return stringValue(b, i, depth+1, &f.requestAddress)
		case "method":
			return stringValue(b, i, depth+1, &f.method)
		}
		return skipValue(b, i, depth+1)
	})
}

// azureLocation reads a region, or the place that a sign-in came from.
func azureLocation(f *azureFields, b []byte, i, depth int) int {
	f.country = ""
	if b[i] == '{' {
		f.region = ""
		return oneString(b, i, depth, "countryOrRegion", &f.country)
	}
	return stringValue(b, i, depth, &f.region)
}

// properties reads the properties of a record that are not those of a record
// inside properties.
func (t *azure) properties(f *azureFields, b []byte, i, depth int) (next int, known bool) {
	if f != &t.top {
		return i, false
	}
	t.inner = azureFields{}
	return within(b, i, depth, func(b []byte, key string, i int) int {
		switch key {
		case "claims", "Claims", "Claims_d", "authorization", "Authorization", "Authorization_d",
			"identity", "Identity", "properties", "Properties":
			// What a resource has under these names is its own.
			return skipValue(b, i, depth+1)
		}
		if n, ok := t.field(&t.inner, key, b, i, depth+1); ok {
			return n
		}
		return skipValue(b, i, depth+1)
	}), true
}

// read reads who a call was made by: an object with authorization and
// claims, in logs of vaults with claim, in those of storage with requester, or a
// name in exports of Entra ID.
func (w *azureWho) read(b []byte, i, depth int) int {
	*w = azureWho{}
	if b[i] != '{' {
		if text, _ := objectText(b, i, depth); text == nil {
			return stringValue(b, i, depth, &w.name)
		}
	}
	return within(b, i, depth, func(b []byte, key string, i int) int {
		switch key {
		case "claims", "claim", "requester":
			return w.claims.read(b, i, depth+1)
		case "authorization":
			return w.grant.read(b, i, depth+1)
		}
		return skipValue(b, i, depth+1)
	})
}

func (c *azureClaims) read(b []byte, i, depth int) int {
	*c = azureClaims{}
	const schemas = "http://schemas."
	return within(b, i, depth, func(b []byte, key string, i int) int {
		dst := (*string)(nil)
		switch key {
		case schemas + "microsoft.com/identity/claims/objectidentifier", "oid", "objectId":
			dst = &c.object
		case schemas + "xmlsoap.org/ws/2005/05/identity/claims/upn", "upn":
			dst = &c.upn
		case schemas + "xmlsoap.org/ws/2005/05/identity/claims/name", "unique_name":
			dst = &c.name
		case "appid", "azp", "appId":
			dst = &c.app
		case "idtyp":
			dst = &c.kind
		case schemas + "microsoft.com/claims/authnmethodsreferences", "amr":
			dst = &c.methods
		case schemas + "microsoft.com/identity/claims/tenantid", "tid", "tenantId":
			dst = &c.tenant
		case "uti":
			dst = &c.token
		case "xms_mirid":
			dst = &c.managed
		case "ipaddr":
			dst = &c.address
		}
		if dst == nil {
			return skipValue(b, i, depth+1)
		}
		return stringValue(b, i, depth+1, dst)
	})
}

func (g *azureGrant) read(b []byte, i, depth int) int {
	*g = azureGrant{}
	return within(b, i, depth, func(b []byte, key string, i int) int {
		switch key {
		case "action":
			return stringValue(b, i, depth+1, &g.action)
		case "scope":
			return stringValue(b, i, depth+1, &g.scope)
		case "evidence":
			return members(b, i, depth+1, func(key string, i int) int {
				switch key {
				case "principalId":
					return stringValue(b, i, depth+2, &g.principal)
				case "principalType":
					return stringValue(b, i, depth+2, &g.kind)
				}
				return skipValue(b, i, depth+2)
			})
		}
		return skipValue(b, i, depth+1)
	})
}

// entraField is field for what only Entra ID's records have.
func (t *azure) entraField(f *azureFields, key string, b []byte, i, depth int) (next int, known bool) {
	var dst *string
	switch key {
	case "loggedByService", "LoggedByService":
		dst = &f.service
	case "initiatedBy", "InitiatedBy":
		return f.initiator.read(b, i, depth), true
	case "targetResources", "TargetResources":
		return f.readTargets(b, i, depth), true
	case "additionalDetails", "AdditionalDetails":
		return f.readDetails(b, i, depth), true
	case "mfaDetail", "MfaDetail":
		text, next := objectText(b, i, depth)
		f.mfa = len(text) > 2
		return next, true
	case "isInteractive", "IsInteractive":
		var is truth
		next = truthValue(b, i, depth, &is)
		f.interactive = ""
		if is == truthFalse {
			f.interactive = "false"
		}
		return next, true
	case "userId", "UserId":
		dst = &f.user
	case "userPrincipalName", "UserPrincipalName":
		dst = &f.userName
	case "userDisplayName", "UserDisplayName":
		dst = &f.userDisplay
	case "appId", "AppId":
		dst = &f.app
	case "appDisplayName", "AppDisplayName":
		dst = &f.appName
	case "servicePrincipalId", "ServicePrincipalId":
		dst = &f.principal
	case "servicePrincipalName", "ServicePrincipalName":
		dst = &f.principalName
	case "servicePrincipalCredentialKeyId", "ServicePrincipalCredentialKeyId":
		dst = &f.secret
	case "managedIdentityType", "ManagedServiceIdentity":
		dst = &f.managed
	case "uniqueTokenIdentifier", "UniqueTokenIdentifier":
		dst = &f.token
	case "authenticationRequirement", "AuthenticationRequirement":
		dst = &f.requirement
	case "userAgent", "UserAgent", "userAgentHeader":
		dst = &f.agent
	case "resourceDisplayName", "ResourceDisplayName":
		dst = &f.provider
	default:
		return i, false
	}
	return stringValue(b, i, depth, dst), true
}

func (w *azureInitiator) read(b []byte, i, depth int) int {
	*w = azureInitiator{}
	return within(b, i, depth, func(b []byte, key string, i int) int {
		switch key {
		case "user":
			return members(b, i, depth+1, func(key string, i int) int {
				switch key {
				case "id":
					return stringValue(b, i, depth+2, &w.user)
				case "userPrincipalName":
					return stringValue(b, i, depth+2, &w.userName)
				case "ipAddress":
					return stringValue(b, i, depth+2, &w.userAddress)
				}
				return skipValue(b, i, depth+2)
			})
		case "app":
			return members(b, i, depth+1, func(key string, i int) int {
				switch key {
				case "servicePrincipalId":
					return stringValue(b, i, depth+2, &w.app)
				case "appId":
					return stringValue(b, i, depth+2, &w.appName)
				case "displayName":
					return stringValue(b, i, depth+2, &w.appDisplayName)
				}
				return skipValue(b, i, depth+2)
			})
		}
		return skipValue(b, i, depth+1)
	})
}

// readTargets reads the first few of what was changed: a user by the name that
// people know, anything else by its id.
func (f *azureFields) readTargets(b []byte, i, depth int) int {
	f.nTargets = 0
	if b[i] == '"' {
		// In the tables of Log Analytics it is the text of a list.
		next := skipValue(b, i, depth)
		if next < 0 {
			return next
		}
		text := unescape(b[i+1 : next-1])
		text = text[skipSpace(text, 0):]
		if len(text) > 0 && text[0] == '[' && skipDocument(text) >= 0 {
			f.readTargets(text, 0, depth)
		}
		return next
	}
	return elements(b, i, depth, func(i int) int {
		var id, user, name string
		i = members(b, i, depth+1, func(key string, i int) int {
			switch key {
			case "id":
				return stringValue(b, i, depth+2, &id)
			case "userPrincipalName":
				return stringValue(b, i, depth+2, &user)
			case "displayName":
				return stringValue(b, i, depth+2, &name)
			}
			return skipValue(b, i, depth+2)
		})
		if s := firstOf(user, id, name); s != "" && f.nTargets < len(f.targets) {
			f.targets[f.nTargets] = s
			f.nTargets++
		}
		return i
	})
}

// readDetails finds the user agent among the details of an audit record.
func (f *azureFields) readDetails(b []byte, i, depth int) int {
	f.agent = ""
	return elements(b, i, depth, func(i int) int {
		var key, value string
		i = members(b, i, depth+1, func(k string, i int) int {
			switch k {
			case "key":
				return stringValue(b, i, depth+2, &key)
			case "value":
				return stringValue(b, i, depth+2, &value)
			}
			return skipValue(b, i, depth+2)
		})
		if strings.EqualFold(key, "User-Agent") {
			f.agent = value
		}
		return i
	})
}
