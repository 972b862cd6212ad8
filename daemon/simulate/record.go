package simulate

// renderer writes calls as CloudTrail records. It is not safe for concurrent
// use.
type renderer struct {
	t    *Traffic
	fill filling
	day  int32  // The day of the date that is cached.
	date []byte // "2026-03-02T"
	tbuf []byte
	from []byte // The address as text.
}

// told is what a record says of a call beside its actor, its time and its ids.
type told struct {
	op            *api
	region, agent string
	// from is the address, or the name of a host.
	from []byte
	// code is the error code, empty where it is that which the service has for
	// the call's failure.
	code string
	// params are the request's parameters, nil where they follow from the
	// operation.
	params []byte
}

func newRenderer(t *Traffic) *renderer { return &renderer{t: t, day: -never} }

// appendTime appends a time as RFC 3339 in UTC.
func (r *renderer) appendTime(b []byte, t int32) []byte {
	day := floorDiv(t, daySeconds)
	if day != r.day {
		r.day = day
		r.date = r.t.base.AddDate(0, 0, int(day)).AppendFormat(r.date[:0], "2006-01-02T")
	}
	s := int(t - day*daySeconds)
	b = append(b, r.date...)
	b = appendTwo(b, s/3600)
	b = append(b, ':')
	b = appendTwo(b, s/60%60)
	b = append(b, ':')
	b = appendTwo(b, s%60)
	return append(b, 'Z')
}

// append appends the record of a call.
func (r *renderer) append(b []byte, c *call) []byte {
	r.from = appendAddr(r.from[:0], c.addr)
	return r.record(b, r.t.actors[c.actor], c, &told{
		op: &catalog[c.api], region: regions[c.region], agent: agents[c.agent], from: r.from,
	})
}

// record appends the record of a call of an actor.
func (r *renderer) record(b []byte, a *actor, c *call, say *told) []byte {
	start := len(b)
	op, region := say.op, say.region
	r.tbuf = r.appendTime(r.tbuf[:0], c.t)
	r.fill = filling{id: c.id, acct: a.acct, region: region, time: r.tbuf, millis: (r.t.base.Unix()+int64(c.t))*1000 + int64(c.id%1000)}

	b = append(b, `{"eventVersion":"`...)
	b = append(b, op.service.format...)
	b = append(b, `","userIdentity":`...)
	b = r.appendIdentity(b, a, c, op)
	b = append(b, `,"eventTime":"`...)
	b = append(b, r.tbuf...)
	b = append(b, `","eventSource":"`...)
	b = append(b, op.service.source...)
	b = append(b, `","eventName":"`...)
	b = append(b, op.name...)
	b = append(b, `","awsRegion":"`...)
	b = append(b, region...)
	b = append(b, `","sourceIPAddress":"`...)
	if a.kind == awsOwn {
		b = append(b, a.name...)
		b = append(b, `","userAgent":"`...)
		b = append(b, a.name...)
	} else {
		b = append(b, say.from...)
		b = append(b, `","userAgent":"`...)
		b = append(b, say.agent...)
	}
	signin := op.service.source == "signin.amazonaws.com"
	if c.err != ok {
		b = r.appendError(b, a, say, c, signin)
	}
	b = append(b, `","requestParameters":`...)
	switch {
	case say.params != nil:
		b = append(b, say.params...)
	case op.req == nil || c.err == denied && c.id%3 == 0:
		b = append(b, "null"...)
	default:
		b = op.req.append(b, &r.fill)
	}
	b = append(b, `,"responseElements":`...)
	switch {
	case signin && c.err != ok:
		b = append(b, `{"ConsoleLogin":"Failure"}`...)
	case op.resp == nil || c.err != ok:
		b = append(b, "null"...)
	default:
		b = op.resp.append(b, &r.fill)
	}
	pad := 0
	if r.t.o.PadTo > 0 {
		// What follows is at least so long.
		pad = max(0, r.t.o.PadTo-(len(b)-start)-300)
	}
	if signin || op.service.source == "s3.amazonaws.com" || pad > 0 {
		b = append(b, `,"additionalEventData":{`...)
		if signin {
			b = append(b, `"LoginTo":"https://console.aws.amazonaws.com/console/home","MobileVersion":"No","MFAUsed":"Yes"`...)
		} else {
			b = append(b, `"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":0,"AuthenticationMethod":"AuthHeader"`...)
		}
		if !signin || pad > 0 {
			b = append(b, `,"x-amz-id-2":"`...)
			b = appendBase64(b, c.id, 76+pad)
			b = append(b, `=","bytesTransferredOut":`...)
			b = appendInt(b, int64(c.id>>20&4095))
		}
		b = append(b, '}')
	}
	b = append(b, `,"requestID":"`...)
	b = appendUUID(b, ^c.id)
	b = append(b, `","eventID":"`...)
	b = appendUUID(b, c.id)
	if op.read {
		b = append(b, `","readOnly":true`...)
	} else {
		b = append(b, `","readOnly":false`...)
	}
	if op.resources != nil {
		b = append(b, `,"resources":`...)
		b = op.resources.append(b, &r.fill)
	}
	b = append(b, `,"eventType":"`...)
	switch {
	case signin:
		b = append(b, "AwsConsoleSignIn"...)
	default:
		b = append(b, "AwsApiCall"...)
	}
	if op.service.version != "" {
		b = append(b, `","apiVersion":"`...)
		b = append(b, op.service.version...)
	}
	b = append(b, `","managementEvent":true,"recipientAccountId":"`...)
	b = append(b, a.acct.id...)
	b = append(b, `","eventCategory":"Management"`...)
	if a.kind != awsOwn {
		b = append(b, `,"tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"`...)
		name := op.service.source
		if op.service.global {
			b = append(b, name...)
		} else {
			b = append(b, name[:len(name)-len("amazonaws.com")]...)
			b = append(b, region...)
			b = append(b, ".amazonaws.com"...)
		}
		b = append(b, `"}`...)
		if c.flags&console != 0 && !signin {
			b = append(b, `,"sessionCredentialFromConsole":"true"`...)
		}
	}
	return append(b, '}')
}

// appendIdentity appends the userIdentity element.
func (r *renderer) appendIdentity(b []byte, a *actor, c *call, op *api) []byte {
	if a.kind == awsOwn {
		b = append(b, `{"type":"AWSService","invokedBy":"`...)
		b = append(b, a.name...)
		return append(b, `"}`...)
	}
	signin := op.service.source == "signin.amazonaws.com"
	if a.kind == rootUser {
		b = append(b, `{"type":"Root","principalId":"`...)
		b = append(b, a.acct.id...)
		b = append(b, `","arn":"`...)
		b = append(b, a.arn...)
		b = append(b, `","accountId":"`...)
		b = append(b, a.acct.id...)
		if signin {
			return append(b, `","accessKeyId":""}`...)
		}
		b = append(b, `","accessKeyId":"`...)
		b = a.appendKey(b, c)
		b = append(b, `","sessionContext":{"attributes":{"creationDate":"`...)
		b = r.appendTime(b, c.sess)
		return append(b, `","mfaAuthenticated":"true"}}}`...)
	}
	if a.kind == iamUser {
		b = append(b, `{"type":"IAMUser","principalId":"`...)
		b = append(b, a.principal...)
		b = append(b, `","arn":"`...)
		b = append(b, a.arn...)
		b = append(b, `","accountId":"`...)
		b = append(b, a.acct.id...)
		if !signin {
			b = append(b, `","accessKeyId":"`...)
			b = a.appendKey(b, c)
		}
		b = append(b, `","userName":"`...)
		b = append(b, a.name...)
		if c.flags&console != 0 && !signin {
			b = append(b, `","sessionContext":{"attributes":{"creationDate":"`...)
			b = r.appendTime(b, c.sess)
			return append(b, `","mfaAuthenticated":"true"}}}`...)
		}
		return append(b, `"}`...)
	}
	b = append(b, `{"type":"AssumedRole","principalId":"`...)
	b = append(b, a.principal...)
	b = append(b, ':')
	b = a.appendSession(b, c)
	b = append(b, `","arn":"`...)
	b = append(b, a.arn...)
	b = a.appendSession(b, c)
	b = append(b, `","accountId":"`...)
	b = append(b, a.acct.id...)
	b = append(b, `","accessKeyId":"`...)
	b = a.appendKey(b, c)
	b = append(b, `","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"`...)
	b = append(b, a.principal...)
	b = append(b, `","arn":"arn:aws:iam::`...)
	b = append(b, a.acct.id...)
	b = append(b, `:role/`...)
	b = append(b, a.rolePath...)
	b = append(b, a.role...)
	b = append(b, `","accountId":"`...)
	b = append(b, a.acct.id...)
	b = append(b, `","userName":"`...)
	b = append(b, a.role...)
	b = append(b, `"},"attributes":{"creationDate":"`...)
	b = r.appendTime(b, c.sess)
	b = append(b, `","mfaAuthenticated":"false"}`...)
	if a.kind != role {
		return append(b, `}}`...)
	}
	switch a.naming {
	case byInstance:
		return append(b, `,"ec2RoleDelivery":"2.0"}}`...)
	case byFunction:
		b = r.appendScope(b, a, `AWS::Lambda::Function`, `lambda`, `function:`)
	case byTask:
		b = r.appendScope(b, a, `AWS::ECS::Cluster`, `ecs`, `cluster/`)
	default:
		return append(b, `}}`...)
	}
	return append(b, `}`...)
}

// appendScope closes the session context and says which resource the
// credentials were issued to.
func (r *renderer) appendScope(b []byte, a *actor, kind, service, resource string) []byte {
	b = append(b, `},"inScopeOf":{"issuerType":"`...)
	b = append(b, kind...)
	b = append(b, `","credentialsIssuedTo":"arn:aws:`...)
	b = append(b, service...)
	b = append(b, ':')
	b = append(b, regions[a.acct.region]...)
	b = append(b, ':')
	b = append(b, a.acct.id...)
	b = append(b, ':')
	b = append(b, resource...)
	b = append(b, a.function...)
	return append(b, `"}`...)
}

// appendError appends errorCode and errorMessage, with the quote of the
// element before still open, and leaves its own last one open.
func (r *renderer) appendError(b []byte, a *actor, say *told, c *call, signin bool) []byte {
	op := say.op
	if signin {
		return append(b, `","errorMessage":"Failed authentication`...)
	}
	code := func(own string) []byte {
		b = append(b, `","errorCode":"`...)
		if say.code != "" {
			own = say.code
		}
		return append(b, own...)
	}
	ec2 := op.service.source == "ec2.amazonaws.com"
	switch c.err {
	case denied:
		b = code(op.service.denied)
		if ec2 {
			b = append(b, `","errorMessage":"You are not authorized to perform this operation. User: `...)
		} else {
			b = append(b, `","errorMessage":"User: `...)
		}
		b = append(b, a.arn...)
		if a.kind == ssoPerson || a.kind == role {
			b = a.appendSession(b, c)
		}
		b = append(b, ` is not authorized to perform: `...)
		b = append(b, op.action...)
		return append(b, ` because no identity-based policy allows the action`...)
	case throttled:
		if ec2 {
			return append(code("Client.RequestLimitExceeded"), `","errorMessage":"Request limit exceeded.`...)
		}
		return append(code("ThrottlingException"), `","errorMessage":"Rate exceeded`...)
	case missing:
		return append(code(op.service.missing), `","errorMessage":"The specified resource does not exist.`...)
	case expired:
		return append(code("ExpiredTokenException"), `","errorMessage":"The security token included in the request is expired`...)
	}
	if ec2 {
		return append(code("Client.InvalidParameterValue"), `","errorMessage":"The value supplied for a parameter is not valid.`...)
	}
	return append(code("ValidationException"), `","errorMessage":"1 validation error detected: a value failed to satisfy its constraint`...)
}

// eventID is the id of a call's event.
func eventID(c *call) string { return string(appendUUID(nil, c.id)) }
