package event

// The objects inside a CloudTrail record. Each function reads the value at
// b[i], which may be of any kind, and returns the index behind it or a fault.
// Each first forgets what an earlier key of the same name said.

// userIdentity reads who made the call.
func (t *cloudTrail) userIdentity(b []byte, i int, a *Actor) int {
	*a = Actor{}
	t.credentialID = ""
	t.mfaAuthenticated = truthUnknown
	if b[i] != '{' {
		return skipValue(b, i, 1)
	}
	i++
	for first := true; ; first = false {
		key, next, more := nextKey(b, i, first)
		if i = next; !more {
			return i
		}
		switch key {
		case "type":
			i = stringValue(b, i, 2, &a.RawType)
		case "arn":
			i = stringValue(b, i, 2, &a.ARN)
		case "userName":
			i = stringValue(b, i, 2, &a.Name)
		case "accountId":
			i = stringValue(b, i, 2, &a.AccountID)
		case "invokedBy":
			i = stringValue(b, i, 2, &a.InvokedBy)
		case "principalId":
			i = stringValue(b, i, 2, &a.PrincipalID)
		case "accessKeyId":
			i = stringValue(b, i, 2, &a.Credential)
		case "credentialId":
			i = stringValue(b, i, 2, &t.credentialID)
		case "identityProvider":
			i = stringValue(b, i, 2, &a.IDProvider)
		case "sessionContext":
			i = t.sessionContext(b, i, a)
		case "onBehalfOf":
			i = oneString(b, i, 2, "userId", &a.OnBehalfOf)
		default:
			i = skipValue(b, i, 2)
		}
		if i < 0 {
			return i
		}
	}
}

func (t *cloudTrail) sessionContext(b []byte, i int, a *Actor) int {
	a.Issuer = ""
	t.mfaAuthenticated = truthUnknown
	if b[i] != '{' {
		return skipValue(b, i, 2)
	}
	i++
	for first := true; ; first = false {
		key, next, more := nextKey(b, i, first)
		if i = next; !more {
			return i
		}
		switch key {
		case "sessionIssuer":
			i = oneString(b, i, 3, "arn", &a.Issuer)
		case "attributes":
			i = oneTruth(b, i, 3, "mfaAuthenticated", &t.mfaAuthenticated)
		default:
			i = skipValue(b, i, 3)
		}
		if i < 0 {
			return i
		}
	}
}

// oneString reads one key of the object at b[i], which stands at a depth.
func oneString(b []byte, i, depth int, name string, dst *string) int {
	*dst = ""
	if b[i] != '{' {
		return skipValue(b, i, depth)
	}
	i++
	for first := true; ; first = false {
		key, next, more := nextKey(b, i, first)
		if i = next; !more {
			return i
		}
		if key == name {
			i = stringValue(b, i, depth+1, dst)
		} else {
			i = skipValue(b, i, depth+1)
		}
		if i < 0 {
			return i
		}
	}
}

// addendum reads why a record was sent late or again.
func (t *cloudTrail) addendum(b []byte, i int) int {
	t.reason, t.original = "", ""
	if b[i] != '{' {
		return skipValue(b, i, 1)
	}
	i++
	for first := true; ; first = false {
		key, next, more := nextKey(b, i, first)
		if i = next; !more {
			return i
		}
		switch key {
		case "reason":
			i = stringValue(b, i, 2, &t.reason)
		case "originalEventID":
			i = stringValue(b, i, 2, &t.original)
		default:
			i = skipValue(b, i, 2)
		}
		if i < 0 {
			return i
		}
	}
}

// insightOf reads which API an Insights record is about.
func (t *cloudTrail) insightOf(b []byte, i int) int {
	t.insight = cloudTrailInsight{}
	t.insightDetails = false
	if b[i] != '{' {
		return skipValue(b, i, 1)
	}
	t.insightDetails = true
	i++
	for first := true; ; first = false {
		key, next, more := nextKey(b, i, first)
		if i = next; !more {
			return i
		}
		switch key {
		case "eventSource":
			i = stringValue(b, i, 2, &t.insight.service)
		case "eventName":
			i = stringValue(b, i, 2, &t.insight.operation)
		case "errorCode":
			i = stringValue(b, i, 2, &t.insight.errorCode)
		default:
			i = skipValue(b, i, 2)
		}
		if i < 0 {
			return i
		}
	}
}

// additionalEventData reads whether a sign-in used a second factor.
func (t *cloudTrail) additionalEventData(b []byte, i int) int {
	var used string
	i = oneString(b, i, 1, "MFAUsed", &used)
	t.mfaUsed = used == "Yes"
	return i
}

// signInFailures reads which sign-ins an object calls failures.
func signInFailures(b []byte, i int, failed *uint8) int {
	*failed = 0
	if b[i] != '{' {
		return skipValue(b, i, 1)
	}
	i++
	for first := true; ; first = false {
		key, next, more := nextKey(b, i, first)
		if i = next; !more {
			return i
		}
		if bit := signInBit(key); bit != 0 {
			var s string
			i = stringValue(b, i, 2, &s)
			*failed &^= bit
			if s == "Failure" {
				*failed |= bit
			}
		} else {
			i = skipValue(b, i, 2)
		}
		if i < 0 {
			return i
		}
	}
}

// cloudTrailResources reads the ARNs of resources into the pool's list.
func cloudTrailResources(b []byte, i int, p *stringPool) int {
	p.begin()
	if b[i] != '[' {
		return skipValue(b, i, 1)
	}
	i++
	for first := true; ; first = false {
		next, more := nextElement(b, i, first)
		if i = next; !more {
			return i
		}
		var arn string
		if i = oneString(b, i, 2, "ARN", &arn); i < 0 {
			return i
		}
		if arn != "" {
			p.add(arn)
		}
	}
}

// requestParameters reads the first few well-known names of what is acted on.
func (t *cloudTrail) requestParameters(b []byte, i int) int {
	t.nNamed = 0
	if b[i] != '{' {
		return skipValue(b, i, 1)
	}
	i++
	for first := true; ; first = false {
		key, next, more := nextKey(b, i, first)
		if i = next; !more {
			return i
		}
		switch {
		case b[i] == '"' && namesResource(key):
			var s string
			i = stringValue(b, i, 2, &s)
			t.name(s)
		case b[i] == '{' && key == "instancesSet":
			i = t.instancesSet(b, i)
		default:
			i = skipValue(b, i, 2)
		}
		if i < 0 {
			return i
		}
	}
}

func (t *cloudTrail) name(s string) {
	if s != "" && s != "HIDDEN_DUE_TO_SECURITY_REASONS" && t.nNamed < len(t.named) {
		t.named[t.nNamed] = s
		t.nNamed++
	}
}

// instancesSet reads {"items":[{"instanceId":…},…]}, which is how EC2 names the
// instances that a call is about.
func (t *cloudTrail) instancesSet(b []byte, i int) int {
	i++
	for first := true; ; first = false {
		key, next, more := nextKey(b, i, first)
		if i = next; !more {
			return i
		}
		if key != "items" || b[i] != '[' {
			i = skipValue(b, i, 3)
		} else {
			i++
			for first := true; ; first = false {
				next, more := nextElement(b, i, first)
				if i = next; !more {
					break
				}
				var id string
				if i = oneString(b, i, 4, "instanceId", &id); i < 0 {
					break
				}
				t.name(id)
			}
		}
		if i < 0 {
			return i
		}
	}
}

// namesResource reports whether a request parameter names what is acted on.
func namesResource(key string) bool {
	switch len(key) {
	case 4:
		return key == "name"
	case 5:
		return key == "keyId" || key == "vpcId"
	case 7:
		return key == "roleArn" || key == "groupId" || key == "imageId"
	case 8:
		return key == "userName" || key == "roleName" || key == "secretId" || key == "topicArn" ||
			key == "queueUrl" || key == "volumeId" || key == "trailArn"
	case 9:
		return key == "groupName" || key == "policyArn" || key == "tableName" || key == "stackName"
	case 10:
		return key == "bucketName" || key == "instanceId" || key == "snapshotId" || key == "policyName"
	case 11:
		return key == "resourceArn" || key == "clusterName" || key == "accessKeyId"
	case 12:
		return key == "functionName" || key == "logGroupName"
	case 14:
		return key == "repositoryName"
	case 20:
		return key == "dBInstanceIdentifier"
	}
	return false
}
